//! Activations as 16-bit integers, one scale per block of 32.
//!
//! In wasm 8-bit integers are widened to 16 before they are multiplied, so 16 bits cost the same and err 250 times less.

use wide::f32x4;

use crate::BLOCK;

/// Largest quantised activation.
const MAX: f32 = 32767.0;

/// Rows of activations, quantised. Block-major, so that one block of all rows is one stretch of memory.
pub(super) struct Activations {
    /// Number of rows.
    pub(super) rows: usize,
    /// Blocks per row.
    pub(super) blocks: usize,
    /// `[blocks, rows, 16]`: pairs of 16-bit values, the even one in the low half.
    pub(super) pairs: Vec<i32>,
    /// `[blocks, rows]`: what one unit stands for.
    pub(super) scales: Vec<f32>,
    /// `[blocks, rows]`: scale times the sum of the values; multiplies a weight block's minimum.
    pub(super) sums: Vec<f32>,
}

impl Activations {
    /// Quantises `x [rows, k]`: scale = largest magnitude / 32767, ties round to even.
    pub(super) fn new(x: &[f32], k: usize) -> Self {
        let (rows, blocks) = (x.len() / k, k / BLOCK);
        let mut this = Self {
            rows,
            blocks,
            pairs: vec![0; rows * k / 2],
            scales: vec![0.0; rows * blocks],
            sums: vec![0.0; rows * blocks],
        };
        for (row, x) in x.chunks_exact(k).enumerate() {
            for (block, x) in x.chunks_exact(BLOCK).enumerate() {
                let at = block * rows + row;
                let pairs = &mut this.pairs[at * BLOCK / 2..][..BLOCK / 2];
                (this.scales[at], this.sums[at]) = quantize_block(x, pairs);
            }
        }
        this
    }
}

/// One block: writes the pairs, gives scale and scaled sum.
fn quantize_block(x: &[f32], pairs: &mut [i32]) -> (f32, f32) {
    let mut largest = f32x4::splat(0.0);
    for x in x.as_chunks().0 {
        largest = largest.fast_max(f32x4::new(*x).abs());
    }
    let largest = largest.to_array().into_iter().fold(0.0, f32::max);
    // Below this the inverse overflows; such a block is zero for every purpose.
    let inverse = if largest > 1e-30 { MAX / largest } else { 0.0 };
    let mut sum = 0;
    for (pairs, x) in pairs.chunks_exact_mut(2).zip(x.as_chunks().0) {
        let [a, b, c, d] = (f32x4::new(*x) * f32x4::splat(inverse)).round_int().to_array();
        pairs[0] = pair(a, b);
        pairs[1] = pair(c, d);
        sum += a + b + c + d;
    }
    let scale = largest / MAX;
    (scale, scale * sum as f32)
}

/// Two 16-bit values in one word; both are within ±32767, or the pair wraps (only infinite activations get there).
const fn pair(even: i32, odd: i32) -> i32 {
    (even & 0xffff) | (odd << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[i32]) -> Vec<i32> {
        pairs.iter().flat_map(|p| [i32::from(*p as i16), p >> 16]).collect()
    }

    #[test]
    fn the_largest_magnitude_becomes_32767_and_the_error_is_half_a_unit() {
        let x: Vec<f32> = (0..BLOCK).map(|i| (i as f32 - 20.0) * 0.37).collect();
        let a = Activations::new(&x, BLOCK);
        let q = values(&a.pairs);
        assert_eq!(q[0], -32767);
        for (q, x) in q.iter().zip(&x) {
            assert!((*q as f32 * a.scales[0] - x).abs() <= 0.51 * a.scales[0]);
        }
        let sum: i32 = q.iter().sum();
        assert_eq!(a.sums[0], a.scales[0] * sum as f32);
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        let a = Activations::new(&[0.0; 2 * BLOCK], BLOCK);
        assert!(a.pairs.iter().all(|&p| p == 0) && a.scales == [0.0, 0.0] && a.sums == [0.0, 0.0]);
    }

    #[test]
    fn blocks_of_all_rows_lie_together() {
        // Row 0: blocks of ones and twos, row 1: threes and fours.
        let x: Vec<f32> = [1.0, 2.0, 3.0, 4.0].iter().flat_map(|&v| [v; BLOCK]).collect();
        let a = Activations::new(&x, 2 * BLOCK);
        let units: Vec<f32> = a.scales.iter().map(|s| (s * MAX).round()).collect();
        assert_eq!(units, [1.0, 3.0, 2.0, 4.0]);
    }
}
