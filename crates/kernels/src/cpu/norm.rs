//! RMS norm (Zhang and Sennrich 2019, arXiv 1910.07467).

use super::fresh::MaybeUninit;
use super::math;
use super::widest::widest;

widest! {
    /// `y = x / sqrt(mean(x²) + epsilon) · weight`, row by row: `x [rows, k]`, `weight [k]`.
    pub(super) fn rms_norm(_isa; x: &[f32], weight: &[f32], epsilon: f32, y: &mut [MaybeUninit<f32>]) {
        let k = weight.len();
        for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(k)) {
            let mean_square = math::sum_of_squares(x) / k as f32;
            let scale = 1.0 / (mean_square + epsilon).sqrt();
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                y.write(x * scale * weight);
            }
        }
    }
}
