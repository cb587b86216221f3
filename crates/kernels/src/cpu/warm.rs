//! Work of nothing, for browsers: they compile a function well once it has run for a while, and in the background, up to which
//! it runs several times slower. While a checkpoint is read there is time for that.

use std::hint::black_box;

use super::attention;
use super::cache::Cache;
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
    let zeros = vec![0.0; WIDTH];
    let [mut x, mut normed, mut out] = [zeros.clone(), zeros.clone(), zeros];
    for _ in 0..ROUNDS {
        norm::rms_norm(&x, &out, 1e-5, &mut normed);
        threads::matmul(&normed, WIDTH, &weights, &mut out);
        attention::rows(&out, cache, &seen, &mut x);
        gate::swiglu(&out, WIDTH / 2, &mut x[..WIDTH / 2]);
    }
    // Or the compiler would leave it out.
    black_box(x);
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends() {
        super::warm_up();
    }
}
