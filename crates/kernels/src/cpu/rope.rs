//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864), interleaved pairs.

/// Turns each pair of `head` by the angle whose cosine and sine are given; values beyond the pairs stay.
pub(super) fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((pair, cos), sin) in head.chunks_exact_mut(2).zip(cos).zip(sin) {
        let (a, b) = (pair[0], pair[1]);
        pair[0] = a * cos - b * sin;
        pair[1] = a * sin + b * cos;
    }
}
