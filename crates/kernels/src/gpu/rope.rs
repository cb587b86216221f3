//! Rotary embedding, and writing rows into a cache. One thread a pair, one thread a value.

use cubecl::prelude::*;

/// Turns `pair_count` interleaved pairs; a row has `row_pairs`, a head `head_pairs`, of which the first `turned` turn.
#[cube(launch_unchecked)]
pub(super) fn kernel(
    x: &[f32],
    cos: &[f32],
    sin: &[f32],
    tree: &[u32],
    out: &mut [f32],
    pair_count: u32,
    row_pairs: u32,
    head_pairs: u32,
    turned: u32,
) {
    let i = ABSOLUTE_POS as u32;
    if i < pair_count {
        let pair = i % head_pairs;
        let at = (i * 2) as usize;
        let a = x[at];
        let b = x[at + 1];
        if pair < turned {
            let position = tree[(i / row_pairs * 3) as usize];
            let angle = (position * turned + pair) as usize;
            out[at] = a * cos[angle] - b * sin[angle];
            out[at + 1] = a * sin[angle] + b * cos[angle];
        } else {
            out[at] = a;
            out[at + 1] = b;
        }
    }
}

/// Copies `count` values to `cache` from `offset` on.
#[cube(launch_unchecked)]
pub(super) fn write_kernel(cache: &mut [f32], rows: &[f32], offset: u32, count: u32) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        cache[(offset + i) as usize] = rows[i as usize];
    }
}
