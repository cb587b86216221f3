//! Log-softmax at one index, and the arg max.

use super::math;
use super::widest::widest;

widest! {
    /// Largest logit with its index, and the sum of `exp(logit - largest)`; overwrites the logits.
    fn summary(_isa; logits: &mut [f32]) -> (f32, usize, f32) {
        let (largest, index) = math::argmax(logits);
        (largest, index, math::exp_and_sum(logits, largest))
    }
}

/// Log-probability (nats) of `target` under `logits [vocab]`, and the index of the largest logit.
pub(super) fn row(logits: &[f32], target: usize) -> [f32; 2] {
    let (largest, index, total) = summary(&mut logits.to_vec());
    let logprob = f64::from(logits[target]) - f64::from(largest) - libm::log(f64::from(total));
    [logprob as f32, index as f32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_all_targets_add_up_to_one() {
        let logits: Vec<f32> = (0..461)
            .map(|i| ((i * 37) % 101) as f32 / 10.0 - 5.0)
            .collect();
        let total: f64 = (0..logits.len())
            .map(|t| f64::from(row(&logits, t)[0]).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
}
