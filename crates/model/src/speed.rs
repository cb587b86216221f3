//! How fast a loaded model is: tokens a second when it reads a prompt, and when it writes; and where the time goes.

#[cfg(not(target_family = "wasm"))]
use std::time::{Duration, Instant};

#[cfg(not(target_family = "wasm"))]
use jeoul_kernels::profile::{self, OperationTime};

use crate::{LocalModel, ModelError};

/// Tokens a second, measurement by measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speeds {
    /// Prompt tokens, with the one probability that is read off the last.
    pub prefill: Vec<f64>,
    /// Generated tokens, each the most probable one.
    pub decode: Vec<f64>,
}

/// Where the time of some tokens goes.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The operations by name.
    pub operations: Vec<(&'static str, OperationTime)>,
    /// From the first to the last, with what lies between the operations.
    pub total: Duration,
}

impl LocalModel {
    /// Where the time goes of reading an invented prompt of `prompt` tokens, and of one more token after it, both after a prompt
    /// that warms up.
    #[cfg(not(target_family = "wasm"))]
    pub async fn profile(&mut self, prompt: usize) -> Result<[Profile; 2], ModelError> {
        self.reserve(prompt + 2);
        let mut sequence = self.invented(prompt);
        for _ in 0..2 {
            sequence.push(self.most_probable(&sequence).await?);
        }
        let mut sequence = self.invented(prompt);
        let mut profiles = Vec::with_capacity(2);
        for _ in 0..2 {
            let begin = Instant::now();
            profile::start();
            let next = self.most_probable(&sequence).await;
            let (operations, total) = (profile::stop(), begin.elapsed());
            sequence.push(next?);
            profiles.push(Profile { operations, total });
        }
        let [decode, prefill] =
            [profiles.pop(), profiles.pop()].map(|profile| profile.expect("two"));
        Ok([prefill, decode])
    }

    /// Reads an invented prompt of `prompt` tokens and continues it by `generate`, both at least 1; `repeats` times, and once
    /// before to warm up. `now` is a clock in milliseconds.
    pub async fn speeds(
        &mut self,
        prompt: usize,
        generate: usize,
        repeats: usize,
        now: impl Fn() -> f64,
    ) -> Result<Speeds, ModelError> {
        self.reserve(prompt + generate);
        let mut speeds = Speeds::default();
        for repeat in 0..=repeats {
            let mut sequence = self.invented(prompt);
            let begin = now();
            sequence.push(self.most_probable(&sequence).await?);
            let read = now();
            for _ in 0..generate {
                sequence.push(self.most_probable(&sequence).await?);
            }
            let written = now();
            if repeat > 0 {
                let per_second = |tokens: usize, ms: f64| tokens as f64 * 1000.0 / ms.max(1e-3);
                speeds.prefill.push(per_second(prompt, read - begin));
                speeds.decode.push(per_second(generate, written - read));
            }
        }
        Ok(speeds)
    }

    /// A sequence that begins otherwise than the one before it, so that nothing of that is reused.
    fn invented(&self, tokens: usize) -> Vec<u32> {
        let seed = self.tokens_computed() as u32;
        let token = |i| (seed.wrapping_add(7 * i)).wrapping_mul(2_654_435_761) >> 8;
        let vocabulary = self.vocabulary() as u32;
        (0..tokens as u32).map(|i| token(i) % vocabulary).collect()
    }
}
