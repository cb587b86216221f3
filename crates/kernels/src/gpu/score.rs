//! Log-softmax at one index, and the arg max: one group of 256 threads a target. The largest of a row: one group.

use cubecl::prelude::*;

/// Threads a group.
pub(super) const UNITS: u32 = 256;
const LOG2_UNITS: u32 = 8;
const LOWEST: f32 = -3.0e38;

/// `out [count, 2]`: log-probability of each target under its row, index of the row's largest logit (the first of equals).
#[cube(launch_unchecked)]
pub(super) fn kernel(logits: &[f32], rows: &[u32], targets: &[u32], out: &mut [f32], vocab: u32) {
    let units = comptime![UNITS as usize];
    let unit = UNIT_POS as usize;
    let asked = CUBE_POS_X;
    let first = (rows[asked as usize] * vocab) as usize;
    let mut largest = f32::cast_from(LOWEST);
    let mut index = 0u32;
    let mut i = UNIT_POS;
    while i < vocab {
        let value = logits[first + i as usize];
        if value > largest {
            largest = value;
            index = i;
        }
        i += UNITS;
    }
    let mut values = Shared::<[f32]>::new_slice(units);
    let mut indices = Shared::<[u32]>::new_slice(units);
    values[unit] = largest;
    indices[unit] = index;
    sync_cube();
    #[unroll]
    for level in 0..LOG2_UNITS {
        let step = comptime![UNITS >> (level + 1)];
        if UNIT_POS < step {
            let other = unit + comptime![step as usize];
            let better = values[other] > values[unit]
                || (values[other] == values[unit] && indices[other] < indices[unit]);
            if better {
                values[unit] = values[other];
                indices[unit] = indices[other];
            }
        }
        sync_cube();
    }
    let row_largest = values[0];
    let row_index = indices[0];
    sync_cube();

    let mut sum = 0f32;
    let mut i = UNIT_POS;
    while i < vocab {
        sum += f32::exp(logits[first + i as usize] - row_largest);
        i += UNITS;
    }
    values[unit] = sum;
    sync_cube();
    #[unroll]
    for level in 0..LOG2_UNITS {
        let step = comptime![UNITS >> (level + 1)];
        if UNIT_POS < step {
            let other = values[unit + comptime![step as usize]];
            values[unit] += other;
        }
        sync_cube();
    }
    if UNIT_POS == 0 {
        let target = targets[asked as usize] as usize;
        out[(asked * 2) as usize] = logits[first + target] - row_largest - f32::ln(values[0]);
        out[(asked * 2 + 1) as usize] = f32::cast_from(row_index);
    }
}

/// Bits of a single's exponent: all of them are set in infinities and NaN alone.
const EXPONENT: u32 = 0x7f80_0000;

/// `out [1 + room, 2]`: how many logits were found and how many are not finite, then those found, each with its index.
///
/// Each thread knows the largest logit of its own share. The `count`-th largest of these is a bound: so many shares have a logit
/// that reaches it. All that reach it are found.
#[cube(launch_unchecked)]
pub(super) fn largest(logits: &[f32], out: &mut [f32], vocab: u32, count: u32, room: u32) {
    let units = comptime![UNITS as usize];
    let unit = UNIT_POS as usize;
    let mut own = f32::cast_from(LOWEST);
    let mut not_finite = 0u32;
    let mut i = UNIT_POS;
    while i < vocab {
        let value = logits[i as usize];
        if u32::reinterpret(value) & EXPONENT == EXPONENT {
            not_finite += 1u32;
        }
        own = max(own, value);
        i += UNITS;
    }
    let mut values = Shared::<[f32]>::new_slice(units);
    let mut counts = Shared::<[u32]>::new_slice(units);
    let mut bound = Shared::<[f32]>::new_slice(1usize);
    values[unit] = own;
    counts[unit] = not_finite;
    sync_cube();
    let mut rank = 0u32;
    let mut all_not_finite = 0u32;
    for other in 0..UNITS {
        let value = values[other as usize];
        if value > own || (value == own && other < UNIT_POS) {
            rank += 1u32;
        }
        all_not_finite += counts[other as usize];
    }
    if rank + 1u32 == count {
        bound[0] = own;
    }
    sync_cube();
    let bound = bound[0];

    let mut found = 0u32;
    let mut i = UNIT_POS;
    while i < vocab {
        if logits[i as usize] >= bound {
            found += 1u32;
        }
        i += UNITS;
    }
    counts[unit] = found;
    sync_cube();
    let mut place = 0u32;
    let mut all_found = 0u32;
    for other in 0..UNITS {
        if other < UNIT_POS {
            place += counts[other as usize];
        }
        all_found += counts[other as usize];
    }
    let mut i = UNIT_POS;
    while i < vocab {
        let value = logits[i as usize];
        if value >= bound {
            if place < room {
                out[(place * 2 + 2) as usize] = value;
                out[(place * 2 + 3) as usize] = f32::cast_from(i);
            }
            place += 1u32;
        }
        i += UNITS;
    }
    if UNIT_POS == 0 {
        out[0] = f32::cast_from(all_found);
        out[1] = f32::cast_from(all_not_finite);
    }
}
