//! What one instruction set contributes to the matrix product: how many vectors a panel's columns take, and the product of
//! 16-bit pairs. Chosen at run time; the same numbers come out of every one.
//!
//! A vector's lanes are output columns, integer sums are exact and f32 operations are never fused, so that a wider vector
//! changes no result.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

use super::pack::{CHUNK, Halves, PANEL};

/// The 4-bit numbers of a pair, one in each half of a word.
const NIBBLES: i32 = 0x000f_000f;

/// One instruction set.
///
/// # Safety
/// A value must exist only where the machine has the instructions: whoever makes one has asked the processor.
/// The methods are inlined into a function that is compiled for them.
pub(super) unsafe trait Isa: Copy {
    /// Rows whose sums stay in registers.
    const ROWS: usize;
    /// Rows whose sums stay in registers even if each has two.
    const ROWS_TWICE: usize;
    /// One pair of k of a panel, as 16-bit numbers.
    type Pair: Copy;
    /// One i32 sum per column.
    type Sums: Copy;
    /// One f32 per column.
    type Floats: Copy;

    /// Widens four pairs of k of 4-bit weights.
    fn widen_q4(self, words: &[u8; CHUNK]) -> [Self::Pair; 4];
    /// The same with fewer instructions: the second and the fourth pair come 16-fold.
    fn widen_q4_unshifted(self, words: &[u8; CHUNK]) -> [Self::Pair; 4];
    /// Widens two pairs of k of 8-bit weights.
    fn widen_q8(self, bytes: &[u8; CHUNK]) -> [Self::Pair; 2];
    /// Weights of nothing.
    fn widened_zero(self) -> Self::Pair;
    /// Sums that begin with `value`.
    fn sums(self, value: i32) -> Self::Sums;
    /// `sums + x.even · weights.even + x.odd · weights.odd`, per column; `x` holds the even value in its low half.
    fn dot(self, sums: Self::Sums, x: i32, weights: Self::Pair) -> Self::Sums;
    /// `sums + sixteenfold / 16`, which leaves no remainder.
    fn add_sixteenth(self, sums: Self::Sums, sixteenfold: Self::Sums) -> Self::Sums;
    /// Sums, rounded to f32.
    fn floats(self, sums: Self::Sums) -> Self::Floats;
    /// One value in all columns.
    fn splat(self, value: f32) -> Self::Floats;
    /// The values of a panel.
    fn load(self, values: &[f32; PANEL]) -> Self::Floats;
    /// Finite halves as f32, exactly.
    fn halves(self, bits: &Halves) -> Self::Floats;
    /// Writes the values of a panel.
    fn store(self, values: Self::Floats, out: &mut [f32; PANEL]);
    /// Product.
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Sum.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
}

#[cfg(test)]
mod tests {
    use std::array::from_fn;

    use half::f16;

    use super::*;

    #[track_caller]
    fn check(isa: impl Isa) {
        for first in (0..=u16::MAX).step_by(PANEL) {
            let bits: Halves = from_fn(|i| first + i as u16);
            let mut got = [0.0; PANEL];
            isa.store(isa.halves(&bits), &mut got);
            let halves = bits.map(f16::from_bits);
            for (half, got) in halves.iter().zip(got).filter(|(half, _)| half.is_finite()) {
                assert_eq!(got.to_bits(), half.to_f32().to_bits(), "{half:?}");
            }
        }
    }

    #[test]
    fn every_finite_half_is_read_exactly() {
        check(Portable);
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(isa) = Avx2::find() {
                check(isa);
            }
            if let Some(isa) = Avx512::find() {
                check(isa);
            }
        }
    }
}
