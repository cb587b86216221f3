//! Causal grouped-query attention with an online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867).
//!
//! Many rows: a thread has a head of a row to itself, and goes over the places alone. Few rows: a group of 64 threads shares a head
//! of a row. Places come in tiles of 64: each thread scores one place, then each adds the tile's values up for its own dimensions
//! of the head. `head_dim` is a compile-time number.

use cubecl::prelude::*;

use super::rope::turn;

/// Threads a group, places a tile.
pub(super) const UNITS: u32 = 64;
/// Below every score; finite, so that no NaN can arise from subtracting it from itself.
const LOWEST: f32 = -3.0e38;

/// Whether `row` sees `place`: on its path, or of a row of the batch that it continues.
#[cube]
fn sees(tree: &[u32], place: u32, row: u32, base: u32) -> bool {
    let mut visible = place < tree[(row * 3 + 1) as usize];
    if place >= base {
        let other = place - base;
        visible = other <= row && tree[(other * 3 + 2) as usize] > row;
    }
    visible
}

/// `out [rows, width]`; thread `item` of key head `CUBE_POS_X` has head `item % group` of row `item / group`.
#[cube(launch_unchecked)]
pub(super) fn many(
    qkv: &[Vector<f32, Const<2>>],
    cache: &[Vector<f32, Const<4>>],
    angles: &[f32],
    tree: &[u32],
    out: &mut [Vector<f32, Const<4>>],
    rows: u32,
    width: u32,
    kv_width: u32,
    base: u32,
    turned: u32,
    scale: f32,
    #[comptime] head_dim: usize,
) {
    let fours = comptime![head_dim / 4];
    let group = width / kv_width;
    let item = CUBE_POS_Y * UNITS + UNIT_POS;
    let row = item / group;
    if row < rows {
        let head = CUBE_POS_X * group + item % group;
        let position = tree[(row * 3) as usize];
        let path = tree[(row * 3 + 1) as usize];
        let at_q = row * (width / 2 + kv_width) + head * comptime![head_dim as u32 / 2];
        let mut query = Array::<Vector<f32, Const<4>>>::new(fours);
        let mut sums = Array::<Vector<f32, Const<4>>>::new(fours);
        #[unroll]
        for d in 0..fours {
            let mut four = Vector::<f32, Const<4>>::empty();
            #[unroll]
            for i in 0..2usize {
                let pair = comptime![(2 * d + i) as u32];
                let turned = turn(qkv[(at_q + pair) as usize], angles, position, pair, turned);
                four.insert(comptime![2 * i], turned.extract(0usize) * scale);
                four.insert(comptime![2 * i + 1], turned.extract(1usize) * scale);
            }
            query[d] = four;
            sums[d] = Vector::<f32, Const<4>>::cast_from(0f32);
        }
        let mut largest = f32::cast_from(LOWEST);
        let mut total = 0f32;
        let mut place = 0u32;
        while place < base + row + 1 {
            if place == path {
                // What is on others' paths alone.
                place = base;
            }
            if sees(tree, place, row, base) {
                let at = (place * (kv_width / 2)) as usize + (CUBE_POS_X as usize) * fours;
                let mut score = 0f32;
                #[unroll]
                for d in 0..fours {
                    score += query[d].dot(cache[at + d]);
                }
                if score > largest {
                    let shrink = f32::exp(largest - score);
                    largest = score;
                    total *= shrink;
                    let shrink = Vector::<f32, Const<4>>::cast_from(shrink);
                    #[unroll]
                    for d in 0..fours {
                        sums[d] *= shrink;
                    }
                }
                let weight = f32::exp(score - largest);
                total += weight;
                let weight = Vector::<f32, Const<4>>::cast_from(weight);
                let at = at + (kv_width / 4) as usize;
                #[unroll]
                for d in 0..fours {
                    sums[d] += weight * cache[at + d];
                }
            }
            place += 1;
        }
        let total = Vector::<f32, Const<4>>::cast_from(total);
        let at = (row * (width / 4)) as usize + (head as usize) * fours;
        #[unroll]
        for d in 0..fours {
            out[at + d] = sums[d] / total;
        }
    }
}

/// `out [rows, width]`; a group has head `CUBE_POS_X` of row `CUBE_POS_Y`.
#[cube(launch_unchecked)]
pub(super) fn few(
    qkv: &[Vector<f32, Const<2>>],
    cache: &[f32],
    angles: &[f32],
    tree: &[u32],
    out: &mut [f32],
    width: u32,
    kv_width: u32,
    base: u32,
    turned: u32,
    scale: f32,
    #[comptime] head_dim: usize,
) {
    let units = comptime![UNITS as usize];
    let dims_per_unit = comptime![head_dim.div_ceil(UNITS as usize)];
    let head = CUBE_POS_X;
    let row = CUBE_POS_Y;
    let unit = UNIT_POS as usize;
    let position = tree[(row * 3) as usize];
    let path = tree[(row * 3 + 1) as usize];
    // Of the places on paths only this row's, then the batch's rows up to its own.
    let places = path + row + 1;
    // Query heads per key head: width / kv_width.
    let at_kv = ((head * kv_width / width) as usize) * head_dim;

    let mut query = Shared::<[f32]>::new_slice(head_dim);
    let at_q = row * (width / 2 + kv_width) + head * comptime![head_dim as u32 / 2];
    let mut pair = UNIT_POS;
    while pair < comptime![head_dim as u32 / 2] {
        let turned = turn(qkv[(at_q + pair) as usize], angles, position, pair, turned);
        query[(2 * pair) as usize] = turned.extract(0usize) * scale;
        query[(2 * pair + 1) as usize] = turned.extract(1usize) * scale;
        pair += UNITS;
    }
    let mut scores = Shared::<[f32]>::new_slice(units);
    let mut weights = Shared::<[f32]>::new_slice(units);
    let mut sums = Array::<f32>::new(dims_per_unit);
    #[unroll]
    for i in 0..dims_per_unit {
        sums[i] = 0f32;
    }
    let mut largest = f32::cast_from(LOWEST);
    let mut total = 0f32;
    sync_cube();

    let mut tile = 0u32;
    while tile < places {
        let index = tile + UNIT_POS;
        let place = select(index < path, index, base + index - path);
        let mut score = f32::cast_from(LOWEST);
        let visible = index < places && sees(tree, place, row, base);
        if visible {
            let at = (place * 2 * kv_width) as usize + at_kv;
            let mut sum = 0f32;
            for d in 0..head_dim {
                sum += query[d] * cache[at + d];
            }
            score = sum;
        }
        scores[unit] = score;
        sync_cube();
        let here = min(places - tile, UNITS);
        let mut new_largest = largest;
        for j in 0..here {
            new_largest = max(new_largest, scores[j as usize]);
        }
        let shrink = f32::exp(largest - new_largest);
        largest = new_largest;
        let mut weight = 0f32;
        if visible {
            weight = f32::exp(score - new_largest);
        }
        weights[unit] = weight;
        sync_cube();
        total *= shrink;
        for j in 0..here {
            total += weights[j as usize];
        }
        #[unroll]
        for i in 0..dims_per_unit {
            let d = unit + comptime![i * UNITS as usize];
            if d < head_dim {
                let mut sum = sums[i] * shrink;
                for j in 0..here {
                    let index = tile + j;
                    let place = select(index < path, index, base + index - path);
                    let at = (place * 2 * kv_width + kv_width) as usize + at_kv;
                    sum += weights[j as usize] * cache[at + d];
                }
                sums[i] = sum;
            }
        }
        // The next tile overwrites what this one still reads.
        sync_cube();
        tile += UNITS;
    }
    let at = (row * width) as usize + (head as usize) * head_dim;
    #[unroll]
    for i in 0..dims_per_unit {
        let d = unit + comptime![i * UNITS as usize];
        if d < head_dim {
            out[at + d] = sums[i] / total;
        }
    }
}
