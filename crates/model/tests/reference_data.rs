//! SmolLM2-135M-Instruct Q4_1 against log-probabilities computed in f32 with numpy, on every lane.
//!
//! Needs the checkpoint and the reference file, which are not part of the repository; says so and passes where they are not there.

use std::path::PathBuf;

use jeoul_checkpoint::{Checkpoint, FileSource};
use jeoul_eval::model::{LanguageModel, TokenPair};
use jeoul_model::{Lane, LocalModel, Pace};

#[derive(serde::Deserialize)]
struct Reference {
    context_ids: Vec<u32>,
    continuation_ids: Vec<u32>,
    token_logprobs: Vec<f64>,
    is_greedy: bool,
}

/// `JEOUL_SMOLLM2`, or where `cargo xtask fetch` puts it; and the reference beside the checkout.
fn files() -> Option<(PathBuf, PathBuf)> {
    let root = PathBuf::from("../..");
    let checkpoint = std::env::var_os("JEOUL_SMOLLM2").map_or_else(
        || root.join("models/cache/SmolLM2-135M-Instruct.Q4_1.gguf"),
        PathBuf::from,
    );
    let data =
        std::env::var_os("JEOUL_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let reference = data.join("reference/smollm2-135m-instruct-q4_1.json");
    (checkpoint.exists() && reference.exists()).then_some((checkpoint, reference))
}

/// Scores the reference's pairs of at most `tokens_max` tokens and holds the errors against the bounds.
/// All pairs if `JEOUL_ALL_PAIRS` is set: minutes on a lane that is slow on this machine.
fn compare(lane: Lane, tokens_max: usize, mean_max: f64, max: f64) {
    let Some((checkpoint, reference)) = files() else {
        eprintln!("skipped: no checkpoint or no reference data");
        return;
    };
    let pairs: Vec<Reference> =
        serde_json::from_slice(&std::fs::read(reference).expect("readable"))
            .expect("the reference's shape");
    let checkpoint =
        Checkpoint::open(FileSource::open(checkpoint).expect("readable")).expect("a checkpoint");
    let mut model = match pollster::block_on(LocalModel::load(checkpoint, lane, Pace::free())) {
        Ok(model) => model,
        Err(jeoul_model::ModelError::NoGpu { reason }) => {
            eprintln!("skipped: {reason}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let (mut sum, mut largest, mut count) = (0.0, 0.0_f64, 0);
    let tokens_max = match std::env::var_os("JEOUL_ALL_PAIRS") {
        Some(_) => usize::MAX,
        None => tokens_max,
    };
    for (i, pair) in pairs.iter().enumerate() {
        if pair.context_ids.len() + pair.continuation_ids.len() > tokens_max {
            continue;
        }
        let request = TokenPair {
            context: pair.context_ids.clone(),
            continuation: pair.continuation_ids.clone(),
        };
        let answer = &pollster::block_on(model.loglikelihood(&[request])).expect("an answer")[0];
        assert_eq!(answer.is_greedy, pair.is_greedy, "pair {i}");
        for (got, want) in answer.token_logprobs.iter().zip(&pair.token_logprobs) {
            let error = (f64::from(*got) - want).abs();
            (sum, largest, count) = (sum + error, largest.max(error), count + 1);
        }
    }
    let mean = sum / f64::from(count);
    println!("{lane}: {count} tokens, error {mean:.2e} on average, {largest:.2e} at most");
    assert!(
        mean <= mean_max && largest <= max,
        "{lane}: {mean:.2e} on average, {largest:.2e} at most"
    );
}

#[test]
fn the_cpu_lane_is_within_5e_4_on_average_and_5e_3_at_most() {
    compare(Lane::Cpu, usize::MAX, 5e-4, 5e-3);
}

#[test]
fn the_reference_lane_is_within_1e_3() {
    compare(Lane::Reference, 90, 1e-3, 1e-3);
}

/// Without a GPU the lane runs in software, a few tokens a second.
#[cfg(feature = "gpu")]
#[test]
fn the_gpu_lane_is_within_5e_3() {
    compare(Lane::Gpu, 20, 5e-3, 5e-3);
}
