//! Grouped-query attention over the cache, for rows that each see a path of it.
//!
//! Scores of a block of positions are computed from transposed keys, so that a vector's lanes are positions; a tile of rows
//! shares each transposed block. Every number comes out in one order: a score is summed over the head in ascending
//! dimension, an output over the positions in their order, so that neither tile nor batch changes a bit.

use std::ops::Range;

use wide::f32x4;

use super::isa::Isa;
use super::math;
use super::pack::PANEL;
use super::widest::widest;

/// Keys and values of one layer.
#[derive(Clone, Copy)]
pub(super) struct Cache<'a> {
    /// `[places, 2 · kv_width]`: a key, then a value.
    pub(super) places: &'a [f32],
    /// `kv_heads · head_dim`.
    pub(super) kv_width: usize,
    /// Values per head, a multiple of 4.
    pub(super) head_dim: usize,
    /// The key head that the first query heads read, and how many are read.
    pub(super) first_head: usize,
    pub(super) heads: usize,
}

/// Rows that share transposed keys.
pub(super) const ROWS: usize = 16;
/// Rows that are few.
const FEW: usize = 2;
/// Positions transposed at a time.
const LANES: usize = PANEL;

widest! {
    /// `q [rows, heads · head_dim]`, the query heads that read the cache's; row `i` sees the places `seen[i]` of the cache, in
    /// this order. Writes `out`, shaped like `q`.
    pub(super) fn rows(isa; q: &[f32], cache: Cache<'_>, seen: &[Vec<u32>], out: &mut [f32]) {
        let width = q.len() / seen.len();
        let mut work = Work::new(cache, width / (cache.heads * cache.head_dim));
        let tiles = q.chunks(ROWS * width).zip(out.chunks_mut(ROWS * width));
        for ((q, out), seen) in tiles.zip(seen.chunks(ROWS)) {
            // Few rows wait for memory, and get it faster in its order, all heads of a place together; of many rows the scores of one
            // head fill the cache.
            let together = if seen.len() <= FEW { cache.heads } else { 1 };
            for first in (0..cache.heads).step_by(together) {
                work.tile(isa, q, first..first + together, seen, out);
            }
        }
    }
}

/// What a tile needs in memory.
struct Work<'a> {
    cache: Cache<'a>,
    /// Query heads that read one key head.
    group: usize,
    /// `[head_dim]`.
    keys: Vec<[f32; LANES]>,
    /// `[rows, key heads, group]` of as many scores as the row with the most has.
    scores: Vec<f32>,
    /// How many of a row's places have scores.
    done: [usize; ROWS],
}

impl<'a> Work<'a> {
    #[inline(always)]
    fn new(cache: Cache<'a>, group: usize) -> Self {
        Self {
            cache,
            group,
            keys: vec![[0.0; LANES]; cache.head_dim],
            scores: Vec::new(),
            done: [0; ROWS],
        }
    }

    /// The query heads of some key heads, for up to [`ROWS`] rows.
    #[inline(always)]
    fn tile<I: Isa>(
        &mut self,
        isa: I,
        q: &[f32],
        kv_heads: Range<usize>,
        seen: &[Vec<u32>],
        out: &mut [f32],
    ) {
        let mut most = 0;
        for seen in seen {
            most = if seen.len() > most { seen.len() } else { most };
        }
        let count = seen.len() * kv_heads.len() * self.group * most;
        self.scores.clear();
        self.scores.resize(count, 0.0);
        self.done = [0; ROWS];
        self.score(isa, q, kv_heads.clone(), seen, most);
        let (width, head_dim) = (q.len() / seen.len(), self.cache.head_dim);
        let mut scores = self.scores.chunks_exact_mut(self.group * most);
        for (row, seen) in seen.iter().enumerate() {
            for kv_head in kv_heads.clone() {
                let Some(scores) = scores.next() else {
                    return; // never: there are as many
                };
                let sum = WeightedSum {
                    cache: self.cache,
                    kv_head,
                    seen,
                    most,
                };
                let at = row * width + kv_head * self.group * head_dim;
                let out = &mut out[at..][..self.group * head_dim];
                // One head's sums fill the registers of the narrow instruction sets.
                let step = if I::ROWS < 8 { 1 } else { 4 };
                for member in (0..self.group).step_by(step) {
                    let weights = &mut scores[member * most..];
                    let out = &mut out[member * head_dim..];
                    let left = self.group - member;
                    match if left < step { left } else { step } {
                        1 if I::ROWS < 8 => sum.heads::<I, 1, 2>(isa, weights, out),
                        1 => sum.heads::<I, 1, 4>(isa, weights, out),
                        2 => sum.heads::<I, 2, 4>(isa, weights, out),
                        3 => sum.heads::<I, 3, 4>(isa, weights, out),
                        _ => sum.heads::<I, 4, 4>(isa, weights, out),
                    }
                }
            }
        }
    }

    /// Scores of all places that any row of the tile sees.
    #[inline(always)]
    fn score<I: Isa>(
        &mut self,
        isa: I,
        q: &[f32],
        kv_heads: Range<usize>,
        seen: &[Vec<u32>],
        most: usize,
    ) {
        let width = q.len() / seen.len();
        let step = if I::ROWS < 4 { I::ROWS } else { 4 };
        loop {
            // The next place that some row still waits for.
            let mut first = u32::MAX;
            for (seen, &done) in seen.iter().zip(&self.done) {
                if let Some(&place) = seen.get(done) {
                    first = if place < first { place } else { first };
                }
            }
            if first == u32::MAX {
                return;
            }
            for (at, kv_head) in kv_heads.clone().enumerate() {
                self.transpose(kv_head, first as usize);
                for (row, seen) in seen.iter().enumerate() {
                    let from = self.done[row];
                    let dot = Dot {
                        keys: &self.keys,
                        first,
                        places: &seen[from..reach(seen, from, first)],
                        most,
                    };
                    if dot.places.is_empty() {
                        continue;
                    }
                    let heads = (row * kv_heads.len() + at) * self.group;
                    let row = &q[row * width..][..width];
                    for member in (0..self.group).step_by(step) {
                        let q = &row[(kv_head * self.group + member) * self.cache.head_dim..];
                        let scores = &mut self.scores[(heads + member) * most + from..];
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
            for (done, seen) in self.done.iter_mut().zip(seen) {
                *done = reach(seen, *done, first);
            }
        }
    }

    /// Keys of [`LANES`] places from `first` on, dimension by dimension; lanes beyond the cache hold the key of its last place.
    #[inline(always)]
    fn transpose(&mut self, kv_head: usize, first: usize) {
        let (width, head_dim) = (2 * self.cache.kv_width, self.cache.head_dim);
        let last = self.cache.places.len() / width - 1;
        let at = (self.cache.first_head + kv_head) * head_dim;
        for lane in (0..LANES).step_by(4) {
            let mut keys: [&[[f32; 4]]; 4] = [&[]; 4];
            for (i, key) in keys.iter_mut().enumerate() {
                let place = first + lane + i;
                let place = if place < last { place } else { last };
                *key = self.cache.places[place * width + at..][..head_dim]
                    .as_chunks()
                    .0;
            }
            // By vectors: left to itself the compiler scatters single values, which takes ten times as long.
            for (d, dimensions) in self.keys.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut four = [f32x4::splat(0.0); 4];
                for (four, key) in four.iter_mut().zip(&keys) {
                    *four = f32x4::from(key[d]);
                }
                for (lanes, four) in dimensions.iter_mut().zip(f32x4::transpose(four)) {
                    lanes[lane..][..4].copy_from_slice(&four.to_array());
                }
            }
        }
    }
}

/// How far the places go, from the one at `from` on, that stand among the [`LANES`] from `first` on.
#[inline(always)]
fn reach(seen: &[u32], from: usize, first: u32) -> usize {
    let mut to = from;
    while to < seen.len() && to - from < LANES && seen[to] < first + LANES as u32 {
        to += 1;
    }
    to
}

/// Some places that a row sees among the transposed ones.
struct Dot<'a> {
    /// `[head_dim]`.
    keys: &'a [[f32; LANES]],
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
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut lanes = [0.0; LANES];
        for (head, sum) in sums.iter().enumerate() {
            isa.store(*sum, &mut lanes);
            let scores = &mut scores[head * self.most..];
            for (score, place) in scores.iter_mut().zip(self.places) {
                *score = lanes[(place - self.first) as usize % LANES] * scale;
            }
        }
    }
}

/// What the query heads of one key head take from its values.
struct WeightedSum<'a> {
    cache: Cache<'a>,
    kv_head: usize,
    seen: &'a [u32],
    /// From one head's weights to the next one's.
    most: usize,
}

impl WeightedSum<'_> {
    /// `out [N, head_dim] = Σ exp(weight) · value / Σ exp(weight)`, over the places in order; sums of `P` panels of a head at a
    /// time stay in registers. Weights are left as `exp(weight - largest)`.
    #[inline(always)]
    fn heads<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        weights: &mut [f32],
        out: &mut [f32],
    ) {
        let mut totals = [0.0; N];
        for (total, weights) in totals.iter_mut().zip(weights.chunks_mut(self.most)) {
            let weights = &mut weights[..self.seen.len()];
            *total = math::exp_and_sum(weights, math::largest(weights));
        }
        let (head_dim, mut done) = (self.cache.head_dim, 0);
        while head_dim - done >= P * PANEL {
            self.panels::<I, N, P>(isa, weights, &totals, done, out);
            done += P * PANEL;
        }
        while head_dim - done >= PANEL {
            self.panels::<I, N, 1>(isa, weights, &totals, done, out);
            done += PANEL;
        }
        for (head, total) in totals.iter().enumerate() {
            let weights = &weights[head * self.most..];
            for d in done..head_dim {
                let mut sum = 0.0;
                for (&place, &weight) in self.seen.iter().zip(weights) {
                    sum += weight * self.cache.places[self.value(place) + d];
                }
                out[head * head_dim + d] = sum / total;
            }
        }
    }

    /// Dimensions from `from` on.
    #[inline(always)]
    fn panels<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        weights: &[f32],
        totals: &[f32; N],
        from: usize,
        out: &mut [f32],
    ) {
        let mut sums = [[isa.splat(0.0); P]; N];
        for (i, &place) in self.seen.iter().enumerate() {
            let values = &self.cache.places[self.value(place) + from..][..P * PANEL];
            let values = values.as_chunks().0;
            for (head, sums) in sums.iter_mut().enumerate() {
                let weight = isa.splat(weights[head * self.most + i]);
                for (sum, values) in sums.iter_mut().zip(values) {
                    *sum = isa.add(*sum, isa.mul(weight, isa.load(values)));
                }
            }
        }
        for (head, (sums, total)) in sums.iter().zip(totals).enumerate() {
            let out = &mut out[head * self.cache.head_dim + from..][..P * PANEL];
            for (sum, out) in sums.iter().zip(out.as_chunks_mut().0) {
                isa.store(*sum, out);
            }
            for out in out {
                *out /= total;
            }
        }
    }

    /// Where a place's value begins.
    #[inline(always)]
    fn value(&self, place: u32) -> usize {
        let head = self.cache.first_head + self.kv_head;
        (2 * place as usize + 1) * self.cache.kv_width + head * self.cache.head_dim
    }
}
