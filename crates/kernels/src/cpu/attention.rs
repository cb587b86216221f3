//! Attention of one row over the cache: scores, softmax, weighted sum, each in the order of the positions.

use wide::f32x4;

use super::math;

/// Keys and values of one layer.
pub(super) struct Cache<'a> {
    /// `[positions, kv_width]`.
    pub(super) keys: &'a [f32],
    /// `[positions, kv_width]`.
    pub(super) values: &'a [f32],
    /// `kv_heads · head_dim`.
    pub(super) kv_width: usize,
    /// Values per head, a multiple of 4.
    pub(super) head_dim: usize,
}

/// `q [heads · head_dim]` sees the first `visible` positions; writes `out`, shaped like `q`.
pub(super) fn row(q: &[f32], cache: &Cache<'_>, visible: usize, out: &mut [f32]) {
    let head_dim = cache.head_dim;
    let queries_per_key = q.len() / cache.kv_width;
    let scale = 1.0 / (head_dim as f32).sqrt();
    let mut weights = vec![0.0; visible];
    let mut sums = vec![f32x4::splat(0.0); head_dim / 4];
    for (head, (q, out)) in q
        .chunks_exact(head_dim)
        .zip(out.chunks_exact_mut(head_dim))
        .enumerate()
    {
        let at = head / queries_per_key * head_dim;
        for (weight, key) in weights
            .iter_mut()
            .zip(cache.keys.chunks_exact(cache.kv_width))
        {
            *weight = math::dot(q, &key[at..at + head_dim]) * scale;
        }
        let (largest, _) = math::argmax(&weights);
        let total = math::exp_and_sum(&mut weights, largest);

        sums.fill(f32x4::splat(0.0));
        for (&weight, value) in weights
            .iter()
            .zip(cache.values.chunks_exact(cache.kv_width))
        {
            for (sum, value) in sums.iter_mut().zip(value[at..at + head_dim].as_chunks().0) {
                *sum += f32x4::splat(weight) * f32x4::new(*value);
            }
        }
        for (out, sum) in out.chunks_exact_mut(4).zip(&sums) {
            out.copy_from_slice(&(*sum / f32x4::splat(total)).to_array());
        }
    }
}
