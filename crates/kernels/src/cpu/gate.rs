//! SwiGLU (Shazeer 2020, arXiv 2002.05202).

use super::fresh::MaybeUninit;
use super::math;
use super::widest::widest;

widest! {
    /// `out = g / (1 + exp(-g)) · u` of rows of `k`, where a row of `both` is `g` and then `u`.
    pub(super) fn swiglu(_isa; both: &[f32], k: usize, out: &mut [MaybeUninit<f32>]) {
        for (both, out) in both.chunks_exact(2 * k).zip(out.chunks_exact_mut(k)) {
            let (gate, up) = both.split_at(k);
            for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
                out.write(gate / (1.0 + math::exp(-gate)) * up);
            }
        }
    }
}
