//! Rotary embedding, and writing into a cache. One thread a pair, one thread a value.

use cubecl::prelude::*;

/// Turns two neighbours `(a, b)` of a head, dimensions `2 · pair` and `2 · pair + 1`; the first `turned` pairs of a head turn.
#[cube]
pub(super) fn turn(
    pair: Vector<f32, Const<2>>,
    angles: &[f32],
    position: u32,
    index: u32,
    turned: u32,
) -> Vector<f32, Const<2>> {
    let mut out = pair;
    if index < turned {
        let at = (position * turned * 2 + index) as usize;
        let cos = angles[at];
        let sin = angles[at + turned as usize];
        let a = pair.extract(0usize);
        let b = pair.extract(1usize);
        out.insert(0usize, a * cos - b * sin);
        out.insert(1usize, a * sin + b * cos);
    }
    out
}

/// Keys and values of `qkv` into `cache`, places of `row_pairs`, from place `base` on; the first half of a place are keys.
#[cube(launch_unchecked)]
pub(super) fn write_kernel(
    cache: &mut [Vector<f32, Const<2>>],
    qkv: &[Vector<f32, Const<2>>],
    angles: &[f32],
    tree: &[u32],
    count: u32,
    base: u32,
    row_pairs: u32,
    qkv_pairs: u32,
    head_pairs: u32,
    turned: u32,
) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        let row = i / row_pairs;
        let column = i % row_pairs;
        let mut pair = qkv[(row * qkv_pairs + qkv_pairs - row_pairs + column) as usize];
        if column < row_pairs / 2 {
            let position = tree[(row * 3) as usize];
            pair = turn(pair, angles, position, column % head_pairs, turned);
        }
        cache[(base * row_pairs + i) as usize] = pair;
    }
}

/// Copies `count` values to `cache` from `offset` on.
#[cube(launch_unchecked)]
pub(super) fn copy_kernel(cache: &mut [f32], rows: &[f32], offset: u32, count: u32) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        cache[(offset + i) as usize] = rows[i as usize];
    }
}
