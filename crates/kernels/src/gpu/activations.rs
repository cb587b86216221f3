//! Activations as numbers of 16 bits, in blocks of 32 that share a scale: a product of many rows reads half as many words of them, and
//! finds the norm applied.

use cubecl::prelude::*;

/// The largest number.
const LARGEST: f32 = 32_767.0;

/// A block whose largest value is not above it counts as zeros: the scale would be less than the smallest that every adapter keeps.
const SMALLEST: f32 = 1e-30;

/// Vectors of four activations in a block.
const FOURS: usize = 8;

/// Of `x [rows, k]`, times `norm [k]` where it is `normed`: the numbers, two to a word, the first in the low half, and of each block the
/// scale and the sum of squares of `x`. There are `blocks`, `row_blocks` of them in a row; a thread packs one.
#[cube(launch_unchecked)]
pub(super) fn pack(
    x: &[Vector<f32, Const<4>>],
    norm: &[Vector<f32, Const<4>>],
    numbers: &mut [Vector<u32, Const<2>>],
    sizes: &mut [Vector<f32, Const<2>>],
    blocks: u32,
    row_blocks: u32,
    #[comptime] normed: bool,
) {
    let block = ABSOLUTE_POS as u32;
    if block < blocks {
        let first = block as usize * FOURS;
        let mut values = Array::<Vector<f32, Const<4>>>::new(FOURS);
        let mut squares = 0f32;
        let mut largest = 0f32;
        let mut total = 0f32;
        #[unroll]
        for four in 0..FOURS {
            let mut value = x[first + four];
            squares += value.dot(value);
            if normed {
                value *= norm[(block % row_blocks) as usize * FOURS + four];
            }
            values[four] = value;
            #[unroll]
            for i in 0..4usize {
                let size = f32::abs(value.extract(i));
                largest = max(largest, size);
                total += size;
            }
        }
        let mut size = Vector::<f32, Const<2>>::empty();
        // The largest may hide a NaN or an infinity, the sum does not; as the scale it goes on into every product.
        size.insert(0usize, select(total <= f32::MAX, largest / LARGEST, total));
        size.insert(1usize, squares);
        sizes[block as usize] = size;
        let inverse = select(largest > SMALLEST, LARGEST / largest, 0f32);
        #[unroll]
        for four in 0..FOURS {
            let mut words = Vector::<u32, Const<2>>::empty();
            #[unroll]
            for i in 0..2usize {
                let low = number(values[four].extract(comptime![2 * i]) * inverse);
                let high = number(values[four].extract(comptime![2 * i + 1]) * inverse);
                words.insert(i, (low & 0xffff) | (high << 16));
            }
            numbers[first + four] = words;
        }
    }
}

/// The nearest whole number, in two's complement.
#[cube]
fn number(value: f32) -> u32 {
    u32::reinterpret(i32::cast_from(f32::round(value)))
}

/// Four activations of a block of this scale.
#[cube]
pub(super) fn unpack<X: Size>(words: Vector<u32, X>, scale: f32) -> Vector<f32, Const<4>> {
    let mut values = Vector::<f32, Const<4>>::empty();
    #[unroll]
    for i in 0..2usize {
        // The sign comes down with an arithmetic shift.
        let word = i32::reinterpret(words.extract(i));
        values.insert(comptime![2 * i], scale * f32::cast_from((word << 16) >> 16));
        values.insert(comptime![2 * i + 1], scale * f32::cast_from(word >> 16));
    }
    values
}
