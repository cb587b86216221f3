//! SwiGLU (Shazeer 2020, arXiv 2002.05202).

use wide::f32x4;

use super::math;

/// `out = gate / (1 + exp(-gate)) · up`.
pub(super) fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    let four = |chunk: &[f32]| {
        let mut lanes = [0.0; 4];
        lanes[..chunk.len()].copy_from_slice(chunk);
        f32x4::new(lanes)
    };
    for ((gate, up), out) in gate.chunks(4).zip(up.chunks(4)).zip(out.chunks_mut(4)) {
        let (g, u) = (four(gate), four(up));
        let silu = g / (f32x4::splat(1.0) + math::exp(-g));
        out.copy_from_slice(&(silu * u).to_array()[..out.len()]);
    }
}
