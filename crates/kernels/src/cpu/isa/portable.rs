//! 128-bit vectors through `wide`: simd128 in wasm, NEON, SSE2.

use wide::{f32x4, i16x8, i32x4, u8x16, u16x8};

use super::{Isa, PANEL, Q4_TWO, Q8_TWO};

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
    fn widen_q4(self, panels: [&[u8; Q4_TWO]; 2]) -> [Self::Pair; 2] {
        let bytes = u8x16::new(*panels[0]);
        let even = bytes & u8x16::splat(15);
        // There is no shift of bytes: shift 16-bit lanes and drop what came in from the neighbour.
        let words: u16x8 = bytemuck::cast(bytes);
        let odd = bytemuck::cast::<_, u8x16>(words >> 4) & u8x16::splat(15);
        [
            widened(u8x16::unpack_low(even, odd)),
            widened(u8x16::unpack_high(even, odd)),
        ]
    }

    #[inline(always)]
    fn widen_q8(self, panels: [&[u8; Q8_TWO]; 2]) -> [Self::Pair; 2] {
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

/// Bytes as 16 bits: `wide`'s own widening is not vectorised in wasm.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn widened(bytes: u8x16) -> [i16x8; 2] {
    use std::arch::wasm32::{i16x8_extend_high_u8x16, i16x8_extend_low_u8x16};
    let bytes = bytemuck::cast(bytes);
    [
        bytemuck::cast(i16x8_extend_low_u8x16(bytes)),
        bytemuck::cast(i16x8_extend_high_u8x16(bytes)),
    ]
}

/// Signed bytes as 16 bits.
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

/// Bytes as 16 bits.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn widened(bytes: u8x16) -> [i16x8; 2] {
    [i16x8::from_u8x16_low(bytes), i16x8::from_u8x16_high(bytes)]
}

/// Signed bytes as 16 bits.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn widened_signed(bytes: u8x16) -> [i16x8; 2] {
    bytemuck::cast(wide::i16x16::from_i8x16(bytemuck::cast(bytes)))
}
