//! Activations as 16-bit integers, one scale per block of 32.
//!
//! In wasm 8-bit integers are widened to 16 before they are multiplied, so 16 bits cost the same and err 250 times less.
//!
//! The rounding error of a block grows with its largest value, and networks have a few blocks with values a hundred times those of
//! their neighbours. Such a block is quantised twice: the second time what the first left over, which makes it all but exact.

use super::math;
use super::widest::widest;
use crate::BLOCK;

/// Largest quantised activation.
const MAX: f32 = 32767.0;
/// A block is quantised twice if its largest value exceeds that of the row's average block this many times.
const OUTLIER: f32 = 4.0;

/// Pairs of 16-bit values, the even one in the low half.
pub(super) type Pairs = [i32; BLOCK / 2];

/// One block of one row.
#[derive(Clone, Copy, Default)]
pub(super) struct Quantized {
    /// What one unit stands for.
    pub(super) scale: f32,
    /// Sum of the values.
    pub(super) total: i32,
    /// Scale times `total`; multiplies a weight block's minimum.
    pub(super) sum: f32,
}

/// Up to [`Self::ROWS`] rows of activations, quantised. Block-major, so that one block of all rows is one stretch of memory.
pub(super) struct Activations {
    rows: usize,
    /// `[blocks, rows]`.
    pairs: Vec<Pairs>,
    /// `[blocks, rows]`.
    scales: Vec<Quantized>,
    /// Per block, what was left over of some rows, in their order.
    leftovers: Vec<Vec<Leftover>>,
}

/// One block of some rows.
pub(super) struct RowBlock<'a> {
    pairs: &'a [Pairs],
    scales: &'a [Quantized],
    pub(super) leftovers: &'a [Leftover],
}

impl RowBlock<'_> {
    /// The first `N` rows, if there are as many.
    #[inline(always)]
    pub(super) fn first_chunk<const N: usize>(&self) -> Option<(&[Pairs; N], &[Quantized; N])> {
        Some((self.pairs.first_chunk()?, self.scales.first_chunk()?))
    }

    /// Rows from `first` on, `N` at a time, as long as there are as many.
    #[inline(always)]
    pub(super) fn chunks<const N: usize>(
        &self,
        first: usize,
    ) -> (&[[Pairs; N]], &[[Quantized; N]]) {
        (
            self.pairs[first..].as_chunks().0,
            self.scales[first..].as_chunks().0,
        )
    }
}

/// What quantising a block once has lost, quantised.
pub(super) struct Leftover {
    /// Whose block it is, of those that are quantised together.
    pub(super) row: usize,
    pub(super) pairs: Pairs,
    pub(super) scale: Quantized,
}

impl Activations {
    /// Most rows: as many as are worth a thread's while.
    pub(super) const ROWS: usize = 64;

    /// Quantises `x [rows, k]`: scale = largest magnitude / 32767, ties round to even.
    pub(super) fn new(x: &[f32], k: usize) -> Self {
        let (rows, blocks) = (x.len() / k, k / BLOCK);
        assert!(rows <= Self::ROWS);
        let mut this = Self {
            rows,
            pairs: vec![[0; BLOCK / 2]; rows * blocks],
            scales: vec![Quantized::default(); rows * blocks],
            leftovers: (0..blocks).map(|_| Vec::new()).collect(),
        };
        fill(x, k, &mut this);
        this
    }

    /// Blocks of a row.
    pub(super) fn blocks(&self) -> usize {
        self.leftovers.len()
    }

    /// One block of each row.
    #[inline(always)]
    pub(super) fn block(&self, block: usize) -> RowBlock<'_> {
        let range = block * self.rows..(block + 1) * self.rows;
        RowBlock {
            pairs: &self.pairs[range.clone()],
            scales: &self.scales[range],
            leftovers: &self.leftovers[block],
        }
    }
}

widest! {
    /// Quantises all rows.
    fn fill(_isa; x: &[f32], k: usize, this: &mut Activations) {
        let (rows, blocks) = (this.rows, k / BLOCK);
        let mut magnitudes = vec![0.0; blocks];
        for (row, x) in x.chunks_exact(k).enumerate() {
            let x = x.as_chunks::<BLOCK>().0;
            for (magnitude, x) in magnitudes.iter_mut().zip(x) {
                *magnitude = largest(x);
            }
            let outlier = magnitudes.iter().sum::<f32>() / blocks as f32 * OUTLIER;
            for (block, (x, &magnitude)) in x.iter().zip(&magnitudes).enumerate() {
                let at = block * rows + row;
                (this.pairs[at], this.scales[at]) = quantize(x, magnitude);
                if magnitude > outlier {
                    let left = leftover(x, &this.pairs[at], this.scales[at].scale);
                    let (pairs, scale) = quantize(&left, largest(&left));
                    this.leftovers[block].push(Leftover { row, pairs, scale });
                }
            }
        }
    }
}

/// Largest magnitude of a block, NaN if one is. As integers magnitudes have the same order, and a NaN is the largest of them.
#[inline(always)]
fn largest(x: &[f32; BLOCK]) -> f32 {
    let mut largest = [0_i32; math::PARTS];
    for x in x.as_chunks::<{ math::PARTS }>().0 {
        for (largest, x) in largest.iter_mut().zip(x) {
            *largest = (*largest).max(x.abs().to_bits() as i32);
        }
    }
    let mut half = math::PARTS / 2;
    while half > 0 {
        for i in 0..half {
            largest[i] = largest[i].max(largest[half + i]);
        }
        half /= 2;
    }
    f32::from_bits(largest[0] as u32)
}

/// One block whose largest magnitude is known.
#[inline(always)]
fn quantize(x: &[f32; BLOCK], largest: f32) -> (Pairs, Quantized) {
    // Below this the inverse overflows; such a block is zero for every purpose. What is infinite or NaN stays so by its scale.
    let inverse = if largest > 1e-30 { MAX / largest } else { 0.0 };
    let mut values = [0; BLOCK];
    for (value, x) in values.iter_mut().zip(x) {
        *value = math::round(x * inverse).1;
    }
    let mut total = 0_i32;
    for value in values {
        total = total.wrapping_add(value); // only infinite activations wrap
    }
    let mut pairs = [0; BLOCK / 2];
    for (pair, two) in pairs.iter_mut().zip(values.as_chunks::<2>().0) {
        *pair = (two[0] & 0xffff) | (two[1] << 16);
    }
    let scale = largest / MAX;
    (
        pairs,
        Quantized {
            scale,
            total,
            sum: scale * total as f32,
        },
    )
}

/// `x` minus what its quantised form stands for.
#[inline(always)]
fn leftover(x: &[f32; BLOCK], pairs: &Pairs, scale: f32) -> [f32; BLOCK] {
    let mut left = *x;
    for (left, &pair) in left.chunks_exact_mut(2).zip(pairs) {
        left[0] -= f32::from(pair as i16) * scale;
        left[1] -= (pair >> 16) as f32 * scale;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[Pairs]) -> Vec<i32> {
        pairs
            .as_flattened()
            .iter()
            .flat_map(|p| [i32::from(*p as i16), p >> 16])
            .collect()
    }

    #[test]
    fn the_largest_magnitude_becomes_32767_and_the_error_is_half_a_unit() {
        let x: Vec<f32> = (0..BLOCK).map(|i| (i as f32 - 20.0) * 0.37).collect();
        let a = Activations::new(&x, BLOCK);
        let q = values(&a.pairs);
        assert_eq!(q[0], -32767);
        for (q, x) in q.iter().zip(&x) {
            assert!((*q as f32 * a.scales[0].scale - x).abs() <= 0.51 * a.scales[0].scale);
        }
        let sum: i32 = q.iter().sum();
        assert_eq!(a.scales[0].sum, a.scales[0].scale * sum as f32);
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        let a = Activations::new(&[0.0; 2 * BLOCK], BLOCK);
        assert!(values(&a.pairs).iter().all(|&q| q == 0));
        assert!(
            a.scales.iter().all(|s| s.scale == 0.0 && s.sum == 0.0) && a.leftovers[0].is_empty()
        );
    }

    #[test]
    fn blocks_of_all_rows_lie_together() {
        // Row 0: blocks of ones and twos, row 1: threes and fours.
        let x: Vec<f32> = [1.0, 2.0, 3.0, 4.0]
            .iter()
            .flat_map(|&v| [v; BLOCK])
            .collect();
        let a = Activations::new(&x, 2 * BLOCK);
        let units: Vec<f32> = a.scales.iter().map(|s| (s.scale * MAX).round()).collect();
        assert_eq!(units, [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn an_outlying_block_is_all_but_exact_with_its_leftover() {
        let mut x: Vec<f32> = (0..16 * BLOCK).map(|i| (i as f32 * 0.7).sin()).collect();
        x[5 * BLOCK + 3] = 1000.0;
        let a = Activations::new(&x, 16 * BLOCK);
        let counts: Vec<usize> = a.leftovers.iter().map(Vec::len).collect();
        assert_eq!((counts.iter().sum::<usize>(), counts[5]), (1, 1));
        let left = &a.leftovers[5][0];
        let (first, second) = (values(&a.pairs[5..6]), values(&[left.pairs]));
        for i in 0..BLOCK {
            let got = first[i] as f32 * a.scales[5].scale + second[i] as f32 * left.scale.scale;
            // Once alone would be off by up to 1000 / 32767 / 2 = 1.5e-2.
            assert!(
                (got - x[5 * BLOCK + i]).abs() < 1e-4,
                "{got} for {}",
                x[5 * BLOCK + i]
            );
        }
    }
}
