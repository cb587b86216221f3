//! Grouped-query attention over the cache, for rows that each see a path of it.
//!
//! Scores of a block of positions are computed from transposed keys, so that a vector's lanes are positions; a tile of rows
//! shares each transposed block. Every number comes out in one order: a score is summed over the head in ascending
//! dimension, an output over the positions in their order, so that neither tile nor batch changes a bit.

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
            for kv_head in 0..cache.heads {
                work.tile(isa, q, kv_head, seen, out);
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
    /// `[rows · group]` of as many scores as the row with the most has.
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

    /// The query heads of one key head, for up to [`ROWS`] rows.
    #[inline(always)]
    fn tile<I: Isa>(
        &mut self,
        isa: I,
        q: &[f32],
        kv_head: usize,
        seen: &[Vec<u32>],
        out: &mut [f32],
    ) {
        let mut most = 0;
        for seen in seen {
            most = if seen.len() > most { seen.len() } else { most };
        }
        self.scores.clear();
        self.scores.resize(seen.len() * self.group * most, 0.0);
        self.done = [0; ROWS];
        self.score(isa, q, kv_head, seen, most);
        let (width, head_dim) = (q.len() / seen.len(), self.cache.head_dim);
        for (row, seen) in seen.iter().enumerate() {
            let mut member = 0;
            while member < self.group {
                let weights = &mut self.scores[(row * self.group + member) * most..];
                let at = row * width + (kv_head * self.group + member) * head_dim;
                let sum = WeightedSum {
                    cache: self.cache,
                    kv_head,
                    seen,
                    most,
                };
                // One head's sums fill the registers of the narrow instruction sets.
                let heads = if I::ROWS < 4 { 1 } else { self.group - member };
                member += match heads {
                    1 => sum.heads::<I, 1>(isa, weights, &mut out[at..]),
                    2 => sum.heads::<I, 2>(isa, weights, &mut out[at..]),
                    3 => sum.heads::<I, 3>(isa, weights, &mut out[at..]),
                    _ => sum.heads::<I, 4>(isa, weights, &mut out[at..]),
                };
            }
        }
    }

    /// Scores of all places that any row of the tile sees.
    #[inline(always)]
    fn score<I: Isa>(&mut self, isa: I, q: &[f32], kv_head: usize, seen: &[Vec<u32>], most: usize) {
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
            self.transpose(kv_head, first as usize);
            let rows = seen.len();
            for (row, seen) in seen.iter().enumerate() {
                let from = self.done[row];
                let mut to = from;
                while to < seen.len() && to - from < LANES && seen[to] < first + LANES as u32 {
                    to += 1;
                }
                if to == from {
                    continue;
                }
                self.done[row] = to;
                let width = q.len() / rows;
                let at = row * width + kv_head * self.group * self.cache.head_dim;
                let heads = &q[at..][..self.group * self.cache.head_dim];
                let places = &seen[from..to];
                let mut member = 0;
                while member < self.group {
                    let q = &heads[member * self.cache.head_dim..];
                    let scores = &mut self.scores[(row * self.group + member) * most + from..];
                    let dot = Dot {
                        keys: &self.keys,
                        first,
                        places,
                        most,
                    };
                    let left = self.group - member;
                    member += match if left < I::ROWS { left } else { I::ROWS } {
                        1 => dot.heads::<I, 1>(isa, q, scores),
                        2 => dot.heads::<I, 2>(isa, q, scores),
                        3 => dot.heads::<I, 3>(isa, q, scores),
                        _ => dot.heads::<I, 4>(isa, q, scores),
                    };
                }
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
    /// Scaled scores of `N` heads of `q`; gives `N`.
    #[inline(always)]
    fn heads<I: Isa, const N: usize>(&self, isa: I, q: &[f32], scores: &mut [f32]) -> usize {
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
        N
    }
}

/// Panels of values whose sums stay in registers.
const PANELS: usize = 2;

/// What the query heads of one key head take from its values.
struct WeightedSum<'a> {
    cache: Cache<'a>,
    kv_head: usize,
    seen: &'a [u32],
    /// From one head's weights to the next one's.
    most: usize,
}

impl WeightedSum<'_> {
    /// `out [N, head_dim] = Σ exp(weight) · value / Σ exp(weight)`, over the places in order; gives `N`. Weights are left as
    /// `exp(weight - largest)`.
    #[inline(always)]
    fn heads<I: Isa, const N: usize>(&self, isa: I, weights: &mut [f32], out: &mut [f32]) -> usize {
        let (head_dim, row) = (self.cache.head_dim, 2 * self.cache.kv_width);
        let mut totals = [0.0; N];
        for (total, weights) in totals.iter_mut().zip(weights.chunks_mut(self.most)) {
            let weights = &mut weights[..self.seen.len()];
            *total = math::exp_and_sum(weights, math::largest(weights));
        }
        let mut from = self.cache.kv_width + (self.cache.first_head + self.kv_head) * head_dim;
        let mut done = 0;
        while head_dim - done >= PANELS * PANEL {
            let mut sums = [[isa.splat(0.0); PANELS]; N];
            for (i, &place) in self.seen.iter().enumerate() {
                let values = self.cache.places[place as usize * row + from..][..PANELS * PANEL]
                    .as_chunks()
                    .0;
                for (head, sums) in sums.iter_mut().enumerate() {
                    let weight = isa.splat(weights[head * self.most + i]);
                    for (sum, values) in sums.iter_mut().zip(values) {
                        *sum = isa.add(*sum, isa.mul(weight, isa.load(values)));
                    }
                }
            }
            for (head, (sums, total)) in sums.iter().zip(totals).enumerate() {
                let out = &mut out[head * head_dim + done..][..PANELS * PANEL];
                for (sum, out) in sums.iter().zip(out.as_chunks_mut().0) {
                    isa.store(*sum, out);
                }
                for out in out {
                    *out /= total;
                }
            }
            (from, done) = (from + PANELS * PANEL, done + PANELS * PANEL);
        }
        for (head, total) in totals.iter().enumerate() {
            let weights = &weights[head * self.most..];
            for (d, out) in out[head * head_dim..][done..head_dim]
                .iter_mut()
                .enumerate()
            {
                let mut sum = 0.0;
                for (&place, &weight) in self.seen.iter().zip(weights) {
                    sum += weight * self.cache.places[place as usize * row + from + d];
                }
                *out = sum / total;
            }
        }
        N
    }
}
