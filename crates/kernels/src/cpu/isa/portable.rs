//! 128-bit vectors through `wide`: simd128 in wasm, NEON, SSE2.

use wide::{f32x4, i16x8, i32x4, u8x16};

use super::{CHUNK, Isa, NIBBLES, PANEL};

/// Every machine has these.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Portable;

// SAFETY: needs nothing beyond what this crate is compiled for.
unsafe impl Isa for Portable {
    const PANELS: usize = 1;
    // 4 rows × 8 columns are 8 of 16 registers.
    const ROWS: usize = 4;
    type Pair = [i16x8; 2];
    type Sums = [i32x4; 2];
    type Floats = [f32x4; 2];

    #[inline(always)]
    fn widen_q4(self, panels: [&[u8; CHUNK]; 2]) -> [Self::Pair; 4] {
        let words: [i32x4; 2] = bytemuck::cast(*panels[0]);
        let keep = i32x4::splat(NIBBLES);
        bytemuck::cast([
            [words[0] & keep, words[1] & keep],
            [(words[0] >> 4) & keep, (words[1] >> 4) & keep],
            [(words[0] >> 8) & keep, (words[1] >> 8) & keep],
            [(words[0] >> 12) & keep, (words[1] >> 12) & keep],
        ])
    }

    #[inline(always)]
    fn widen_q4_unshifted(self, panels: [&[u8; CHUNK]; 2]) -> [Self::Pair; 4] {
        let words: [i32x4; 2] = bytemuck::cast(*panels[0]);
        let later = [words[0] >> 8, words[1] >> 8];
        let (keep, high) = (i32x4::splat(NIBBLES), i32x4::splat(NIBBLES << 4));
        bytemuck::cast([
            [words[0] & keep, words[1] & keep],
            [words[0] & high, words[1] & high],
            [later[0] & keep, later[1] & keep],
            [later[0] & high, later[1] & high],
        ])
    }

    #[inline(always)]
    fn widen_q8(self, panels: [&[u8; CHUNK]; 2]) -> [Self::Pair; 2] {
        let [first, second]: [u8x16; 2] = bytemuck::cast(*panels[0]);
        [widened_signed(first), widened_signed(second)]
    }

    #[inline(always)]
    fn widened_zero(self) -> Self::Pair {
        [i16x8::splat(0); 2]
    }

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        [i32x4::splat(0); 2]
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, x: i32, weights: Self::Pair) -> Self::Sums {
        let x: i16x8 = bytemuck::cast(i32x4::splat(x));
        [sums[0] + x.dot(weights[0]), sums[1] + x.dot(weights[1])]
    }

    #[inline(always)]
    fn add_sixteenth(self, sums: Self::Sums, sixteenfold: Self::Sums) -> Self::Sums {
        [
            sums[0] + (sixteenfold[0] >> 4),
            sums[1] + (sixteenfold[1] >> 4),
        ]
    }

    #[inline(always)]
    fn floats(self, sums: Self::Sums) -> Self::Floats {
        sums.map(f32x4::from_i32x4)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        [f32x4::splat(value); 2]
    }

    #[inline(always)]
    fn load(self, panels: [&[f32; PANEL]; 2]) -> Self::Floats {
        bytemuck::cast(*panels[0])
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, out: &mut [f32]) {
        let values: [f32; PANEL] = bytemuck::cast(values);
        out.copy_from_slice(&values[..out.len()]);
    }

    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        [a[0] * b[0], a[1] * b[1]]
    }

    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        [a[0] + b[0], a[1] + b[1]]
    }
}

/// Signed bytes as 16 bits: `wide`'s own widening is not vectorised in wasm.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn widened_signed(bytes: u8x16) -> [i16x8; 2] {
    use std::arch::wasm32::{i16x8_extend_high_i8x16, i16x8_extend_low_i8x16};
    let bytes = bytemuck::cast(bytes);
    [
        bytemuck::cast(i16x8_extend_low_i8x16(bytes)),
        bytemuck::cast(i16x8_extend_high_i8x16(bytes)),
    ]
}

/// Signed bytes as 16 bits.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn widened_signed(bytes: u8x16) -> [i16x8; 2] {
    bytemuck::cast(wide::i16x16::from_i8x16(bytemuck::cast(bytes)))
}
