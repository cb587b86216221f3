//! Causal grouped-query attention with an online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867).
//!
//! Many rows: a thread has some heads of rows to itself, and goes over the places alone, a few at a time. Few rows: a group of 64
//! threads has up to 512 places of a head of a row: each thread scores some places, then each adds the values up for its own
//! dimensions of the head. What groups found at more places is merged by another kernel. `head_dim` is a compile-time number.

use cubecl::prelude::*;

use super::rope::turn;

/// Threads a group.
pub(super) const UNITS: u32 = 64;
const LOG2_UNITS: u32 = 6;
/// Places a group of [`few`].
pub(super) const TILE: u32 = 512;
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

/// What one thread of [`many`] has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    /// Heads of rows, all of one key head.
    pub items: usize,
    /// Places that are scored before their values are added up.
    pub places: usize,
}

/// `out [rows, width]`; of key head `CUBE_POS_X`, item `i` is head `i % group` of row `i / group`. All threads go over the same places
/// at the same time, so that what they read of the cache is the same.
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
    #[comptime] hold: Hold,
) {
    let fours = comptime![head_dim / 4];
    let held = comptime![hold.items];
    let group = width / kv_width;
    let items = rows * group;
    let first = (CUBE_POS_Y * UNITS + UNIT_POS) * comptime![held as u32];
    let mut query = Array::<Vector<f32, Const<4>>>::new(comptime![held * fours]);
    let mut sums = Array::<Vector<f32, Const<4>>>::new(comptime![held * fours]);
    let mut row = Array::<u32>::new(held);
    let mut path = Array::<u32>::new(held);
    let mut largest = Array::<f32>::new(held);
    let mut total = Array::<f32>::new(held);
    #[unroll]
    for j in 0..held {
        // Beyond the last item threads compute it again and store nothing.
        let item = min(first + comptime![j as u32], items - 1);
        row[j] = item / group;
        path[j] = tree[(row[j] * 3 + 1) as usize];
        largest[j] = f32::cast_from(LOWEST);
        total[j] = 0f32;
        let position = tree[(row[j] * 3) as usize];
        let head = CUBE_POS_X * group + item % group;
        let at = row[j] * (width / 2 + kv_width) + head * comptime![head_dim as u32 / 2];
        #[unroll]
        for d in 0..fours {
            let mut four = Vector::<f32, Const<4>>::empty();
            #[unroll]
            for i in 0..2usize {
                let pair = comptime![(2 * d + i) as u32];
                let turned = turn(qkv[(at + pair) as usize], angles, position, pair, turned);
                four.insert(comptime![2 * i], turned.extract(0usize) * scale);
                four.insert(comptime![2 * i + 1], turned.extract(1usize) * scale);
            }
            query[comptime![j * fours + d]] = four;
            sums[comptime![j * fours + d]] = Vector::<f32, Const<4>>::cast_from(0f32);
        }
    }

    let beyond = min((CUBE_POS_Y + 1) * comptime![UNITS * held as u32], items);
    let places = base + (beyond - 1) / group + 1;
    let mut scores = Array::<f32>::new(comptime![held * hold.places]);
    let mut place = 0u32;
    while place < places {
        #[unroll]
        for p in 0..hold.places {
            let here = min(place + comptime![p as u32], places - 1);
            let at = (here * (kv_width / 2)) as usize + (CUBE_POS_X as usize) * fours;
            // One past the last row that continues the one in this place.
            let mut end = 0u32;
            if here >= base {
                end = tree[((here - base) * 3 + 2) as usize];
            }
            #[unroll]
            for j in 0..held {
                scores[comptime![j * hold.places + p]] = 0f32;
            }
            #[unroll]
            for d in 0..fours {
                let key = cache[at + d];
                #[unroll]
                for j in 0..held {
                    scores[comptime![j * hold.places + p]] +=
                        query[comptime![j * fours + d]].dot(key);
                }
            }
            #[unroll]
            for j in 0..held {
                let mut visible = here < path[j];
                if here >= base {
                    visible = here - base <= row[j] && end > row[j];
                }
                visible = visible && here == place + comptime![p as u32];
                let at = comptime![j * hold.places + p];
                scores[at] = select(visible, scores[at], f32::cast_from(LOWEST));
            }
        }
        #[unroll]
        for j in 0..held {
            let mut new_largest = largest[j];
            #[unroll]
            for p in 0..hold.places {
                new_largest = max(new_largest, scores[comptime![j * hold.places + p]]);
            }
            let shrink = f32::exp(largest[j] - new_largest);
            largest[j] = new_largest;
            total[j] *= shrink;
            let shrink = Vector::<f32, Const<4>>::cast_from(shrink);
            #[unroll]
            for d in 0..fours {
                sums[comptime![j * fours + d]] *= shrink;
            }
            #[unroll]
            for p in 0..hold.places {
                let at = comptime![j * hold.places + p];
                // Before the first place that is seen, what is not seen would weigh 1.
                let seen = scores[at] > f32::cast_from(LOWEST);
                scores[at] = select(seen, f32::exp(scores[at] - new_largest), 0f32);
                total[j] += scores[at];
            }
        }
        #[unroll]
        for p in 0..hold.places {
            let here = min(place + comptime![p as u32], places - 1);
            let at =
                (here * (kv_width / 2) + kv_width / 4) as usize + (CUBE_POS_X as usize) * fours;
            #[unroll]
            for d in 0..fours {
                let value = cache[at + d];
                #[unroll]
                for j in 0..held {
                    let weight =
                        Vector::<f32, Const<4>>::cast_from(scores[comptime![j * hold.places + p]]);
                    sums[comptime![j * fours + d]] += weight * value;
                }
            }
        }
        place += comptime![hold.places as u32];
    }
    #[unroll]
    for j in 0..held {
        let item = first + comptime![j as u32];
        if item < items {
            let head = CUBE_POS_X * group + item % group;
            let total = Vector::<f32, Const<4>>::cast_from(total[j]);
            let at = (row[j] * (width / 4)) as usize + (head as usize) * fours;
            #[unroll]
            for d in 0..fours {
                out[at + d] = sums[comptime![j * fours + d]] / total;
            }
        }
    }
}

/// A group has places `CUBE_POS_Z · TILE ..` of head `CUBE_POS_X` of row `CUBE_POS_Y`. Alone it gives `out [rows, width]`, otherwise its
/// part for [`merge`]: `[rows, heads, parts, head_dim + 4]`, the values' sum and behind it the largest score and the sum of weights.
#[cube(launch_unchecked)]
pub(super) fn few(
    qkv: &[Vector<f32, Const<2>>],
    cache: &[Vector<f32, Const<4>>],
    angles: &[f32],
    tree: &[u32],
    out: &mut [Vector<f32, Const<4>>],
    width: u32,
    kv_width: u32,
    base: u32,
    turned: u32,
    scale: f32,
    #[comptime] head_dim: usize,
    #[comptime] is_part: bool,
) {
    let fours = comptime![head_dim / 4];
    let head = CUBE_POS_X;
    let row = CUBE_POS_Y;
    let unit = UNIT_POS as usize;
    let position = tree[(row * 3) as usize];
    let path = tree[(row * 3 + 1) as usize];
    // Of the places on paths only this row's, then the batch's rows up to its own.
    let first = CUBE_POS_Z * TILE;
    let places = min(max(path + row + 1, first) - first, TILE);
    let row_fours = (kv_width / 2) as usize;
    // Query heads per key head: width / kv_width.
    let at_kv = ((head * kv_width / width) as usize) * fours;

    let mut query = Shared::<[Vector<f32, Const<4>>]>::new_slice(fours);
    let at_q = row * (width / 2 + kv_width) + head * comptime![head_dim as u32 / 2];
    let mut four = UNIT_POS;
    while four < comptime![fours as u32] {
        let mut turned_four = Vector::<f32, Const<4>>::empty();
        #[unroll]
        for i in 0..2usize {
            let pair = four * 2 + comptime![i as u32];
            let turned = turn(qkv[(at_q + pair) as usize], angles, position, pair, turned);
            turned_four.insert(comptime![2 * i], turned.extract(0usize) * scale);
            turned_four.insert(comptime![2 * i + 1], turned.extract(1usize) * scale);
        }
        query[four as usize] = turned_four;
        four += UNITS;
    }
    sync_cube();

    // A thread scores every 64th place.
    let mut weights = Shared::<[f32]>::new_slice(comptime![TILE as usize]);
    let mut folded = Shared::<[f32]>::new_slice(comptime![UNITS as usize]);
    let mut largest = f32::cast_from(LOWEST);
    let mut index = UNIT_POS;
    while index < places {
        let place = place_of(first + index, path, base);
        let mut score = f32::cast_from(LOWEST);
        if sees(tree, place, row, base) {
            let at = (place as usize) * row_fours + at_kv;
            let mut sum = 0f32;
            for d in 0..fours {
                sum += query[d].dot(cache[at + d]);
            }
            score = sum;
        }
        weights[index as usize] = score;
        largest = max(largest, score);
        index += UNITS;
    }
    folded[unit] = largest;
    sync_cube();
    #[unroll]
    for level in 0..LOG2_UNITS {
        let step = comptime![(UNITS >> (level + 1)) as usize];
        if UNIT_POS < comptime![step as u32] {
            folded[unit] = max(folded[unit], folded[unit + step]);
        }
        sync_cube();
    }
    let largest = folded[0];
    sync_cube();
    let mut total = 0f32;
    let mut index = UNIT_POS;
    while index < places {
        let score = weights[index as usize];
        // Where nothing is seen at all, everything would weigh 1.
        let weight = select(
            score > f32::cast_from(LOWEST),
            f32::exp(score - largest),
            0f32,
        );
        weights[index as usize] = weight;
        total += weight;
        index += UNITS;
    }
    folded[unit] = total;
    sync_cube();
    #[unroll]
    for level in 0..LOG2_UNITS {
        let step = comptime![(UNITS >> (level + 1)) as usize];
        if UNIT_POS < comptime![step as u32] {
            let other = folded[unit + step];
            folded[unit] += other;
        }
        sync_cube();
    }

    // Teams of threads that have a head's dimensions among them take turns at the places.
    let lanes = comptime![if fours < UNITS as usize {
        fours
    } else {
        UNITS as usize
    }];
    let teams = comptime![UNITS as usize / lanes];
    let held = comptime![fours.div_ceil(lanes)];
    let (lane, team) = (unit % lanes, unit / lanes);
    let mut sums = Array::<Vector<f32, Const<4>>>::new(held);
    #[unroll]
    for i in 0..held {
        sums[i] = Vector::<f32, Const<4>>::cast_from(0f32);
    }
    if team < teams {
        let mut index = team as u32;
        while index < places {
            let weight = Vector::<f32, Const<4>>::cast_from(weights[index as usize]);
            let place = place_of(first + index, path, base);
            let at = (place as usize) * row_fours + row_fours / 2 + at_kv;
            #[unroll]
            for i in 0..held {
                // The last lanes read what they have read before, and keep nothing of it.
                let d = min(lane + comptime![i * lanes], comptime![fours - 1]);
                sums[i] += weight * cache[at + d];
            }
            index += comptime![teams as u32];
        }
    }
    let mut parts = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime![UNITS as usize * held]);
    #[unroll]
    for i in 0..held {
        parts[unit + comptime![i * UNITS as usize]] = sums[i];
    }
    sync_cube();
    if team == 0 {
        let heads = (width / comptime![head_dim as u32]) as usize;
        let mut to = (row as usize * heads + head as usize) * fours;
        if comptime![is_part] {
            let part = (row as usize * heads + head as usize) * CUBE_COUNT_Z as usize;
            to = (part + CUBE_POS_Z as usize) * comptime![fours + 1];
        }
        let total = folded[0];
        #[unroll]
        for i in 0..held {
            let d = lane + comptime![i * lanes];
            if d < fours {
                let mut sum = Vector::<f32, Const<4>>::cast_from(0f32);
                #[unroll]
                for other in 0..teams {
                    sum += parts[unit + comptime![i * UNITS as usize + other * lanes]];
                }
                if comptime![!is_part] {
                    sum /= Vector::<f32, Const<4>>::cast_from(total);
                }
                out[to + d] = sum;
            }
        }
        if comptime![is_part] && unit == 0 {
            let mut end = Vector::<f32, Const<4>>::cast_from(0f32);
            end.insert(0usize, largest);
            end.insert(1usize, total);
            out[to + fours] = end;
        }
    }
}

/// The place of the `index`-th of a row's path and then of the batch's rows.
#[cube]
fn place_of(index: u32, path: u32, base: u32) -> u32 {
    select(index < path, index, base + index - path)
}

/// `out [rows, width]` of [`few`]'s parts. A thread has four dimensions of a head, `fours` in all.
#[cube(launch_unchecked)]
pub(super) fn merge(
    parts: &[Vector<f32, Const<4>>],
    out: &mut [Vector<f32, Const<4>>],
    count: u32,
    fours: u32,
    parts_per_head: u32,
) {
    let i = ABSOLUTE_POS as u32;
    if i < count {
        let (head, four, stride) = (i / fours, i % fours, fours + 1);
        let first = head * parts_per_head * stride;
        let mut largest = f32::cast_from(LOWEST);
        for part in 0..parts_per_head {
            let end = parts[(first + part * stride + fours) as usize];
            largest = max(largest, end.extract(0usize));
        }
        let mut sum = Vector::<f32, Const<4>>::cast_from(0f32);
        let mut total = 0f32;
        for part in 0..parts_per_head {
            let at = first + part * stride;
            let end = parts[(at + fours) as usize];
            let weight = f32::exp(end.extract(0usize) - largest);
            total += weight * end.extract(1usize);
            sum += Vector::<f32, Const<4>>::cast_from(weight) * parts[(at + four) as usize];
        }
        out[i as usize] = sum / Vector::<f32, Const<4>>::cast_from(total);
    }
}
