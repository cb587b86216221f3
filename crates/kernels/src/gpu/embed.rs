//! Rows of the embedding table; one thread writes four values.

use cubecl::prelude::*;

use super::matmul::{block_scale, four_weights};

/// `out [rows, k]`, as `fours` vectors in all.
#[cube(launch_unchecked)]
pub(super) fn kernel<S: Size>(
    tokens: &[u32],
    quants: &[u32],
    scales: &[Vector<f32, S>],
    out: &mut [Vector<f32, Const<4>>],
    fours: u32,
    k: u32,
    #[comptime] bits: u32,
) {
    let i = ABSOLUTE_POS as u32;
    if i < fours {
        let token = tokens[(i / (k / 4)) as usize];
        let four = i % (k / 4);
        let scale = block_scale::<S>(scales, (token * (k / 32) + four / 8) as usize, bits);
        let at = token * (k / 4) + four;
        let mut words = Array::<u32>::new(4usize);
        if comptime![bits == 4] {
            // Two fours share a word.
            words[0usize] = quants[(at / 2) as usize] >> (at % 2 * 16);
        } else if comptime![bits == 8] {
            words[0usize] = quants[at as usize];
        } else {
            #[unroll]
            for word in 0..4usize {
                words[word] = quants[(at * 4) as usize + word];
            }
        }
        let (scale, minimum) = (scale.extract(0usize), scale.extract(1usize));
        out[i as usize] = four_weights(&words, 0usize, 0usize, scale, minimum, bits);
    }
}
