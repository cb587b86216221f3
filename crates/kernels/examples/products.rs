//! A wasm module with products of the CPU lane alone, and the most that its inner instructions allow: what `cargo xtask bench`
//! measures beside another engine's kernel. Natively there is nothing here; `cargo bench` measures there.
#![cfg(target_family = "wasm")]

#[path = "../benches/product/mod.rs"]
mod product;

use std::arch::wasm32::*;
use std::array::from_fn;
use std::hint::black_box;

use jeoul_kernels::Format;
use wasm_bindgen::prelude::wasm_bindgen;

/// A product with 4-bit weights.
#[wasm_bindgen]
pub struct Product(product::Product);

#[wasm_bindgen]
impl Product {
    /// `x [rows, k]`, `weight [n, k]`.
    #[wasm_bindgen(constructor)]
    pub fn new(rows: usize, k: usize, n: usize) -> Self {
        Self(product::Product::new(Format::Q4_1, rows, k, n))
    }

    /// Computes it once.
    pub fn run(&self) {
        black_box(self.0.run());
    }
}

/// Words of activations in the peak-finding loop. They are loaded, as the product does, which costs no arithmetic.
const WORDS: usize = 512;

/// Rounds of `i32x4.dot_i16x8_s` and `i32x4.add` with weights and 8 sums in registers; gives their multiply-adds (MAC).
#[wasm_bindgen]
pub fn peak(rounds: usize) -> usize {
    let words: [i32; WORDS] = black_box(from_fn(|i| i as i32));
    let weights: [v128; 4] = black_box(from_fn(|i| i32x4_splat(i as i32)));
    let mut sums = [[i32x4_splat(0); 4]; 2];
    for _ in 0..rounds {
        for rows in words.as_chunks::<2>().0 {
            for (sums, &word) in sums.iter_mut().zip(rows) {
                let x = i32x4_splat(word);
                for (sum, &weights) in sums.iter_mut().zip(&weights) {
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(x, weights));
                }
            }
        }
    }
    black_box(sums);
    rounds * WORDS * 4 * 8
}
