//! RMS norm; one group of 64 threads a row.

use cubecl::prelude::*;

/// Threads a group.
pub(super) const UNITS: u32 = 64;
const LOG2_UNITS: u32 = 6;

/// `out = x / sqrt(mean(x²) + epsilon) · weight`, rows of `k`.
#[cube(launch_unchecked)]
pub(super) fn kernel(x: &[f32], weight: &[f32], out: &mut [f32], k: u32, epsilon: f32) {
    let first = CUBE_POS_X * k;
    let mut sum = 0f32;
    let mut i = UNIT_POS;
    while i < k {
        let value = x[(first + i) as usize];
        sum += value * value;
        i += UNITS;
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime![UNITS as usize]);
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    #[unroll]
    for level in 0..LOG2_UNITS {
        let step = comptime![UNITS >> (level + 1)];
        if UNIT_POS < step {
            let other = shared[UNIT_POS as usize + comptime![step as usize]];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
    }
    let scale = 1f32 / f32::sqrt(shared[0] / f32::cast_from(k) + epsilon);
    let mut i = UNIT_POS;
    while i < k {
        out[(first + i) as usize] = x[(first + i) as usize] * scale * weight[i as usize];
        i += UNITS;
    }
}
