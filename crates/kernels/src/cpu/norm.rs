//! RMS norm (Zhang and Sennrich 2019, arXiv 1910.07467).

use super::math;

/// `y = x / sqrt(mean(x²) + epsilon) · weight`, one row.
pub(super) fn rms_norm_row(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32]) {
    let mean_square = math::dot(x, x) / x.len() as f32;
    let scale = 1.0 / (mean_square + epsilon).sqrt();
    for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
        *y = x * scale * weight;
    }
}
