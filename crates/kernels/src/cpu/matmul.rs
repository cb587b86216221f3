//! Activations times a packed matrix.
//!
//! For each panel and block the weights are expanded once into 16-bit pairs (512 bytes, which stay in the first cache)
//! and serve all rows, four at a time. Within a block sums are exact integers; across blocks they add up in f32, in
//! ascending k, one accumulator per output.

use wide::{f32x4, i8x16, i16x8, i32x4, u8x16};

use super::pack::{PAIRS, PANEL};
use super::quantize::{Activations, Pairs, Quantized};
use crate::{BLOCK, Format};

/// Rows whose accumulators fit the registers: 4 rows × 8 columns are 8 of 16.
const ROWS: usize = 4;

/// A block of one panel as 16-bit pairs: for each pair of k, columns 0–3 and columns 4–7.
type Expanded = [[i16x8; 2]; PAIRS];

/// A panel's share of the output for one row: columns 0–3 and 4–7.
type Tile = [f32x4; 2];

// No sum within a block overflows, so its order is free.
const _: () = assert!(
    32767 * 15 * BLOCK as i64 <= i32::MAX as i64 && 32767 * 128 * BLOCK as i64 <= i32::MAX as i64
);

/// `out [rows, n] = x · Wᵀ` for [`Format::Q4`] and [`Format::Q8`].
pub(super) fn quantized(
    x: &Activations,
    quants: &[i32],
    scales: &[f32],
    format: Format,
    n: usize,
    out: &mut [f32],
) {
    let blocks = x.leftovers.len();
    let block_words = format.quant_words(PANEL * BLOCK);
    let block_scales = format.scales_per_block() * PANEL;
    let mut tiles = vec![[f32x4::splat(0.0); 2]; x.rows];
    for panel in 0..n.div_ceil(PANEL) {
        tiles.fill([f32x4::splat(0.0); 2]);
        for block in 0..blocks {
            let at = panel * blocks + block;
            let bytes: &[u8] = bytemuck::cast_slice(&quants[at * block_words..][..block_words]);
            let expanded = match format {
                Format::Q4 => expand_q4(bytes.try_into().expect("128 bytes a block")),
                _ => expand_q8(bytes.try_into().expect("256 bytes a block")),
            };
            let (scales, minima) = scales[at * block_scales..][..block_scales].split_at(PANEL);
            let scales = tile(scales);
            let minima = if minima.is_empty() {
                None
            } else {
                Some(tile(minima))
            };

            let weights = Block {
                expanded: &expanded,
                scales,
                minima,
            };
            let rows = block * x.rows..(block + 1) * x.rows;
            let (pairs, quantized) = (&x.pairs[rows.clone()], &x.scales[rows]);
            let (fours, rest) = pairs.as_chunks::<ROWS>();
            for ((four, quantized), tiles) in fours
                .iter()
                .zip(quantized.chunks(ROWS))
                .zip(tiles.chunks_mut(ROWS))
            {
                weights.add(four, quantized, tiles);
            }
            let done = fours.len() * ROWS;
            for ((one, quantized), tile) in
                rest.iter().zip(&quantized[done..]).zip(&mut tiles[done..])
            {
                weights.add(&[*one], &[*quantized], std::slice::from_mut(tile));
            }
            for left in &x.leftovers[block] {
                weights.add(
                    &[left.pairs],
                    &[left.scale],
                    std::slice::from_mut(&mut tiles[left.row]),
                );
            }
        }
        store(&tiles, panel, n, out);
    }
}

fn tile(values: &[f32]) -> Tile {
    let v = |i: usize| f32x4::new([values[i], values[i + 1], values[i + 2], values[i + 3]]);
    [v(0), v(4)]
}

/// One block of one panel's weights.
struct Block<'a> {
    expanded: &'a Expanded,
    scales: Tile,
    /// `None` where the format has no minima.
    minima: Option<Tile>,
}

impl Block<'_> {
    /// Adds this block's products with `N` rows to their tiles.
    #[inline(always)]
    fn add<const N: usize>(&self, rows: &[Pairs; N], quantized: &[Quantized], tiles: &mut [Tile]) {
        let sums = dot_rows(rows, self.expanded);
        for ((sum, quantized), tile) in sums.iter().zip(quantized).zip(tiles) {
            let (scale, row_sum) = (f32x4::splat(quantized.scale), f32x4::splat(quantized.sum));
            for half in 0..2 {
                tile[half] += f32x4::from_i32x4(sum[half]) * (scale * self.scales[half]);
                if let Some(minima) = self.minima {
                    tile[half] += row_sum * minima[half];
                }
            }
        }
    }
}

/// Integer sums of a block: `N` rows by 8 columns.
#[inline(always)]
fn dot_rows<const N: usize>(rows: &[Pairs; N], weights: &Expanded) -> [[i32x4; 2]; N] {
    let mut sums = [[i32x4::splat(0); 2]; N];
    for (pair, [left, right]) in weights.iter().enumerate() {
        for (row, sum) in rows.iter().zip(&mut sums) {
            let x: i16x8 = bytemuck::cast(i32x4::splat(row[pair]));
            sum[0] += x.dot(*left);
            sum[1] += x.dot(*right);
        }
    }
    sums
}

/// Nibbles to pairs of 16 bits.
#[inline(always)]
fn expand_q4(bytes: &[u8; PAIRS * PANEL]) -> Expanded {
    let mut expanded = [[i16x8::splat(0); 2]; PAIRS];
    for (two, bytes) in expanded.chunks_exact_mut(2).zip(bytes.as_chunks::<16>().0) {
        let bytes = u8x16::new(*bytes);
        let even = bytes & u8x16::splat(15);
        // There is no shift of bytes: shift 16-bit lanes and drop what came in from the neighbour.
        let words: wide::u16x8 = bytemuck::cast(bytes);
        let odd = bytemuck::cast::<_, u8x16>(words >> 4) & u8x16::splat(15);
        for (pair, bytes) in two
            .iter_mut()
            .zip([u8x16::unpack_low(even, odd), u8x16::unpack_high(even, odd)])
        {
            *pair = [i16x8::from_u8x16_low(bytes), i16x8::from_u8x16_high(bytes)];
        }
    }
    expanded
}

/// Signed bytes to pairs of 16 bits.
#[inline(always)]
fn expand_q8(bytes: &[u8; PAIRS * PANEL * 2]) -> Expanded {
    let mut expanded = [[i16x8::splat(0); 2]; PAIRS];
    for (pair, bytes) in expanded.iter_mut().zip(bytes.as_chunks::<16>().0) {
        let wide: [i16x8; 2] =
            bytemuck::cast(wide::i16x16::from_i8x16(i8x16::new(bytemuck::cast(*bytes))));
        *pair = wide;
    }
    expanded
}

/// `out [rows, n] = x · Wᵀ` for [`Format::F32`]: `x [rows, k]` in f32, sums in ascending k.
pub(super) fn float(x: &[f32], quants: &[i32], k: usize, n: usize, out: &mut [f32]) {
    let weights: &[f32] = bytemuck::cast_slice(quants);
    let mut tiles = vec![[f32x4::splat(0.0); 2]; x.len() / k];
    for (panel, weights) in weights.chunks_exact(k * PANEL).enumerate() {
        for (row, out) in x.chunks_exact(k).zip(&mut tiles) {
            let mut sum = [f32x4::splat(0.0); 2];
            for (x, weights) in row.iter().zip(weights.as_chunks::<PANEL>().0) {
                let [left, right]: Tile = bytemuck::cast(*weights);
                sum[0] += f32x4::splat(*x) * left;
                sum[1] += f32x4::splat(*x) * right;
            }
            *out = sum;
        }
        store(&tiles, panel, n, out);
    }
}

/// Writes a panel's tiles into their columns; the last panel may be narrower.
fn store(tiles: &[Tile], panel: usize, n: usize, out: &mut [f32]) {
    let (first, width) = (panel * PANEL, PANEL.min(n - panel * PANEL));
    for (row, tile) in out.chunks_exact_mut(n).zip(tiles) {
        let values: [f32; PANEL] = bytemuck::cast(*tile);
        row[first..first + width].copy_from_slice(&values[..width]);
    }
}
