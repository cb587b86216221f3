//! 128-bit vectors through `wide`: simd128 in wasm, NEON, SSE2.

use std::array::from_fn;

use wide::{f32x4, i16x8, i32x4, u16x8};

use super::{CHUNK, Halves, Isa, NIBBLES, PANEL};

/// Every machine has these.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Portable;

// SAFETY: needs nothing beyond what this crate is compiled for.
unsafe impl Isa for Portable {
    // 2 rows × 16 columns are 8 of 16 registers.
    const ROWS: usize = 2;
    // NEON has 32.
    const ROWS_TWICE: usize = cfg!(target_arch = "aarch64") as usize;
    type Pair = [i16x8; 4];
    type Sums = [i32x4; 4];
    type Floats = [f32x4; 4];

    #[inline(always)]
    fn widen_q4(self, words: &[u8; CHUNK]) -> [Self::Pair; 4] {
        let words: [i32x4; 4] = bytemuck::cast(*words);
        let keep = i32x4::splat(NIBBLES);
        bytemuck::cast([
            words.map(|word| word & keep),
            words.map(|word| (word >> 4) & keep),
            words.map(|word| (word >> 8) & keep),
            // Nothing is above the last one, if halves of words are shifted.
            words.map(|word| bytemuck::cast(bytemuck::cast::<_, u16x8>(word) >> 12_u32)),
        ])
    }

    #[inline(always)]
    fn widen_q4_unshifted(self, words: &[u8; CHUNK]) -> [Self::Pair; 4] {
        let words: [i32x4; 4] = bytemuck::cast(*words);
        let later = words.map(|word| word >> 8);
        let (keep, high) = (i32x4::splat(NIBBLES), i32x4::splat(NIBBLES << 4));
        bytemuck::cast([
            words.map(|word| word & keep),
            words.map(|word| word & high),
            later.map(|word| word & keep),
            later.map(|word| word & high),
        ])
    }

    #[inline(always)]
    fn widen_q8(self, bytes: &[u8; CHUNK]) -> [Self::Pair; 2] {
        bytemuck::cast(widened(bytes))
    }

    #[inline(always)]
    fn widened_zero(self) -> Self::Pair {
        [i16x8::splat(0); 4]
    }

    #[inline(always)]
    fn sums(self, value: i32) -> Self::Sums {
        [i32x4::splat(value); 4]
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, x: i32, weights: Self::Pair) -> Self::Sums {
        let x: i16x8 = bytemuck::cast(i32x4::splat(x));
        from_fn(|i| sums[i] + x.dot(weights[i]))
    }

    #[inline(always)]
    fn add_sixteenth(self, sums: Self::Sums, sixteenfold: Self::Sums) -> Self::Sums {
        from_fn(|i| sums[i] + (sixteenfold[i] >> 4))
    }

    #[inline(always)]
    fn floats(self, sums: Self::Sums) -> Self::Floats {
        sums.map(f32x4::from_i32x4)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        [f32x4::splat(value); 4]
    }

    #[inline(always)]
    fn load(self, values: &[f32; PANEL]) -> Self::Floats {
        bytemuck::cast(*values)
    }

    #[inline(always)]
    fn halves(self, bits: &Halves) -> Self::Floats {
        // What is left to do once a half's bits stand at a single's: their exponents count from -15 and -127.
        let exponents = f32x4::splat(f32::from_bits((127 + 127 - 15) << 23));
        // Of the shifted bits sign, exponent and fraction.
        let keep = i32x4::splat(0x8fff_e000_u32 as i32);
        from_fn(|four| {
            let four: [i32; 4] = from_fn(|i| i32::from(bits[4 * four + i] as i16));
            let bits: f32x4 = bytemuck::cast((i32x4::from(four) << 13) & keep);
            bits * exponents
        })
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, out: &mut [f32; PANEL]) {
        *out = bytemuck::cast(values);
    }

    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        from_fn(|i| a[i] + b[i])
    }
}

/// Signed bytes as 16 bits. `wide`'s own widening is not vectorised in wasm; this one is part of the load.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn widened(bytes: &[u8; CHUNK]) -> [i16x8; CHUNK / 8] {
    let eights = bytes.as_chunks::<8>().0;
    // SAFETY: eight bytes are read.
    from_fn(|i| unsafe {
        bytemuck::cast(std::arch::wasm32::i16x8_load_extend_i8x8(
            eights[i].as_ptr().cast(),
        ))
    })
}

/// Signed bytes as 16 bits.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn widened(bytes: &[u8; CHUNK]) -> [i16x8; CHUNK / 8] {
    let sixteens: [wide::i8x16; CHUNK / 16] = bytemuck::cast(*bytes);
    bytemuck::cast(sixteens.map(wide::i16x16::from_i8x16))
}
