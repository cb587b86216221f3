//! One row of the embedding table, read out of its panel.

use super::pack::{PAIRS, PANEL, nibble_shift};
use crate::{BLOCK, Format};

/// Dequantises row `token` of a table of panels into `out [k]`.
pub(super) fn row(token: usize, quants: &[i32], scales: &[f32], format: Format, out: &mut [f32]) {
    let (panel, column) = (token / PANEL, token % PANEL);
    let (k, blocks) = (out.len(), out.len() / BLOCK);
    let quants = &quants[panel * PANEL * format.quant_words(k)..][..PANEL * format.quant_words(k)];
    match format {
        Format::Q4 => {
            for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
                let at = (panel * blocks + block) * 2 * PANEL + column;
                let (scale, minimum) = (scales[at], scales[at + PANEL]);
                for (eight, out) in out.chunks_exact_mut(8).enumerate() {
                    let word = quants[(block * BLOCK / 8 + eight) * PANEL + column];
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = scale * ((word >> nibble_shift(i)) & 15) as f32 + minimum;
                    }
                }
            }
        }
        Format::Q8 => {
            let bytes: &[i8] = bytemuck::cast_slice(quants);
            for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
                let scale = scales[(panel * blocks + block) * PANEL + column];
                for (pair, out) in out.chunks_exact_mut(2).enumerate() {
                    let at = ((block * PAIRS + pair) * PANEL + column) * 2;
                    out[0] = scale * f32::from(bytes[at]);
                    out[1] = scale * f32::from(bytes[at + 1]);
                }
            }
        }
        Format::F32 => {
            let floats: &[f32] = bytemuck::cast_slice(quants);
            for (i, out) in out.iter_mut().enumerate() {
                *out = floats[i * PANEL + column];
            }
        }
    }
}
