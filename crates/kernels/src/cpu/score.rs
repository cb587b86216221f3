//! Log-softmax at one index, and the arg max.

use super::math;

/// Log-probability (nats) of `target` under `logits [vocab]`, and the index of the largest logit.
pub(super) fn row(logits: &[f32], target: usize) -> [f32; 2] {
    let (largest, index) = math::argmax(logits);
    let total = math::exp_and_sum(&mut logits.to_vec(), largest);
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
