//! The known-answer test of a GPU: the bundled tiny checkpoint on both lanes, position by position.
//!
//! Drivers and browsers have computed wrong numbers without any error; a lane that is not tested on this very adapter is not
//! to be believed.

use jeoul_checkpoint::{Checkpoint, MemorySource};
use jeoul_eval::model::TokenPair;

use crate::{Lane, LocalModel, ModelError, Pace, device};

/// Random weights, every tensor type.
static TINY: &[u8] = include_bytes!("../../../models/tiny.gguf");

/// Positions compared: two tiles of the attention kernel and a bit.
const POSITIONS: u32 = 150;
/// Largest difference of a log-probability (nats) that rounding explains.
const DIFFERENCE_MAX: f32 = 5e-3;
/// Least share of positions at which the most probable token agrees; near-ties may differ.
const AGREEMENT_MIN: f64 = 0.98;

/// What a GPU answered.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfTest {
    /// Name of the adapter, as far as the platform tells it.
    pub adapter: String,
    /// Share of positions at which GPU and CPU find the same token most probable, 0 to 1.
    pub agreement: f64,
    /// Largest difference of a token's log-probability, in nats.
    pub difference_max: f32,
}

impl SelfTest {
    /// Whether the GPU computes what the CPU computes.
    pub fn passed(&self) -> bool {
        self.agreement >= AGREEMENT_MIN && self.difference_max <= DIFFERENCE_MAX
    }
}

/// Computes the known answers on the GPU. `Err` if there is no GPU or it fails; a wrong answer is an `Ok` that has not passed.
pub async fn run() -> Result<SelfTest, ModelError> {
    let tokens: Vec<u32> = (0..POSITIONS)
        .map(|i| (i * i * 7 + i * 13 + 3) % 251)
        .collect();
    let pair = TokenPair {
        context: tokens[..1].to_vec(),
        continuation: tokens[1..].to_vec(),
    };
    let mut outcomes = Vec::new();
    for lane in [Lane::Cpu, Lane::Gpu] {
        let checkpoint = Checkpoint::open(MemorySource::new("tiny.gguf", TINY))?;
        let mut model = LocalModel::load(checkpoint, lane, Pace::free()).await?;
        outcomes.extend(model.outcomes(std::slice::from_ref(&pair)).await?);
    }
    let both = || outcomes[0].iter().zip(&outcomes[1]);
    let agreeing = both().filter(|(cpu, gpu)| cpu.best == gpu.best).count();
    Ok(SelfTest {
        adapter: device::gpu().await?.adapter,
        agreement: agreeing as f64 / outcomes[0].len() as f64,
        difference_max: both()
            .map(|(cpu, gpu)| (cpu.logprob - gpu.logprob).abs())
            .fold(0.0, f32::max),
    })
}
