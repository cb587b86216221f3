//! Weights in panels of 16 output columns, so that one vector holds the same place of several columns.
//!
//! A panel is one block of 32 values of k after the other, scales in front of their quants. So a product of few rows, which waits
//! for memory, reads a matrix as a few long streams; processors see them coming. Several short ones took twice as long.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use bytemuck::{Pod, Zeroable};

use super::pages;
use crate::{BLOCK, Format, Rows};

/// Output columns of a panel. Those beyond `n` in the last one are zeros.
pub(crate) const PANEL: usize = 16;
/// Pairs of k in a block.
pub(crate) const PAIRS: usize = BLOCK / 2;
/// Bytes of a panel that are widened at a time: four pairs of k in 4 bits, two in 8 bits.
pub(crate) const CHUNK: usize = 4 * PANEL;

/// The bits of one half ([`half::f16`]) a column: as the file has them, since a product of few rows waits for every byte.
pub(super) type Halves = [u16; PANEL];

/// 4-bit numbers as words `[eight][column]` of 8 values of k, each at its [`nibble_shift`].
pub(super) type Nibbles = [[u8; CHUNK]; BLOCK / 8];

/// 8-bit numbers `[pair][column][2]`.
pub(super) type Bytes = [[u8; CHUNK]; PAIRS / 2];

/// [`Format::Q4_0`]: `w = scale · (q - 8)`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q4_0Block {
    pub(super) scales: Halves,
    pub(super) quants: Nibbles,
}

/// [`Format::Q4_1`]: `w = scale · q + minimum`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q4_1Block {
    pub(super) scales: Halves,
    pub(super) minima: Halves,
    pub(super) quants: Nibbles,
}

/// [`Format::Q8_0`]: `w = scale · q`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q8_0Block {
    pub(super) scales: Halves,
    pub(super) quants: Bytes,
}

/// [`Format::F32`]: `[k][column]`.
pub(super) type F32Block = [[f32; PANEL]; BLOCK];

/// Where value `i` of eight stands in its word: both of a pair in the same place of the word's halves, so that one mask yields
/// a pair of 16-bit numbers.
pub(super) const fn nibble_shift(i: usize) -> usize {
    4 * (i / 2 + 4 * (i % 2))
}

/// The word of eight 4-bit numbers, each in a byte of its own.
const fn nibbles(eight: [u8; 8]) -> [u8; 4] {
    /// Four numbers, 16 bits apart, next to each other.
    const fn joined(spread: u64) -> u32 {
        let twos = (spread | spread >> 12) & 0x0000_00ff_0000_00ff;
        ((twos | twos >> 24) & 0xffff) as u32
    }
    let every_second = 0x000f_000f_000f_000f;
    let bytes = u64::from_le_bytes(eight);
    let (even, odd) = (bytes & every_second, bytes >> 8 & every_second);
    (joined(even) | joined(odd) << 16).to_le_bytes()
}

/// Writes a column of a block.
fn write_nibbles(into: &mut Nibbles, column: usize, quants: &[u8; BLOCK]) {
    for (words, eight) in into.iter_mut().zip(quants.as_chunks::<8>().0) {
        words[4 * column..][..4].copy_from_slice(&nibbles(*eight));
    }
}

/// Words of 32 bits in a panel of `k` weights a column.
pub(super) const fn panel_words(format: Format, k: usize) -> usize {
    let block = match format {
        Format::Q4_0 => size_of::<Q4_0Block>(),
        Format::Q4_1 => size_of::<Q4_1Block>(),
        Format::Q8_0 => size_of::<Q8_0Block>(),
        Format::F32 => size_of::<F32Block>(),
    };
    k / BLOCK * block / size_of::<i32>()
}

/// A matrix on its way into panels.
pub(crate) struct Panels {
    format: Format,
    k: usize,
    words: Vec<i32>,
}

impl Panels {
    /// Room for `n` rows of `k` weights.
    pub(crate) fn new(format: Format, n: usize, k: usize) -> Self {
        let words = vec![0; n.div_ceil(PANEL) * panel_words(format, k)];
        Self { format, k, words }
    }

    /// Packs rows `first ..`.
    pub(crate) fn push(&mut self, first: usize, rows: Rows<'_>) {
        let (k, blocks) = (self.k, self.k / BLOCK);
        let size = panel_words(self.format, k);
        for row in 0..rows.len() / k {
            let (panel, column) = ((first + row) / PANEL, (first + row) % PANEL);
            let panel = &mut self.words[panel * size..][..size];
            match rows {
                Rows::Q4_0 { quants, scales } => {
                    let panel: &mut [Q4_0Block] = bytemuck::cast_slice_mut(panel);
                    let quants = quants[row * k..][..k].as_chunks().0;
                    let scales = &scales[row * blocks..];
                    for ((into, q), scale) in panel.iter_mut().zip(quants).zip(scales) {
                        write_nibbles(&mut into.quants, column, q);
                        into.scales[column] = scale.to_bits();
                    }
                }
                Rows::Q4_1 {
                    quants,
                    scales,
                    minima,
                } => {
                    let panel: &mut [Q4_1Block] = bytemuck::cast_slice_mut(panel);
                    let quants = quants[row * k..][..k].as_chunks().0;
                    let scales = scales[row * blocks..].iter().zip(&minima[row * blocks..]);
                    for ((into, q), (scale, minimum)) in panel.iter_mut().zip(quants).zip(scales) {
                        write_nibbles(&mut into.quants, column, q);
                        into.scales[column] = scale.to_bits();
                        into.minima[column] = minimum.to_bits();
                    }
                }
                Rows::Q8_0 { quants, scales } => {
                    let panel: &mut [Q8_0Block] = bytemuck::cast_slice_mut(panel);
                    let quants = quants[row * k..][..k].as_chunks::<BLOCK>().0;
                    let scales = &scales[row * blocks..];
                    for ((into, q), scale) in panel.iter_mut().zip(quants).zip(scales) {
                        let pairs = into.quants.as_flattened_mut();
                        for (pair, q) in q.as_chunks::<2>().0.iter().enumerate() {
                            pairs[(pair * PANEL + column) * 2..][..2]
                                .copy_from_slice(bytemuck::cast_slice(q));
                        }
                        into.scales[column] = scale.to_bits();
                    }
                }
                Rows::F32(values) => {
                    let panel: &mut [[f32; PANEL]] = bytemuck::cast_slice_mut(panel);
                    for (into, value) in panel.iter_mut().zip(&values[row * k..][..k]) {
                        into[column] = *value;
                    }
                }
            }
        }
    }

    /// All panels.
    pub(super) fn into_words(self) -> Vec<i32> {
        self.words
    }

    /// All panels, moved onto the device without a copy.
    pub(crate) fn into_tensor(self, device: &Device) -> Tensor<1, Int> {
        pages::enlarge(&self.words);
        let (count, words) = (self.words.len(), self.into_words());
        Tensor::from_data(TensorData::new(words, [count]), (device, DType::I32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_numbers_stand_at_their_shifts() {
        let word = u32::from_le_bytes(nibbles([1, 2, 3, 4, 5, 6, 7, 15]));
        let values: Vec<u32> = (0..8).map(|i| word >> nibble_shift(i) & 15).collect();
        assert_eq!(values, [1, 2, 3, 4, 5, 6, 7, 15]);
    }
}
