//! How fast a loaded model is: tokens a second when it reads a prompt, and when it writes.

use crate::{LocalModel, ModelError};

/// Tokens a second, measurement by measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speeds {
    /// Prompt tokens, with the one probability that is read off the last.
    pub prefill: Vec<f64>,
    /// Generated tokens, each the most probable one.
    pub decode: Vec<f64>,
}

impl LocalModel {
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
