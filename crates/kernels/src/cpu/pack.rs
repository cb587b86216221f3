//! Weights in panels of 8 output columns, so that one vector holds the same place of 4 columns.
//!
//! Panel after panel, block after block:
//! - `Q4`: 128 bytes, word `[eight][column]` of 8 values of k in the order of [`nibble_shift`], so that one mask yields a pair of
//!   16-bit numbers; then elsewhere 8 scales and 8 minima.
//! - `Q8`: 256 bytes, `[pair][column][2]`; elsewhere 8 scales.
//! - `F32`: `[k][column]`, no scales.
//!
//! Columns beyond `n` in the last panel are zeros.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::{BLOCK, Format, Rows};

/// Output columns of a panel.
pub(crate) const PANEL: usize = 8;
/// Pairs of k in a block.
pub(crate) const PAIRS: usize = BLOCK / 2;

/// Where value `i` of eight stands in its word: both of a pair in the same place of the word's halves.
pub(crate) const fn nibble_shift(i: usize) -> usize {
    4 * (i / 2 + 4 * (i % 2))
}

/// A matrix on its way into panels.
pub(crate) struct Panels {
    format: Format,
    k: usize,
    quants: Vec<i32>,
    scales: Vec<f32>,
}

impl Panels {
    /// Room for `n` rows of `k` weights.
    pub(crate) fn new(format: Format, n: usize, k: usize) -> Self {
        let panels = n.div_ceil(PANEL);
        Self {
            format,
            k,
            quants: vec![0; panels * PANEL * format.quant_words(k)],
            scales: vec![0.0; panels * PANEL * format.scales_per_block() * (k / BLOCK)],
        }
    }

    /// Packs rows `first ..`; `first` is a multiple of [`PANEL`].
    pub(crate) fn push(&mut self, first: usize, rows: Rows<'_>) {
        let (k, blocks) = (self.k, self.k / BLOCK);
        for row in 0..rows.len() / k {
            let (panel, column) = ((first + row) / PANEL, (first + row) % PANEL);
            let quants = &mut self.quants[panel * PANEL * self.format.quant_words(k)..]
                [..PANEL * self.format.quant_words(k)];
            match rows {
                Rows::Q4 {
                    quants: q,
                    scales,
                    minima,
                } => {
                    for (eight, q) in q[row * k..][..k].as_chunks::<8>().0.iter().enumerate() {
                        let word = &mut quants[eight * PANEL + column];
                        for (i, &q) in q.iter().enumerate() {
                            *word |= i32::from(q) << nibble_shift(i);
                        }
                    }
                    for block in 0..blocks {
                        let at = (panel * blocks + block) * 2 * PANEL + column;
                        self.scales[at] = scales[row * blocks + block];
                        self.scales[at + PANEL] = minima[row * blocks + block];
                    }
                }
                Rows::Q8 { quants: q, scales } => {
                    let bytes: &mut [i8] = bytemuck::cast_slice_mut(quants);
                    for (pair, q) in q[row * k..][..k].as_chunks::<2>().0.iter().enumerate() {
                        bytes[(pair * PANEL + column) * 2..][..2].copy_from_slice(q);
                    }
                    for block in 0..blocks {
                        self.scales[(panel * blocks + block) * PANEL + column] =
                            scales[row * blocks + block];
                    }
                }
                Rows::F32(values) => {
                    let floats: &mut [f32] = bytemuck::cast_slice_mut(quants);
                    for (i, value) in values[row * k..][..k].iter().enumerate() {
                        floats[i * PANEL + column] = *value;
                    }
                }
            }
        }
    }

    /// Quants and scales, moved onto the device without a copy.
    pub(crate) fn into_tensors(self, device: &Device) -> (Tensor<1, Int>, Tensor<1>) {
        let (words, mut scales) = (self.quants.len(), self.scales);
        if scales.is_empty() {
            scales.push(0.0); // a tensor needs a value
        }
        let count = scales.len();
        (
            Tensor::from_data(TensorData::new(self.quants, [words]), (device, DType::I32)),
            Tensor::from_data(TensorData::new(scales, [count]), (device, DType::F32)),
        )
    }
}
