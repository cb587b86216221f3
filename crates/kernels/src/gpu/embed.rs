//! Rows of the embedding table; one thread writes four values.

use cubecl::prelude::*;

use super::matmul::{block_minimum, block_scale, four_weights};

/// `out [rows, k]`, as `fours` vectors in all.
#[cube(launch_unchecked)]
pub(super) fn kernel(
    tokens: &[u32],
    quants: &[u32],
    scales: &[f32],
    out: &mut [Vector<f32, Const<4>>],
    fours: u32,
    k: u32,
    #[comptime] bits: u32,
) {
    let i = ABSOLUTE_POS as u32;
    if i < fours {
        let token = tokens[(i / (k / 4)) as usize];
        let four = i % (k / 4);
        let block = (token * (k / 32) + four / 8) as usize;
        let scale = block_scale(scales, block, bits);
        let minimum = block_minimum(scales, block, bits);
        out[i as usize] = four_weights(
            quants,
            (token * (k / 4) + four) as usize,
            scale,
            minimum,
            bits,
        );
    }
}
