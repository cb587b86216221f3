//! One row of the embedding table, read out of its panel.

use super::pack::{PANEL, Q4Block, Q8Block, nibble_shift, panel_words};
use crate::{BLOCK, Format};

/// Dequantises row `token` of a table of panels into `out [k]`.
pub(super) fn row(token: usize, words: &[i32], format: Format, out: &mut [f32]) {
    let (panel, column) = (token / PANEL, token % PANEL);
    let size = panel_words(format, out.len());
    let panel = &words[panel * size..][..size];
    match format {
        Format::Q4 => {
            let blocks: &[Q4Block] = bytemuck::cast_slice(panel);
            for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
                let (scale, minimum) = (block.scales[column], block.minima[column]);
                for (words, out) in block.quants.iter().zip(out.chunks_exact_mut(8)) {
                    let word = words.as_chunks::<4>().0[column];
                    let word = u32::from_le_bytes(word);
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = scale * ((word >> nibble_shift(i)) & 15) as f32 + minimum;
                    }
                }
            }
        }
        Format::Q8 => {
            let blocks: &[Q8Block] = bytemuck::cast_slice(panel);
            for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
                let pairs: &[[i8; 2]] = bytemuck::cast_slice(block.quants.as_flattened());
                for (pair, out) in pairs.chunks_exact(PANEL).zip(out.chunks_exact_mut(2)) {
                    let [even, odd] = pair[column].map(f32::from);
                    out[0] = block.scales[column] * even;
                    out[1] = block.scales[column] * odd;
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
