//! SwiGLU of a product that two matrices made; one thread a value.

use cubecl::prelude::*;

/// `out = g / (1 + exp(-g)) · u` of rows of `k`, where a row of `both` is `g` and then `u`.
#[cube(launch_unchecked)]
pub(super) fn kernel(both: &[f32], out: &mut [f32], count: u32, k: u32) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        let at = (i / k * 2 * k + i % k) as usize;
        let gate = both[at];
        out[i as usize] = gate / (1f32 + f32::exp(-gate)) * both[at + k as usize];
    }
}
