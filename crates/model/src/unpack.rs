//! Block types of GGUF to the three formats of the kernels, without loss.
//!
//! Layouts are those of ggml (`ggml-common.h`): in 4-bit blocks byte `j` holds weight `j` in its low and weight `j + 16` in its
//! high nibble; scales are IEEE halves.

use half::{bf16, f16};
use jeoul_checkpoint::TensorType;
use jeoul_kernels::{BLOCK, Format, Rows};

/// The format that holds a GGUF type.
pub(crate) const fn format(ty: TensorType) -> Format {
    match ty {
        TensorType::Q4_0 | TensorType::Q4_1 => Format::Q4,
        TensorType::Q8_0 => Format::Q8,
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => Format::F32,
    }
}

/// Unpacked rows; kept between calls so that nothing is allocated per chunk.
#[derive(Default)]
pub(crate) struct Unpacked {
    nibbles: Vec<u8>,
    bytes: Vec<i8>,
    floats: Vec<f32>,
    scales: Vec<f32>,
    minima: Vec<f32>,
}

impl Unpacked {
    /// Unpacks whole rows of `ty`.
    pub(crate) fn rows(&mut self, ty: TensorType, bytes: &[u8]) -> Rows<'_> {
        for values in [&mut self.floats, &mut self.scales, &mut self.minima] {
            values.clear();
        }
        self.nibbles.clear();
        self.bytes.clear();
        match ty {
            TensorType::Q4_0 => {
                for [low, high, packed @ ..] in bytes.as_chunks::<18>().0 {
                    // ggml counts from -8: w = d · (q - 8).
                    let scale = half([*low, *high]);
                    self.push_nibbles(packed, scale, -8.0 * scale);
                }
                self.q4()
            }
            TensorType::Q4_1 => {
                for [a, b, c, d, packed @ ..] in bytes.as_chunks::<20>().0 {
                    self.push_nibbles(packed, half([*a, *b]), half([*c, *d]));
                }
                self.q4()
            }
            TensorType::Q8_0 => {
                for block in bytes.as_chunks::<34>().0 {
                    self.scales.push(half([block[0], block[1]]));
                    self.bytes.extend(block[2..].iter().map(|&q| q as i8));
                }
                Rows::Q8 {
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

    fn push_nibbles(&mut self, packed: &[u8; BLOCK / 2], scale: f32, minimum: f32) {
        // Of a known size: then they are vectors.
        self.nibbles
            .extend_from_slice(&packed.map(|byte| byte & 15));
        self.nibbles
            .extend_from_slice(&packed.map(|byte| byte >> 4));
        self.scales.push(scale);
        self.minima.push(minimum);
    }

    fn q4(&self) -> Rows<'_> {
        Rows::Q4 {
            quants: &self.nibbles,
            scales: &self.scales,
            minima: &self.minima,
        }
    }

    fn floats(&mut self, values: impl Iterator<Item = f32>) -> Rows<'_> {
        self.floats.extend(values);
        Rows::F32(&self.floats)
    }
}

/// A half as f32, exactly. A checkpoint has millions, and where no instruction does it, `half` takes several branches for each.
fn half(bytes: [u8; 2]) -> f32 {
    /// What is left to do once a half's bits stand at a single's: their exponents count from -15 and -127.
    const EXPONENTS: f32 = f32::from_bits((127 + 127 - 15) << 23);
    let bits = u16::from_le_bytes(bytes);
    if bits & 0x7c00 == 0x7c00 {
        // Infinities and NaN.
        return f16::from_bits(bits).to_f32();
    }
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * EXPONENTS;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

/// The weights that unpacked rows stand for, `[rows, k]`.
#[cfg(test)]
fn values(rows: Rows<'_>) -> Vec<f32> {
    match rows {
        Rows::Q4 {
            quants,
            scales,
            minima,
        } => quants
            .iter()
            .enumerate()
            .map(|(i, &q)| scales[i / BLOCK] * f32::from(q) + minima[i / BLOCK])
            .collect(),
        Rows::Q8 { quants, scales } => quants
            .iter()
            .enumerate()
            .map(|(i, &q)| scales[i / BLOCK] * f32::from(q))
            .collect(),
        Rows::F32(values) => values.to_vec(),
    }
}

const _: () = assert!(BLOCK == 32); // the literals above are ggml's blocks of 32

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_read_exactly() {
        for bits in 0..=u16::MAX {
            let (got, want) = (half(bits.to_le_bytes()), f16::from_bits(bits).to_f32());
            assert_eq!(got.to_bits(), want.to_bits(), "{bits:04x}");
        }
    }

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
