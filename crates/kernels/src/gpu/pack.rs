//! Weights row by row, straight from small buffers into GPU memory.
//!
//! Quants are words of 32 bits, `[n][k / weights per word]`, lowest bits first; scales are f32, `[n][k / 32][scale, minimum?]`.

use burn::tensor::{DType, Device, Int, Shape, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::bytes::Bytes;
use half::{f16, slice::HalfFloatSliceExt};

use crate::{BLOCK, Format, Rows};

/// A matrix on its way into GPU memory: only the rows of one push are in main memory.
pub(crate) struct Buffers {
    format: Format,
    k: usize,
    quants: CubeTensor,
    scales: CubeTensor,
}

impl Buffers {
    /// Allocates room for `n` rows of `k` weights on `device`.
    pub(crate) fn new(format: Format, n: usize, k: usize, device: &Device) -> Self {
        // A scalar tells client and device.
        let probe = Tensor::<1>::zeros([1], (device, DType::F32));
        let probe = probe
            .try_into_primitive::<CubeBackend>()
            .expect("a tensor on the GPU");
        let allocate = |words: usize, dtype| {
            let client = probe.client.clone();
            // Weights stay for the life of the model: exact sizes, outside the pools that activations recycle.
            let handle = client.memory_persistent_allocation((), |()| client.empty(words * 4));
            CubeTensor::new_contiguous(
                probe.client.clone(),
                probe.device.clone(),
                Shape::from([words]),
                handle,
                dtype,
            )
        };
        Self {
            format,
            k,
            quants: allocate(n * format.quant_words(k), DType::I32),
            scales: allocate(
                (n * format.scales_per_block() * (k / BLOCK)).max(1),
                DType::F32,
            ),
        }
    }

    /// Uploads rows `first ..`.
    pub(crate) fn push(&mut self, first: usize, rows: Rows<'_>) {
        if rows.is_empty() {
            return;
        }
        let words = match rows {
            Rows::Q4_0 { quants, .. } | Rows::Q4_1 { quants, .. } => quants
                .as_chunks::<8>()
                .0
                .iter()
                .map(nibbles)
                .collect::<Vec<u32>>(),
            Rows::Q8_0 { quants, .. } => quants
                .as_chunks::<4>()
                .0
                .iter()
                .map(|q| u32::from_le_bytes(q.map(|q| q as u8)))
                .collect(),
            Rows::F32(values) => values.iter().map(|v| v.to_bits()).collect(),
        };
        let scales: Vec<f32> = match rows {
            Rows::Q4_0 { scales, .. } => singles(scales)
                .into_iter()
                .flat_map(|scale| [scale, -8.0 * scale])
                .collect(),
            Rows::Q4_1 { scales, minima, .. } => singles(scales)
                .into_iter()
                .zip(singles(minima))
                .flat_map(|(scale, minimum)| [scale, minimum])
                .collect(),
            Rows::Q8_0 { scales, .. } => singles(scales),
            Rows::F32(_) => Vec::new(),
        };
        write(
            &self.quants,
            first * self.format.quant_words(self.k),
            Bytes::from_elems(words),
        );
        if !scales.is_empty() {
            write(
                &self.scales,
                first * self.format.scales_per_block() * (self.k / BLOCK),
                Bytes::from_elems(scales),
            );
        }
    }

    /// Quants and scales.
    pub(crate) fn into_tensors(self) -> (Tensor<1, Int>, Tensor<1>) {
        (
            Tensor::from_primitive::<CubeBackend>(self.quants),
            Tensor::from_primitive::<CubeBackend>(self.scales),
        )
    }
}

/// Halves as f32, exactly.
fn singles(halves: &[f16]) -> Vec<f32> {
    let mut singles = vec![0.0; halves.len()];
    halves.convert_to_f32_slice(&mut singles);
    singles
}

/// Eight 4-bit numbers in one word.
fn nibbles(quants: &[u8; 8]) -> u32 {
    quants
        .iter()
        .rev()
        .fold(0, |word, &q| (word << 4) | u32::from(q))
}

/// Overwrites part of a tensor, from `word` on.
fn write(tensor: &CubeTensor, word: usize, bytes: Bytes) {
    // The handle's own offsets, such as padding at the end, add up with these.
    let total = tensor.handle.size_in_used();
    let (start, end) = (word as u64 * 4, word as u64 * 4 + bytes.len() as u64);
    let part = tensor
        .handle
        .clone()
        .offset_start(start)
        .offset_end(total - end);
    tensor.client.write(&part, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_quant_takes_the_lowest_bits() {
        assert_eq!(nibbles(&[1, 2, 3, 4, 5, 6, 7, 8]), 0x8765_4321);
    }
}
