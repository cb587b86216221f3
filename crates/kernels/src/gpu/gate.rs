//! SwiGLU; one thread a value.

use cubecl::prelude::*;

/// `out = gate / (1 + exp(-gate)) · up`.
#[cube(launch_unchecked)]
pub(super) fn kernel(gate: &[f32], up: &[f32], out: &mut [f32], count: u32) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        let g = gate[i as usize];
        out[i as usize] = g / (1f32 + f32::exp(-g)) * up[i as usize];
    }
}
