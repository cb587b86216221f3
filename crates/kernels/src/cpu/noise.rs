//! Numbers and matrices for tests.

use half::f16;

use super::pack::Panels;
use crate::{BLOCK, Format, Rows};

/// Numbers in -1..1 that look random.
pub(super) fn numbers(count: usize) -> Vec<f32> {
    let mut state = count as u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// The words of a matrix `[n, k]`.
pub(super) fn panels(format: Format, n: usize, k: usize) -> Vec<i32> {
    let (values, blocks) = (numbers(n * k), n * k / BLOCK);
    let halves = |count| -> Vec<f16> { numbers(count).into_iter().map(f16::from_f32).collect() };
    let (scales, minima) = (halves(blocks), halves(blocks + 1));
    let nibbles: Vec<u8> = values.iter().map(|x| (x * 7.9 + 8.0) as u8).collect();
    let mut panels = Panels::new(format, n, k);
    match format {
        Format::Q4_0 => {
            let (quants, scales) = (&nibbles, &scales);
            panels.push(0, Rows::Q4_0 { quants, scales });
        }
        Format::Q4_1 => {
            let (quants, scales, minima) = (&nibbles, &scales, &minima[..blocks]);
            panels.push(
                0,
                Rows::Q4_1 {
                    quants,
                    scales,
                    minima,
                },
            );
        }
        Format::Q8_0 => {
            let quants: Vec<i8> = values.iter().map(|x| (x * 127.9) as i8).collect();
            let (quants, scales) = (&quants, &scales);
            panels.push(0, Rows::Q8_0 { quants, scales });
        }
        Format::F32 => panels.push(0, Rows::F32(&values)),
    }
    panels.into_words()
}
