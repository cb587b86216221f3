//! Activations times a quantised matrix, with the norm before it and what is made of the product.
//!
//! A thread adds up some columns of some rows: it unpacks a block of weights once and multiplies it with every row. `share` threads
//! take turns at the blocks of the same columns and fold their sums in shared memory; alone they need no barrier. What a thread has
//! in hand is [`Tile`], a compile-time choice per kind of adapter.

use cubecl::prelude::*;

use super::activations::unpack;

/// What one group of threads computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Rows a thread.
    pub rows: usize,
    /// Columns a thread; even.
    pub columns: usize,
    /// Threads that share their columns; a power of two.
    pub share: u32,
    /// Threads a group; a multiple of `share`.
    pub units: u32,
}

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// It is the result.
    Store,
    /// Half of the columns gate the others.
    Gate,
    /// It is added to what is there.
    Add,
}

/// Words of 32 bits that hold the quants of a block of 32 weights, in vectors of four.
pub(super) const fn vectors(bits: u32) -> u32 {
    bits / 4
}

/// Four weights out of words that a thread has in hand, of which the first is `first`; `at` counts the weights in fours from there.
#[cube]
pub(super) fn four_weights(
    words: &Array<u32>,
    #[comptime] first: usize,
    #[comptime] at: usize,
    scale: f32,
    minimum: f32,
    #[comptime] bits: u32,
) -> Vector<f32, Const<4>> {
    let mut weights = Vector::<f32, Const<4>>::empty();
    #[unroll]
    for i in 0..4usize {
        if comptime![bits == 4] {
            let shift = comptime![(16 * (at % 2) + 4 * i) as u32];
            let quant = (words[comptime![first + at / 2]] >> shift) & 15;
            weights.insert(i, scale * f32::cast_from(quant) + minimum);
        } else if comptime![bits == 8] {
            let shift = comptime![8 * i as u32];
            // Sign by arithmetic: (q xor 128) - 128 of the unsigned byte.
            let byte = ((words[comptime![first + at]] >> shift) & 255) ^ 128;
            weights.insert(i, scale * (f32::cast_from(byte) - 128.0));
        } else {
            weights.insert(i, f32::reinterpret(words[comptime![first + 4 * at + i]]));
        }
    }
    weights
}

/// Scale and minimum of block `at`, `[1, 0]` where the format has none.
#[cube]
pub(super) fn block_scale<S: Size>(
    scales: &[Vector<f32, S>],
    at: usize,
    #[comptime] bits: u32,
) -> Vector<f32, Const<2>> {
    let mut of = Vector::<f32, Const<2>>::empty();
    of.insert(0usize, 1f32);
    of.insert(1usize, 0f32);
    if comptime![bits < 32] {
        let stored = scales[at];
        of.insert(0usize, stored.extract(0usize));
        if comptime![bits == 4] {
            of.insert(1usize, stored.extract(1usize));
        }
    }
    of
}

/// `out [m, n] = norm(x [m, k]) · Wᵀ`, or without a norm; of a gated product `out` has half as many columns as `W` has rows. Beside what a
/// row is made of stand the norm's weights or, of rows that [`super::activations::pack`] has `packed`, the blocks' scales and sums of
/// squares; where there is neither, it is not read.
#[cube(launch_unchecked)]
pub(super) fn product<S: Size, A: Size>(
    x: &[Vector<u32, A>],
    beside: &[Vector<f32, A>],
    quants: &[Vector<u32, Const<4>>],
    scales: &[Vector<f32, S>],
    out: &mut [f32],
    m: u32,
    n: u32,
    k: u32,
    epsilon: f32,
    #[comptime] tile: Tile,
    #[comptime] end: End,
    #[comptime] normed: bool,
    #[comptime] packed: bool,
    #[comptime] bits: u32,
) {
    let (rows, columns) = comptime![(tile.rows, tile.columns)];
    let turn = UNIT_POS % tile.share;
    let set = (CUBE_POS_X + CUBE_POS_Y * CUBE_COUNT_X) * comptime![tile.units / tile.share]
        + UNIT_POS / tile.share;
    let first_row = CUBE_POS_Z * comptime![rows as u32];
    let blocks = k / 32;
    // A gate and what it gates are half a matrix apart.
    let gated = comptime![end == End::Gate];
    let together = comptime![if gated { columns / 2 } else { columns }];
    let half = n / 2;
    let first_column = set * comptime![together as u32];

    let mut sums = Array::<f32>::new(comptime![rows * columns]);
    let mut squares = Array::<f32>::new(rows);
    let mut sizes = Array::<f32>::new(rows);
    let mut from = Array::<u32>::new(rows);
    #[unroll]
    for i in 0..comptime![rows * columns] {
        sums[i] = 0f32;
    }
    #[unroll]
    for r in 0..rows {
        squares[r] = 0f32;
        from[r] = min(first_row + comptime![r as u32], m - 1) * blocks;
    }
    let mut at = Array::<u32>::new(columns);
    #[unroll]
    for c in 0..columns {
        let column = first_column
            + comptime![(c % together) as u32]
            + comptime![(c / together) as u32] * half;
        // Beyond the last column threads compute it again and store nothing: barriers need everybody.
        at[c] = min(column, n - 1) * blocks;
    }

    // Quants come four words at a time, since loads are dear on every adapter, and are worked off one word after the other.
    let vectors = comptime![vectors(bits)];
    let steps = comptime![if bits == 32 { 1u32 } else { 4 }];
    let fours = comptime![8 / vectors / steps];
    let unrolled = comptime![fours as usize];
    let mut words = Array::<u32>::new(comptime![4 * columns]);
    let mut scale = Array::<f32>::new(columns);
    let mut minimum = Array::<f32>::new(columns);
    let mut block = turn;
    while block < blocks {
        #[unroll]
        for c in 0..columns {
            let of = block_scale::<S>(scales, (at[c] + block) as usize, bits);
            scale[c] = of.extract(0usize);
            minimum[c] = of.extract(1usize);
        }
        if packed {
            #[unroll]
            for r in 0..rows {
                let of = beside[(from[r] + block) as usize];
                sizes[r] = of.extract(0usize);
                squares[r] += of.extract(1usize);
            }
        }
        for vector in 0..vectors {
            #[unroll]
            for c in 0..columns {
                let quants = quants[((at[c] + block) * vectors + vector) as usize];
                #[unroll]
                for i in 0..4usize {
                    words[comptime![4 * c + i]] = quants.extract(i);
                }
            }
            for step in 0..steps {
                #[unroll]
                for four in 0..unrolled {
                    let place =
                        block * 8 + (vector * steps + step) * fours + comptime![four as u32];
                    let mut values = Array::<Vector<f32, Const<4>>>::new(rows);
                    #[unroll]
                    for r in 0..rows {
                        let stored = x[(from[r] * 8 + place) as usize];
                        if packed {
                            values[r] = unpack::<A>(stored, sizes[r]);
                        } else {
                            let mut value = Vector::<f32, Const<4>>::empty();
                            #[unroll]
                            for i in 0..4usize {
                                value.insert(i, f32::reinterpret(stored.extract(i)));
                            }
                            if normed {
                                squares[r] += value.dot(value);
                                let norm = beside[place as usize];
                                #[unroll]
                                for i in 0..4usize {
                                    value.insert(i, value.extract(i) * norm.extract(i));
                                }
                            }
                            values[r] = value;
                        }
                    }
                    #[unroll]
                    for c in 0..columns {
                        let weights = four_weights(
                            &words,
                            comptime![4 * c],
                            four,
                            scale[c],
                            minimum[c],
                            bits,
                        );
                        #[unroll]
                        for r in 0..rows {
                            sums[comptime![r * columns + c]] += values[r].dot(weights);
                        }
                    }
                }
                // The next word of each column moves to the front.
                #[unroll]
                for i in 0..comptime![4 * columns - 1] {
                    words[i] = words[comptime![i + 1]];
                }
            }
        }
        block += tile.share;
    }

    if comptime![tile.share > 1] {
        let kept = comptime![rows * columns + if normed { rows } else { 0 }];
        let mut shared = Shared::<[f32]>::new_slice(comptime![tile.units as usize * kept]);
        let unit = UNIT_POS as usize;
        #[unroll]
        for i in 0..comptime![rows * columns] {
            shared[unit + comptime![i * tile.units as usize]] = sums[i];
        }
        if normed {
            #[unroll]
            for r in 0..rows {
                shared[unit + comptime![(rows * columns + r) * tile.units as usize]] = squares[r];
            }
        }
        sync_cube();
        #[unroll]
        for level in 0..comptime![tile.share.ilog2()] {
            let step = comptime![tile.share >> (level + 1)];
            if turn < step {
                #[unroll]
                for i in 0..kept {
                    let at = unit + comptime![i * tile.units as usize];
                    let other = shared[at + comptime![step as usize]];
                    shared[at] += other;
                }
            }
            sync_cube();
        }
        #[unroll]
        for i in 0..comptime![rows * columns] {
            sums[i] = shared[unit + comptime![i * tile.units as usize]];
        }
        if normed {
            #[unroll]
            for r in 0..rows {
                squares[r] = shared[unit + comptime![(rows * columns + r) * tile.units as usize]];
            }
        }
    }

    if turn == 0 {
        #[unroll]
        for r in 0..rows {
            let row = first_row + comptime![r as u32];
            let mut factor = 1f32;
            if normed {
                factor = 1f32 / f32::sqrt(squares[r] / f32::cast_from(k) + epsilon);
            }
            let mut width = n;
            if gated {
                width = half;
            }
            #[unroll]
            for c in 0..together {
                let column = first_column + comptime![c as u32];
                if row < m && column < width {
                    let to = (row * width + column) as usize;
                    let value = sums[comptime![r * columns + c]] * factor;
                    if gated {
                        let up = sums[comptime![r * columns + together + c]] * factor;
                        out[to] = value / (1f32 + f32::exp(-value)) * up;
                    } else if comptime![end == End::Add] {
                        out[to] += value;
                    } else {
                        out[to] = value;
                    }
                }
            }
        }
    }
}
