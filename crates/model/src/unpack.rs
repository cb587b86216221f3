//! Block types of GGUF to the four formats of the kernels, without loss.
//!
//! Layouts are those of ggml (`ggml-common.h`): in 4-bit blocks byte `j` holds weight `j` in its low and weight `j + 16` in its
//! high nibble; scales are IEEE halves.

use half::{bf16, f16};
use jeoul_checkpoint::TensorType;
use jeoul_kernels::{BLOCK, Format, Rows};

/// The format that holds a GGUF type.
pub(crate) const fn format(ty: TensorType) -> Format {
    match ty {
        TensorType::Q4_0 => Format::Q4_0,
        TensorType::Q4_1 => Format::Q4_1,
        TensorType::Q8_0 => Format::Q8_0,
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => Format::F32,
    }
}

/// Unpacked rows; kept between calls so that nothing is allocated per chunk.
#[derive(Default)]
pub(crate) struct Unpacked {
    nibbles: Vec<u8>,
    bytes: Vec<i8>,
    floats: Vec<f32>,
    scales: Vec<f16>,
    minima: Vec<f16>,
}

impl Unpacked {
    /// Unpacks whole rows of `ty`.
    pub(crate) fn rows(&mut self, ty: TensorType, bytes: &[u8]) -> Rows<'_> {
        self.nibbles.clear();
        self.bytes.clear();
        self.floats.clear();
        self.scales.clear();
        self.minima.clear();
        match ty {
            TensorType::Q4_0 => {
                for [a, b, packed @ ..] in bytes.as_chunks::<18>().0 {
                    self.scales.push(f16::from_le_bytes([*a, *b]));
                    self.push_nibbles(packed);
                }
                Rows::Q4_0 {
                    quants: &self.nibbles,
                    scales: &self.scales,
                }
            }
            TensorType::Q4_1 => {
                for [a, b, c, d, packed @ ..] in bytes.as_chunks::<20>().0 {
                    self.scales.push(f16::from_le_bytes([*a, *b]));
                    self.minima.push(f16::from_le_bytes([*c, *d]));
                    self.push_nibbles(packed);
                }
                Rows::Q4_1 {
                    quants: &self.nibbles,
                    scales: &self.scales,
                    minima: &self.minima,
                }
            }
            TensorType::Q8_0 => {
                for [a, b, quants @ ..] in bytes.as_chunks::<34>().0 {
                    self.scales.push(f16::from_le_bytes([*a, *b]));
                    self.bytes.extend(quants.iter().map(|&q| q as i8));
                }
                Rows::Q8_0 {
                    quants: &self.bytes,
                    scales: &self.scales,
                }
            }
            TensorType::F32 => {
                self.floats(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)))
            }
            TensorType::F16 => self.floats(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f16::from_le_bytes(b).to_f32()),
            ),
            TensorType::BF16 => self.floats(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| bf16::from_le_bytes(b).to_f32()),
            ),
        }
    }

    fn push_nibbles(&mut self, packed: &[u8; BLOCK / 2]) {
        // Of a known size: then they are vectors.
        self.nibbles
            .extend_from_slice(&packed.map(|byte| byte & 15));
        self.nibbles
            .extend_from_slice(&packed.map(|byte| byte >> 4));
    }

    fn floats(&mut self, values: impl Iterator<Item = f32>) -> Rows<'_> {
        self.floats.extend(values);
        Rows::F32(&self.floats)
    }
}

/// The weights that unpacked rows stand for, `[rows, k]`.
#[cfg(test)]
fn values(rows: Rows<'_>) -> Vec<f32> {
    let quantized =
        |quants: &mut dyn Iterator<Item = f32>, scales: &[f16], minimum: &dyn Fn(usize) -> f32| {
            let weight = |(i, q): (usize, f32)| scales[i / BLOCK].to_f32() * q + minimum(i / BLOCK);
            quants.enumerate().map(weight).collect()
        };
    match rows {
        Rows::Q4_0 { quants, scales } => {
            let mut quants = quants.iter().map(|&q| f32::from(q) - 8.0);
            quantized(&mut quants, scales, &|_| 0.0)
        }
        Rows::Q4_1 {
            quants,
            scales,
            minima,
        } => {
            let mut quants = quants.iter().map(|&q| f32::from(q));
            quantized(&mut quants, scales, &|block| minima[block].to_f32())
        }
        Rows::Q8_0 { quants, scales } => {
            let mut quants = quants.iter().map(|&q| f32::from(q));
            quantized(&mut quants, scales, &|_| 0.0)
        }
        Rows::F32(values) => values.to_vec(),
    }
}

const _: () = assert!(BLOCK == 32); // the literals above are ggml's blocks of 32

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_unpacks_to_what_dequantising_gives() {
        for ty in TensorType::ALL {
            let bytes: Vec<u8> = (0..ty.block_bytes() * 6)
                .map(|i| (i * 89 + 11) as u8 & 0x3b)
                .collect();
            let mut want = vec![0.0; ty.block_len() as usize * 6];
            jeoul_checkpoint::dequantize(ty, &bytes, &mut want);
            assert_eq!(values(Unpacked::default().rows(ty, &bytes)), want, "{ty:?}");
        }
    }
}
