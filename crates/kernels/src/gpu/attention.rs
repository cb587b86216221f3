//! Causal grouped-query attention with an online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867).
//!
//! One group of 64 threads a head and row. Positions come in tiles of 64: each thread scores one position, then each thread adds
//! the tile's values up for its own dimensions of the head. `head_dim` is a compile-time number.

use cubecl::prelude::*;

/// Threads a group, positions a tile.
pub(super) const UNITS: u32 = 64;
const LOG2_UNITS: u32 = 6;
/// Below every score; finite, so that no NaN can arise from subtracting it from itself.
const LOWEST: f32 = -3.0e38;

/// `out [rows, width]`; group `(head, row)` goes over its path of the cache and then over the batch's rows up to its own, of which
/// it sees those that it continues. `tree [rows, 3]`.
#[cube(launch_unchecked)]
pub(super) fn kernel(
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    tree: &[u32],
    out: &mut [f32],
    width: u32,
    kv_width: u32,
    base: u32,
    scale: f32,
    #[comptime] head_dim: usize,
) {
    let units = comptime![UNITS as usize];
    let dims_per_unit = comptime![head_dim.div_ceil(UNITS as usize)];
    let head = CUBE_POS_X;
    let row = CUBE_POS_Y;
    let unit = UNIT_POS as usize;
    let path = tree[(row * 3 + 1) as usize];
    let places = path + row + 1;
    let at_q = (row * width) as usize + (head as usize) * head_dim;
    // Query heads per key head: width / kv_width.
    let at_kv = ((head * kv_width / width) as usize) * head_dim;

    let mut query = Shared::<[f32]>::new_slice(head_dim);
    let mut d = unit;
    while d < head_dim {
        query[d] = q[at_q + d] * scale;
        d += units;
    }
    let mut weights = Shared::<[f32]>::new_slice(units);
    let mut fold = Shared::<[f32]>::new_slice(units);
    let mut sums = Array::<f32>::new(dims_per_unit);
    #[unroll]
    for i in 0..dims_per_unit {
        sums[i] = 0f32;
    }
    let mut largest = f32::cast_from(LOWEST);
    let mut total = 0f32;
    sync_cube();

    let mut tile = 0u32;
    while tile < places {
        let place = tile + UNIT_POS;
        let mut score = f32::cast_from(LOWEST);
        let mut visible = place < path;
        let mut stands = place;
        if place >= path && place < places {
            let other = place - path;
            visible = tree[(other * 3 + 2) as usize] > row;
            stands = base + other;
        }
        if visible {
            let at = (stands * kv_width) as usize + at_kv;
            let mut sum = 0f32;
            for d in 0..head_dim {
                sum += query[d] * keys[at + d];
            }
            score = sum;
        }
        fold[unit] = score;
        sync_cube();
        #[unroll]
        for level in 0..LOG2_UNITS {
            let step = comptime![UNITS >> (level + 1)];
            if UNIT_POS < step {
                fold[unit] = max(fold[unit], fold[unit + comptime![step as usize]]);
            }
            sync_cube();
        }
        let new_largest = max(largest, fold[0]);
        let shrink = f32::exp(largest - new_largest);
        largest = new_largest;
        let mut weight = 0f32;
        if visible {
            weight = f32::exp(score - new_largest);
        }
        weights[unit] = weight;
        sync_cube();
        let here = min(places - tile, UNITS);
        total *= shrink;
        for j in 0..here {
            total += weights[j as usize];
        }
        #[unroll]
        for i in 0..dims_per_unit {
            let d = unit + comptime![i * UNITS as usize];
            if d < head_dim {
                let mut sum = sums[i] * shrink;
                for j in 0..here {
                    let place = tile + j;
                    let stands = select(place < path, place, base + place - path);
                    sum += weights[j as usize] * values[(stands * kv_width) as usize + at_kv + d];
                }
                sums[i] = sum;
            }
        }
        // The next tile overwrites what this one still reads.
        sync_cube();
        tile += UNITS;
    }
    #[unroll]
    for i in 0..dims_per_unit {
        let d = unit + comptime![i * UNITS as usize];
        if d < head_dim {
            out[at_q + d] = sums[i] / total;
        }
    }
}
