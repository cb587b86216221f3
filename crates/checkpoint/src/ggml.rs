//! Tensor types of GGUF, and what their bytes stand for.
//!
//! Layouts are those of ggml (`ggml-common.h`): a block holds 32 weights of one row; its scales are IEEE halves.

use half::{bf16, f16};

/// How the weights of a tensor are stored.
#[allow(non_camel_case_types, reason = "the names everybody knows them by")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// 4 bytes each.
    F32,
    /// IEEE half.
    F16,
    /// Upper half of an f32.
    BF16,
    /// `d · (q - 8)`, 4 bits.
    Q4_0,
    /// `d · q + m`, 4 bits.
    Q4_1,
    /// `d · q`, 8 bits.
    Q8_0,
}

impl TensorType {
    /// All types that can be read.
    pub const ALL: [Self; 6] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q8_0,
    ];

    /// ggml's number of the type.
    pub const fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
            Self::BF16 => 30,
        }
    }

    /// The type of ggml's number, if it can be read.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.id() == id)
    }

    /// Name, as file names have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q8_0 => "Q8_0",
        }
    }

    /// Weights a block; a row is a whole number of blocks.
    pub const fn block_len(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
        }
    }

    /// Bytes a block.
    pub const fn block_bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q8_0 => 2 + 32,
        }
    }
}

/// Name of a type that ggml has and Jeoul does not read yet, for the error message.
pub(crate) const fn unsupported_name(id: u32) -> &'static str {
    match id {
        6 => "Q5_0",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => "unknown",
    }
}

/// The weights of whole blocks, as many as both `bytes` and `out` hold. Plain; the lanes have layouts of their own.
pub fn dequantize(ty: TensorType, bytes: &[u8], out: &mut [f32]) {
    match ty {
        TensorType::F32 => each(bytes, out, |&b, [w]: &mut [f32; 1]| {
            *w = f32::from_le_bytes(b)
        }),
        TensorType::F16 => each(bytes, out, |&b, [w]: &mut [f32; 1]| {
            *w = f16::from_le_bytes(b).to_f32()
        }),
        TensorType::BF16 => each(bytes, out, |&b, [w]: &mut [f32; 1]| {
            *w = bf16::from_le_bytes(b).to_f32()
        }),
        TensorType::Q4_0 => each(
            bytes,
            out,
            |[d0, d1, quants @ ..]: &[u8; 18], weights: &mut [f32; 32]| {
                let scale = f16::from_le_bytes([*d0, *d1]).to_f32();
                nibbles(quants, weights, |q| scale * (q - 8.0));
            },
        ),
        TensorType::Q4_1 => each(
            bytes,
            out,
            |[d0, d1, m0, m1, quants @ ..]: &[u8; 20], weights: &mut [f32; 32]| {
                let (scale, minimum) = (
                    f16::from_le_bytes([*d0, *d1]).to_f32(),
                    f16::from_le_bytes([*m0, *m1]).to_f32(),
                );
                nibbles(quants, weights, |q| scale * q + minimum);
            },
        ),
        TensorType::Q8_0 => each(
            bytes,
            out,
            |[d0, d1, quants @ ..]: &[u8; 34], weights: &mut [f32; 32]| {
                let scale = f16::from_le_bytes([*d0, *d1]).to_f32();
                for (weight, &quant) in weights.iter_mut().zip(quants) {
                    *weight = scale * f32::from(quant.cast_signed());
                }
            },
        ),
    }
}

/// Applies `decode` to each block of `B` bytes and its `W` weights.
fn each<const B: usize, const W: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; B], &mut [f32; W]),
) {
    for (bytes, weights) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        decode(bytes, weights);
    }
}

/// Byte `j` holds weight `j` in its low and weight `j + 16` in its high nibble.
fn nibbles(quants: &[u8; 16], weights: &mut [f32; 32], value: impl Fn(f32) -> f32) {
    let (low, high) = weights.split_at_mut(16);
    for ((&quant, low), high) in quants.iter().zip(low).zip(high) {
        *low = value(f32::from(quant & 15));
        *high = value(f32::from(quant >> 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_and_others_have_names() {
        for ty in TensorType::ALL {
            assert_eq!(TensorType::from_id(ty.id()), Some(ty));
            assert_eq!(unsupported_name(ty.id()), "unknown");
        }
        assert_eq!(
            (TensorType::from_id(12), unsupported_name(12)),
            (None, "Q4_K")
        );
    }

    #[test]
    fn q4_0_counts_from_minus_eight_and_splits_nibbles_by_halves() {
        let mut block = vec![0x00, 0x3c]; // 1.0
        block.extend([0xf0; 16]);
        let mut out = [0.0; 32];
        dequantize(TensorType::Q4_0, &block, &mut out);
        assert_eq!((out[0], out[15], out[16], out[31]), (-8.0, -8.0, 7.0, 7.0));
    }

    #[test]
    fn q4_1_adds_the_minimum() {
        let mut block = vec![0x00, 0x38, 0x00, 0xbc]; // 0.5, -1.0
        block.extend([0x21; 16]);
        let mut out = [0.0; 32];
        dequantize(TensorType::Q4_1, &block, &mut out);
        assert_eq!((out[0], out[16]), (-0.5, 0.0));
    }

    #[test]
    fn q8_0_is_signed() {
        let mut block = vec![0x00, 0x40]; // 2.0
        block.extend((0..32).map(|i| if i == 1 { 0x80 } else { 3 }));
        let mut out = [0.0; 32];
        dequantize(TensorType::Q8_0, &block, &mut out);
        assert_eq!((out[0], out[1]), (6.0, -256.0));
    }
}
