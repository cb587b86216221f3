//! Work of nothing, for browsers: they compile a function well once it has run for a while, and in the background, up to which
//! it runs several times slower. While a checkpoint is read there is time for that.

use std::hint::black_box;

use super::attention;
use super::cache::Cache;
use super::fresh::{MaybeUninit, written};
use super::matmul::Matrix;
use super::pack::Panels;
use super::{gate, norm, threads};
use crate::{Format, PLACES};

/// Rounds after which Chromium 156 has begun to compile every function here: about 20 ms.
const ROUNDS: usize = 24;

const WIDTH: usize = 512;
const HEAD_DIM: usize = 64;
const CACHE_PLACES: usize = 8 * PLACES;

/// Runs what takes the time of a batch, on zeros.
pub fn warm_up() {
    let words = Panels::new(Format::Q4_1, WIDTH, WIDTH).into_words();
    let weights = Matrix {
        words: &words,
        format: Format::Q4_1,
        n: WIDTH,
    };
    let blocks = vec![0.0; CACHE_PLACES * 2 * HEAD_DIM];
    let cache = Cache {
        blocks: &blocks,
        kv_width: HEAD_DIM,
        head_dim: HEAD_DIM,
        first_head: 0,
        heads: 1,
    };
    let seen = vec![(0..CACHE_PLACES as u32).collect(); 2];
    let (mut x, weight) = (vec![0.0; WIDTH], vec![0.0; WIDTH]);
    // SAFETY: each writes everything.
    let row = |write: &dyn Fn(&mut [MaybeUninit<f32>])| unsafe { written(WIDTH, write) };
    for _ in 0..ROUNDS {
        let normed = row(&|out| norm::rms_norm(&x, &weight, 1e-5, out));
        let product = row(&|out| threads::matmul(&normed, WIDTH, &weights, out));
        attention::rows(&product, cache, &seen, &mut x);
        let both = [product, normed].concat();
        // Or the compiler would leave it out.
        black_box(row(&|out| gate::swiglu(&both, WIDTH, out)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends() {
        super::warm_up();
    }
}
