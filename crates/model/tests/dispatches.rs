//! How many dispatches the GPU lane needs a token: in browsers each costs time of its own, however small its work.
#![cfg(feature = "gpu")]

use jeoul_checkpoint::{Checkpoint, FileSource};
use jeoul_model::{Lane, LocalModel, ModelError, Pace};

const TINY: &str = "../../models/tiny.gguf";

#[test]
fn a_generated_token_takes_at_most_ten_dispatches_a_layer_and_five() {
    let source = FileSource::open(TINY).expect("models/tiny.gguf");
    let checkpoint = Checkpoint::open(source).expect("a checkpoint");
    let layers = checkpoint.config().layers as u64;
    let load = LocalModel::load(checkpoint, Lane::Gpu, Pace::free());
    let mut model = match pollster::block_on(load) {
        Ok(model) => model,
        Err(ModelError::NoGpu { reason }) => {
            eprintln!("skipped: no adapter for the GPU lane: {reason}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    // The checkpoint's matrices are stored in several types, so that some products are not joined.
    let mut dispatches = |generate| {
        let before = jeoul_kernels::gpu::dispatches();
        pollster::block_on(model.speeds(8, generate, 1, || 0.0)).expect("measured");
        jeoul_kernels::gpu::dispatches() - before
    };
    // Each is done twice: to warm up, and measured.
    let a_token = (dispatches(9) - dispatches(5)) as f64 / 8.0;
    assert!(a_token > layers as f64, "counted nothing: {a_token}");
    assert!(a_token <= (10 * layers + 5) as f64, "{a_token}");
}
