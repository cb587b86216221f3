//! SwiGLU (Shazeer 2020, arXiv 2002.05202).

use super::math;
use super::widest::widest;

widest! {
    /// `out = gate / (1 + exp(-gate)) · up`.
    pub(super) fn swiglu(_isa; gate: &[f32], up: &[f32], out: &mut [f32]) {
        for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
            *out = gate / (1.0 + math::exp(-gate)) * up;
        }
    }
}
