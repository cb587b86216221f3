//! Log-softmax at one index, the arg max, and the largest of a row.

use super::math;
use super::widest::widest;

widest! {
    /// Largest logit with its index, and the sum of `exp(logit - largest)`; overwrites the logits.
    fn summary(_isa; logits: &mut [f32]) -> (f32, usize, f32) {
        let (largest, index) = math::argmax(logits);
        (largest, index, math::exp_and_sum(logits, largest))
    }
}

/// What log-probabilities under one row of logits need.
#[derive(Clone, Copy, Default)]
pub(super) struct Summary {
    largest: f32,
    /// Index of the largest logit, the first of equals.
    pub(super) best: usize,
    /// Sum of `exp(logit - largest)`.
    total: f32,
}

impl Summary {
    /// Of `logits [vocab]`.
    pub(super) fn new(logits: &[f32]) -> Self {
        let (largest, best, total) = summary(&mut logits.to_vec());
        Self {
            largest,
            best,
            total,
        }
    }

    /// Log-probability (nats) of the token with this logit.
    pub(super) fn logprob(&self, logit: f32) -> f32 {
        let logprob = f64::from(logit) - f64::from(self.largest) - libm::log(f64::from(self.total));
        logprob as f32
    }
}

/// Every logit not below the `count`-th largest with its index, and how many of all are not finite.
pub(super) fn largest(logits: &[f32], count: usize) -> (Vec<[f32; 2]>, usize) {
    let mut ranked = logits.to_vec();
    let least = match count < ranked.len() {
        true => {
            *ranked
                .select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a))
                .1
        }
        false => f32::NEG_INFINITY,
    };
    let found = (0..).zip(logits).filter(|(_, logit)| **logit >= least);
    (
        found.map(|(index, &logit)| [logit, index as f32]).collect(),
        logits.iter().filter(|logit| !logit.is_finite()).count(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_all_targets_add_up_to_one() {
        let logits: Vec<f32> = (0..461)
            .map(|i| ((i * 37) % 101) as f32 / 10.0 - 5.0)
            .collect();
        let summary = Summary::new(&logits);
        let total: f64 = logits
            .iter()
            .map(|&logit| f64::from(summary.logprob(logit)).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
}
