//! Log-softmax at one index, and the arg max; one group of 256 threads a target.

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
