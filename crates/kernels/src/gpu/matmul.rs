//! Activations times a quantised matrix.
//!
//! 16 threads share one output column: each takes every 16th block of 32 weights, unpacks it once and multiplies it with `rows_per_group`
//! rows; a tree in shared memory adds the 16 up. A group of 64 threads does 4 columns of up to [`ROWS`] rows.

use cubecl::prelude::*;

/// Threads a group.
pub(super) const UNITS: u32 = 64;
/// Threads that share a column.
const SHARE: u32 = 16;
const LOG2_SHARE: u32 = 4;
/// Columns a group.
pub(super) const COLUMNS: u32 = UNITS / SHARE;
/// Rows a group, unless there is only one.
pub(super) const ROWS: u32 = 8;

/// Four weights of a block: `at` counts them in fours within the matrix, `scale` and `minimum` are the block's.
#[cube]
pub(super) fn four_weights(
    quants: &[u32],
    at: usize,
    scale: f32,
    minimum: f32,
    #[comptime] bits: u32,
) -> Vector<f32, Const<4>> {
    let mut weights = Vector::<f32, Const<4>>::empty();
    if comptime![bits == 4] {
        // Two fours share a word.
        let word = quants[at / 2] >> (((at % 2) as u32) * 16);
        #[unroll]
        for i in 0..4usize {
            let shift = comptime![4 * i as u32];
            weights.insert(i, scale * f32::cast_from((word >> shift) & 15) + minimum);
        }
    } else if comptime![bits == 8] {
        let word = quants[at];
        #[unroll]
        for i in 0..4usize {
            let shift = comptime![8 * i as u32];
            // Sign by arithmetic: (q xor 128) - 128 of the unsigned byte.
            let byte = ((word >> shift) & 255) ^ 128;
            weights.insert(i, scale * (f32::cast_from(byte) - 128.0));
        }
    } else {
        #[unroll]
        for i in 0..4usize {
            weights.insert(i, f32::reinterpret(quants[at * 4 + i]));
        }
    }
    weights
}

/// Scale of a block, `block` counted within the matrix.
#[cube]
pub(super) fn block_scale(scales: &[f32], block: usize, #[comptime] bits: u32) -> f32 {
    let mut scale = 1f32;
    if comptime![bits == 4] {
        scale = scales[block * 2];
    } else if comptime![bits == 8] {
        scale = scales[block];
    }
    scale
}

/// Minimum of a block, 0 where the format has none.
#[cube]
pub(super) fn block_minimum(scales: &[f32], block: usize, #[comptime] bits: u32) -> f32 {
    let mut minimum = 0f32;
    if comptime![bits == 4] {
        minimum = scales[block * 2 + 1];
    }
    minimum
}

/// `out [m, n] = x [m, k] · Wᵀ`.
#[cube(launch_unchecked)]
pub(super) fn kernel(
    x: &[Vector<f32, Const<4>>],
    quants: &[u32],
    scales: &[f32],
    out: &mut [f32],
    m: u32,
    n: u32,
    k: u32,
    #[comptime] rows_per_group: usize,
    #[comptime] bits: u32,
) {
    let share = UNIT_POS % SHARE;
    let column = (CUBE_POS_X + CUBE_POS_Y * CUBE_COUNT_X) * COLUMNS + UNIT_POS / SHARE;
    // Threads beyond the last column compute it again and store nothing: barriers need everybody.
    let safe_column = min(column, n - 1);
    let first_row = CUBE_POS_Z * (rows_per_group as u32);
    let blocks = k / 32;
    let mut sums = Array::<f32>::new(rows_per_group);
    #[unroll]
    for i in 0..rows_per_group {
        sums[i] = 0f32;
    }
    let mut block = share;
    while block < blocks {
        let at = (safe_column * blocks + block) as usize;
        let scale = block_scale(scales, at, bits);
        let minimum = block_minimum(scales, at, bits);
        #[unroll]
        for four in 0..8usize {
            let weights = four_weights(quants, at * 8 + four, scale, minimum, bits);
            #[unroll]
            for i in 0..rows_per_group {
                let row = min(first_row + (i as u32), m - 1);
                sums[i] += x[(row * (k / 4) + block * 8) as usize + four].dot(weights);
            }
        }
        block += SHARE;
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime![UNITS as usize * rows_per_group]);
    #[unroll]
    for i in 0..rows_per_group {
        shared[UNIT_POS as usize + comptime![i * UNITS as usize]] = sums[i];
    }
    sync_cube();
    #[unroll]
    for level in 0..LOG2_SHARE {
        let step = comptime![SHARE >> (level + 1)];
        if share < step {
            #[unroll]
            for i in 0..rows_per_group {
                let at = UNIT_POS as usize + comptime![i * UNITS as usize];
                let other = shared[at + comptime![step as usize]];
                shared[at] += other;
            }
        }
        sync_cube();
    }
    if share == 0 && column < n {
        #[unroll]
        for i in 0..rows_per_group {
            let row = first_row + (i as u32);
            if row < m {
                out[(row * n + column) as usize] =
                    shared[UNIT_POS as usize + comptime![i * UNITS as usize]];
            }
        }
    }
}
