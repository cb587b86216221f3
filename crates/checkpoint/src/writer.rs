//! Writes GGUF files, version 3: the tiny checkpoint, and the bad ones of the tests.
//!
//! It writes what it is told, contradictions included; what is right is for the reader to decide.

#![allow(
    clippy::cast_possible_truncation,
    reason = "to quantise is to cut, and ranks are small"
)]

use half::{bf16, f16};

use crate::TensorType;

/// Tensors begin at multiples of this, GGUF's default.
const ALIGNMENT: usize = 32;

/// Weights of a block of the quantised types.
const BLOCK: usize = 32;

/// Types of metadata values.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A file in the making: metadata and tensors in the order of the calls, then [`finish`](Self::finish).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct GgufWriter {
    metadata_count: u64,
    metadata: Vec<u8>,
    tensor_count: u64,
    tensors: Vec<u8>,
    data: Vec<u8>,
}

impl GgufWriter {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a string.
    pub fn string(self, key: &str, value: &str) -> Self {
        self.value(key, STRING, |out| put_string(out, value))
    }

    /// Adds a number.
    pub fn u32(self, key: &str, value: u32) -> Self {
        self.value(key, U32, |out| out.extend(value.to_le_bytes()))
    }

    /// Adds a number with a fraction.
    pub fn f32(self, key: &str, value: f32) -> Self {
        self.value(key, F32, |out| out.extend(value.to_le_bytes()))
    }

    /// Adds a yes or no.
    pub fn bool(self, key: &str, value: bool) -> Self {
        self.value(key, BOOL, |out| out.push(value.into()))
    }

    /// Adds a list of strings.
    pub fn strings<S: AsRef<str>>(self, key: &str, values: &[S]) -> Self {
        self.array(key, STRING, values, |out, value| {
            put_string(out, value.as_ref());
        })
    }

    /// Adds a list of signed numbers.
    pub fn i32s(self, key: &str, values: &[i32]) -> Self {
        self.array(key, I32, values, |out, value| {
            out.extend(value.to_le_bytes());
        })
    }

    /// Adds a tensor. `dims` in ggml's order: columns first. `bytes` as [`quantize`] makes them.
    pub fn tensor(mut self, name: &str, dims: &[u64], ty: TensorType, bytes: Vec<u8>) -> Self {
        let out = &mut self.tensors;
        put_string(out, name);
        out.extend((dims.len() as u32).to_le_bytes());
        out.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        out.extend(ty.id().to_le_bytes());
        out.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(bytes);
        pad(&mut self.data);
        self.tensor_count += 1;
        self
    }

    /// The bytes of the file.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend(self.tensor_count.to_le_bytes());
        out.extend(self.metadata_count.to_le_bytes());
        out.extend(self.metadata);
        out.extend(self.tensors);
        pad(&mut out);
        out.extend(self.data);
        out
    }

    fn value(mut self, key: &str, ty: u32, put: impl FnOnce(&mut Vec<u8>)) -> Self {
        put_string(&mut self.metadata, key);
        self.metadata.extend(ty.to_le_bytes());
        put(&mut self.metadata);
        self.metadata_count += 1;
        self
    }

    fn array<T>(self, key: &str, ty: u32, values: &[T], put: impl Fn(&mut Vec<u8>, &T)) -> Self {
        self.value(key, ARRAY, |out| {
            out.extend(ty.to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| put(out, value));
        })
    }
}

/// Bytes of weights, rounded as ggml's reference does (`quantize_row_*_ref` in `ggml-quants.c`). Of a last block that is
/// not whole, nothing is written.
pub fn quantize(ty: TensorType, weights: &[f32]) -> Vec<u8> {
    let blocks = weights.as_chunks().0.iter();
    match ty {
        TensorType::F32 => weights.iter().flat_map(|w| w.to_le_bytes()).collect(),
        TensorType::F16 => weights.iter().flat_map(|&w| half_bytes(w)).collect(),
        TensorType::BF16 => {
            let bytes = |&w| bf16::from_f32(w).to_le_bytes();
            weights.iter().flat_map(bytes).collect()
        }
        TensorType::Q4_0 => blocks.flat_map(q4_0).collect(),
        TensorType::Q4_1 => blocks.flat_map(q4_1).collect(),
        TensorType::Q8_0 => blocks.flat_map(q8_0).collect(),
    }
}

/// The weight that is farthest from 0, sign included, becomes -8; the first of equals decides.
fn q4_0(block: &[f32; BLOCK]) -> Vec<u8> {
    let farthest = block.iter().fold(
        0.0_f32,
        |best, &w| {
            if w.abs() > best.abs() { w } else { best }
        },
    );
    let scale = farthest / -8.0;
    let inverse = inverse(scale);
    let mut out = half_bytes(scale).to_vec();
    out.extend(nibbles(block, |w| w * inverse + 8.5));
    out
}

/// The least weight becomes 0, the greatest 15.
fn q4_1(block: &[f32; BLOCK]) -> Vec<u8> {
    let least = block.iter().copied().fold(f32::MAX, f32::min);
    let greatest = block.iter().copied().fold(f32::MIN, f32::max);
    let scale = (greatest - least) / 15.0;
    let inverse = inverse(scale);
    let mut out = half_bytes(scale).to_vec();
    out.extend(half_bytes(least));
    out.extend(nibbles(block, |w| (w - least) * inverse + 0.5));
    out
}

/// The weight that is farthest from 0 becomes 127 or -127.
fn q8_0(block: &[f32; BLOCK]) -> Vec<u8> {
    let farthest = block.iter().fold(0.0_f32, |best, w| best.max(w.abs()));
    let scale = farthest / 127.0;
    let inverse = inverse(scale);
    let mut out = half_bytes(scale).to_vec();
    let quant = |w: &f32| (w * inverse).round() as i8;
    out.extend(block.iter().map(|w| quant(w).cast_unsigned()));
    out
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// Byte `j` holds weight `j` in its low and weight `j + 16` in its high nibble; `level` is cut to a whole number.
fn nibbles(block: &[f32; BLOCK], level: impl Fn(f32) -> f32) -> Vec<u8> {
    let quant = |w: f32| (level(w) as u8).min(15);
    let (low, high) = block.split_at(BLOCK / 2);
    let pairs = low.iter().zip(high);
    pairs
        .map(|(&low, &high)| quant(low) | quant(high) << 4)
        .collect()
}

fn half_bytes(value: f32) -> [u8; 2] {
    f16::from_f32(value).to_le_bytes()
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dequantize;

    /// 32 weights from -16 to 15, times `step`.
    fn ramp(step: f32) -> Vec<f32> {
        (-16..16).map(|i| i as f32 * step).collect()
    }

    /// Weights after being written and read.
    fn back(ty: TensorType, weights: &[f32]) -> Vec<f32> {
        let bytes = quantize(ty, weights);
        let blocks = weights.len() as u64 / ty.block_len();
        assert_eq!(bytes.len() as u64, blocks * ty.block_bytes(), "{ty:?}");
        let mut out = vec![f32::NAN; weights.len()];
        dequantize(ty, &bytes, &mut out);
        out
    }

    #[test]
    fn a_file_is_header_metadata_tensors_and_aligned_data() {
        let file = GgufWriter::new()
            .string("k", "v")
            .bool("b", true)
            .tensor("t", &[2, 1], TensorType::F32, vec![7; 8])
            .tensor("u", &[1], TensorType::F16, vec![9; 2])
            .finish();
        let mut want = b"GGUF\x03\0\0\0".to_vec();
        want.extend(b"\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        want.extend(b"\x01\0\0\0\0\0\0\0k\x08\0\0\0\x01\0\0\0\0\0\0\0v");
        want.extend(b"\x01\0\0\0\0\0\0\0b\x07\0\0\0\x01");
        want.extend(b"\x01\0\0\0\0\0\0\0t\x02\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
        want.extend(b"\0\0\0\0\0\0\0\0\0\0\0\0"); // F32 at 0
        want.extend(b"\x01\0\0\0\0\0\0\0u\x01\0\0\0\x01\0\0\0\0\0\0\0");
        want.extend(b"\x01\0\0\0\x20\0\0\0\0\0\0\0"); // F16 at 32
        want.resize(want.len().next_multiple_of(32), 0);
        want.extend([7; 8]);
        want.extend([0; 24]);
        want.extend([9; 2]);
        want.extend([0; 30]);
        assert_eq!(file, want);
    }

    #[test]
    fn lists_carry_their_type_and_length() {
        let file = GgufWriter::new()
            .i32s("i", &[-1])
            .strings("s", &["a", ""])
            .finish();
        let mut want = b"\x01\0\0\0\0\0\0\0i\x09\0\0\0\x05\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        want.extend(b"\xff\xff\xff\xff");
        want.extend(b"\x01\0\0\0\0\0\0\0s\x09\0\0\0\x08\0\0\0\x02\0\0\0\0\0\0\0");
        want.extend(b"\x01\0\0\0\0\0\0\0a\0\0\0\0\0\0\0\0");
        assert_eq!(&file[24..24 + want.len()], want);
    }

    #[test]
    fn every_type_reads_back_within_half_a_step() {
        // Steps: of the ramp's largest magnitude, 16, what one unit of the type is worth.
        for (ty, step) in [
            (TensorType::F32, 0.0),
            (TensorType::F16, 0.0),
            (TensorType::BF16, 0.0),
            (TensorType::Q8_0, 16.0 / 127.0),
            (TensorType::Q4_1, 31.0 / 15.0),
        ] {
            for (got, want) in back(ty, &ramp(1.0)).iter().zip(ramp(1.0)) {
                // A thousandth for the scale, which is a half.
                let bound = step / 2.0 + want.abs() / 1000.0 * step;
                assert!((got - want).abs() <= bound, "{ty:?}: {got} for {want}");
            }
        }
    }

    #[test]
    fn q4_0_keeps_the_sign_of_the_farthest_weight() {
        let weights = ramp(0.5);
        let out = back(TensorType::Q4_0, &weights);
        assert_eq!((out[0], out[16]), (-8.0, 0.0));
        // 7.5 would be level 15.5; there are levels to 15, which is 7.
        assert_eq!(out[31], 7.0);
        let turned: Vec<f32> = weights.iter().map(|w| -w).collect();
        assert_eq!(back(TensorType::Q4_0, &turned)[0], 8.0);
    }

    #[test]
    fn blocks_of_equal_weights_read_back_exactly() {
        for ty in TensorType::ALL {
            assert_eq!(back(ty, &[0.0; 64]), [0.0; 64], "{ty:?}");
        }
        assert_eq!(back(TensorType::Q4_1, &[1.5; 32]), [1.5; 32]);
    }
}
