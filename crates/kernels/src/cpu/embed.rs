//! One row of the embedding table, read out of its panel.

use half::f16;

use super::pack::{Nibbles, PANEL, Q4_0Block, Q4_1Block, Q8_0Block, nibble_shift, panel_words};
use crate::{BLOCK, Format};

/// Dequantises row `token` of a table of panels into `out [k]`.
pub(super) fn row(token: usize, words: &[i32], format: Format, out: &mut [f32]) {
    let (panel, column) = (token / PANEL, token % PANEL);
    let size = panel_words(format, out.len());
    let panel = &words[panel * size..][..size];
    match format {
        Format::Q4_0 => {
            let blocks: &[Q4_0Block] = bytemuck::cast_slice(panel);
            for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
                let scale = number(block.scales[column]);
                quants(&block.quants, column, out);
                for out in out {
                    *out = scale * (*out - 8.0);
                }
            }
        }
        Format::Q4_1 => {
            let blocks: &[Q4_1Block] = bytemuck::cast_slice(panel);
            for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
                let (scale, minimum) = (number(block.scales[column]), number(block.minima[column]));
                quants(&block.quants, column, out);
                for out in out {
                    *out = scale * *out + minimum;
                }
            }
        }
        Format::Q8_0 => {
            let blocks: &[Q8_0Block] = bytemuck::cast_slice(panel);
            for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
                let scale = number(block.scales[column]);
                let pairs: &[[i8; 2]] = bytemuck::cast_slice(block.quants.as_flattened());
                for (pair, out) in pairs.chunks_exact(PANEL).zip(out.chunks_exact_mut(2)) {
                    let [even, odd] = pair[column].map(f32::from);
                    out[0] = scale * even;
                    out[1] = scale * odd;
                }
            }
        }
        Format::F32 => {
            let rows: &[[f32; PANEL]] = bytemuck::cast_slice(panel);
            for (columns, out) in rows.iter().zip(out) {
                *out = columns[column];
            }
        }
    }
}

/// The number that these bits are.
fn number(half: u16) -> f32 {
    f16::from_bits(half).to_f32()
}

/// A column's 4-bit numbers.
fn quants(block: &Nibbles, column: usize, out: &mut [f32]) {
    for (words, out) in block.iter().zip(out.chunks_exact_mut(8)) {
        let word = u32::from_le_bytes(words.as_chunks::<4>().0[column]);
        for (i, out) in out.iter_mut().enumerate() {
            *out = ((word >> nibble_shift(i)) & 15) as f32;
        }
    }
}
