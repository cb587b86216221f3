//! Grouped-query attention over the cache, for rows that each see a path of it.
//!
//! A tile of rows goes over the blocks of the cache twice: for scores, whose lanes are places, and for the weighted sums of
//! values. Every number comes out in one order: a score is summed over the head in ascending dimension, an output over the places
//! in their order, so that neither tile nor batch changes a bit.

use std::ops::Range;

use super::cache::Cache;
use super::isa::Isa;
use super::math;
use super::pack::PANEL;
use super::widest::widest;
use crate::PLACES;

/// Rows that share what is read of the cache.
pub(super) const ROWS: usize = 16;
/// Rows that are few.
const FEW: usize = 2;

// A vector of columns holds a block's places.
const _: () = assert!(PLACES == PANEL);

widest! {
    /// `q [rows, heads · head_dim]`, the query heads that read the cache's; row `i` sees the places `seen[i]` of the cache, in
    /// this order, which ascends. Writes `out`, shaped like `q`.
    pub(super) fn rows(isa; q: &[f32], cache: Cache<'_>, seen: &[Vec<u32>], out: &mut [f32]) {
        let width = q.len() / seen.len();
        let mut work = Work::default();
        let tiles = q.chunks(ROWS * width).zip(out.chunks_mut(ROWS * width));
        for ((q, out), seen) in tiles.zip(seen.chunks(ROWS)) {
            visit(seen, &mut work.visits);
            // Few rows wait for memory, and get it faster in its order, all heads of a block together; of many rows the scores of one
            // head fill the first cache.
            let together = if seen.len() <= FEW { cache.heads } else { 1 };
            for first in (0..cache.heads).step_by(together) {
                let tile = Tile {
                    cache,
                    group: width / (cache.heads * cache.head_dim),
                    kv_heads: first..first + together,
                    seen,
                    most: most(seen),
                };
                tile.score(isa, q, &mut work);
                tile.sum(isa, &mut work, out);
            }
        }
    }
}

/// Memory that tiles use one after the other.
#[derive(Default)]
struct Work {
    /// `[rows, key heads, group]` of as many scores as the row with the most has.
    scores: Vec<f32>,
    /// `[rows, key heads, group]`.
    totals: Vec<f32>,
    /// In the order in which the cache is read.
    visits: Vec<Visit>,
}

/// A row at a block of the cache.
struct Visit {
    row: usize,
    /// The first place of the block.
    first: u32,
    /// Which of the row's places stand in it.
    places: Range<usize>,
}

/// Every row at every block that it sees something of, block by block.
fn visit(seen: &[Vec<u32>], visits: &mut Vec<Visit>) {
    visits.clear();
    let mut done = [0; ROWS];
    // The next place that some row still waits for.
    let next = |done: &[usize; ROWS]| {
        let places = seen
            .iter()
            .zip(done)
            .filter_map(|(seen, &done)| seen.get(done));
        places.min().copied()
    };
    while let Some(next) = next(&done) {
        let first = next / PLACES as u32 * PLACES as u32;
        for (row, (seen, done)) in seen.iter().zip(&mut done).enumerate() {
            let places = *done..reach(seen, *done, first);
            *done = places.end;
            if !places.is_empty() {
                visits.push(Visit { row, first, places });
            }
        }
    }
}

/// The query heads of some key heads, for up to [`ROWS`] rows.
struct Tile<'a> {
    cache: Cache<'a>,
    /// Query heads that read one key head.
    group: usize,
    kv_heads: Range<usize>,
    seen: &'a [Vec<u32>],
    /// From one head's scores to the next one's.
    most: usize,
}

/// The most places that a row sees.
#[inline(always)]
fn most(seen: &[Vec<u32>]) -> usize {
    let mut most = 0;
    for seen in seen {
        most = if seen.len() > most { seen.len() } else { most };
    }
    most
}

impl Tile<'_> {
    /// Query heads of the tile in one row.
    #[inline(always)]
    fn heads(&self) -> usize {
        self.kv_heads.len() * self.group
    }

    /// Scaled scores of all places that rows see.
    #[inline(always)]
    fn score<I: Isa>(&self, isa: I, q: &[f32], work: &mut Work) {
        let (head_dim, most) = (self.cache.head_dim, self.most);
        let (width, heads) = (q.len() / self.seen.len(), self.heads());
        work.scores.clear();
        work.scores.resize(self.seen.len() * heads * most, 0.0);
        let step = if I::ROWS < 4 { I::ROWS } else { 4 };
        for Visit { row, first, places } in &work.visits {
            let row_scores = &mut work.scores[row * heads * most + places.start..];
            for (at, kv_head) in self.kv_heads.clone().enumerate() {
                let dot = Dot {
                    keys: self.cache.keys(kv_head, *first),
                    first: *first,
                    places: &self.seen[*row][places.clone()],
                    most,
                };
                let q = &q[row * width + kv_head * self.group * head_dim..];
                for member in (0..self.group).step_by(step) {
                    let q = &q[member * head_dim..];
                    let scores = &mut row_scores[(at * self.group + member) * most..];
                    let left = self.group - member;
                    match if left < step { left } else { step } {
                        1 => dot.heads::<I, 1>(isa, q, scores),
                        2 => dot.heads::<I, 2>(isa, q, scores),
                        3 => dot.heads::<I, 3>(isa, q, scores),
                        _ => dot.heads::<I, 4>(isa, q, scores),
                    }
                }
            }
        }
    }

    /// `out = Σ exp(score) · value / Σ exp(score)`, over the places in order.
    #[inline(always)]
    fn sum<I: Isa>(&self, isa: I, work: &mut Work, out: &mut [f32]) {
        let (head_dim, most) = (self.cache.head_dim, self.most);
        let (width, heads) = (out.len() / self.seen.len(), self.heads());
        work.totals.clear();
        for (head, scores) in work.scores.chunks_exact_mut(most).enumerate() {
            let scores = &mut scores[..self.seen[head / heads].len()];
            let total = math::exp_and_sum(scores, math::largest(scores));
            work.totals.push(total);
        }
        let column = self.kv_heads.start * self.group * head_dim;
        let columns = column..column + heads * head_dim;
        for row in out.chunks_exact_mut(width) {
            row[columns.clone()].fill(0.0);
        }
        for Visit { row, first, places } in &work.visits {
            let weights = &work.scores[row * heads * most + places.start..];
            let out = &mut out[row * width..][columns.clone()];
            for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
                let kv_head = self.kv_heads.start + head / self.group;
                let values = Values {
                    values: self.cache.values(kv_head, *first),
                    first: *first,
                    places: &self.seen[*row][places.clone()],
                };
                values.add(isa, &weights[head * most..], out);
            }
        }
        let mut totals = work.totals.iter();
        for row in out.chunks_exact_mut(width) {
            let heads = row[columns.clone()].chunks_exact_mut(head_dim);
            for (out, total) in heads.zip(&mut totals) {
                for out in out {
                    *out /= total;
                }
            }
        }
    }
}

/// How far the places go, from the one at `from` on, that stand in the block from `first` on.
fn reach(seen: &[u32], from: usize, first: u32) -> usize {
    let end = first + PLACES as u32;
    // They ascend: all of the block are there if the last one is where it then would be.
    if seen.get(from + PLACES - 1) == Some(&(end - 1)) {
        return from + PLACES;
    }
    let mut to = from;
    while to < seen.len() && seen[to] < end {
        to += 1;
    }
    to
}

/// Some places of a block that a row sees.
struct Dot<'a> {
    /// `[head_dim]`.
    keys: &'a [[f32; PLACES]],
    /// The place in the first lane.
    first: u32,
    places: &'a [u32],
    /// From one head's scores to the next one's.
    most: usize,
}

impl Dot<'_> {
    /// Scaled scores of the first `N` heads of `q`.
    #[inline(always)]
    fn heads<I: Isa, const N: usize>(&self, isa: I, q: &[f32], scores: &mut [f32]) {
        let head_dim = self.keys.len();
        let mut heads = [q; N];
        for (i, head) in heads.iter_mut().enumerate() {
            *head = &q[i * head_dim..][..head_dim];
        }
        let mut sums = [isa.splat(0.0); N];
        for (d, keys) in self.keys.iter().enumerate() {
            let keys = isa.load(keys);
            for (sum, head) in sums.iter_mut().zip(&heads) {
                *sum = isa.add(*sum, isa.mul(isa.splat(head[d]), keys));
            }
        }
        let scale = isa.splat(1.0 / (head_dim as f32).sqrt());
        for (head, sum) in sums.iter().enumerate() {
            let (scaled, scores) = (isa.mul(*sum, scale), &mut scores[head * self.most..]);
            if self.places.len() == PLACES
                && let Some(scores) = scores.first_chunk_mut()
            {
                isa.store(scaled, scores);
                continue;
            }
            let mut lanes = [0.0; PLACES];
            isa.store(scaled, &mut lanes);
            for (score, place) in scores.iter_mut().zip(self.places) {
                *score = lanes[(place - self.first) as usize % PLACES];
            }
        }
    }
}

/// Values of one head at some places of a block that a row sees.
struct Values<'a> {
    /// `[PLACES, head_dim]`.
    values: &'a [f32],
    /// The first place of the block.
    first: u32,
    places: &'a [u32],
}

impl Values<'_> {
    /// `out [head_dim] += Σ weight · value`.
    #[inline(always)]
    fn add<I: Isa>(&self, isa: I, weights: &[f32], out: &mut [f32]) {
        let (head_dim, mut done) = (out.len(), 0);
        // Sums that stay in registers.
        while I::ROWS >= 4 && head_dim - done >= 4 * PANEL {
            self.add_panels::<I, 4>(isa, weights, done, out);
            done += 4 * PANEL;
        }
        while head_dim - done >= 2 * PANEL {
            self.add_panels::<I, 2>(isa, weights, done, out);
            done += 2 * PANEL;
        }
        while head_dim - done >= PANEL {
            self.add_panels::<I, 1>(isa, weights, done, out);
            done += PANEL;
        }
        for (&place, weight) in self.places.iter().zip(weights) {
            let values = &self.values[(place - self.first) as usize * head_dim..][..head_dim];
            for (out, value) in out[done..].iter_mut().zip(&values[done..]) {
                *out += weight * value;
            }
        }
    }

    /// `P` panels of dimensions from `done` on.
    #[inline(always)]
    fn add_panels<I: Isa, const P: usize>(
        &self,
        isa: I,
        weights: &[f32],
        done: usize,
        out: &mut [f32],
    ) {
        let head_dim = out.len();
        let out = out[done..][..P * PANEL].as_chunks_mut().0;
        let mut sums = [isa.splat(0.0); P];
        for (sum, out) in sums.iter_mut().zip(out.iter()) {
            *sum = isa.load(out);
        }
        if self.places.len() == PLACES {
            let values = self.values.chunks_exact(head_dim);
            for (values, &weight) in values.zip(weights) {
                accumulate(isa, &mut sums, weight, &values[done..]);
            }
        } else {
            for (&place, &weight) in self.places.iter().zip(weights) {
                let at = (place - self.first) as usize * head_dim + done;
                accumulate(isa, &mut sums, weight, &self.values[at..]);
            }
        }
        for (sum, out) in sums.iter().zip(out) {
            isa.store(*sum, out);
        }
    }
}

/// `sums += weight · values`, of the first `P` panels.
#[inline(always)]
fn accumulate<I: Isa, const P: usize>(
    isa: I,
    sums: &mut [I::Floats; P],
    weight: f32,
    values: &[f32],
) {
    let weight = isa.splat(weight);
    let values = values[..P * PANEL].as_chunks().0;
    for (sum, values) in sums.iter_mut().zip(values) {
        *sum = isa.add(*sum, isa.mul(weight, isa.load(values)));
    }
}
