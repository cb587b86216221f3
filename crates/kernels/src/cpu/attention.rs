//! Grouped-query attention over the cache, for rows that each see a path of it.
//!
//! Scores of a block of positions are computed from transposed keys, so that a vector's lanes are positions; a tile of rows
//! shares each transposed block. Every number comes out in one order: a score is summed over the head in ascending
//! dimension, an output over the positions in their order, so that neither tile nor batch changes a bit.

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
/// Positions transposed at a time: the widest vector's lanes.
const LANES: usize = 2 * PANEL;

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
    /// `[head_dim]` of 16 positions.
    keys: Vec<[[f32; PANEL]; 2]>,
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
            keys: vec![[[0.0; PANEL]; 2]; cache.head_dim],
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
            for member in 0..self.group {
                let weights = &mut self.scores[(row * self.group + member) * most..][..seen.len()];
                let total = math::exp_and_sum(weights, math::largest(weights));
                let at = row * width + (kv_head * self.group + member) * head_dim;
                weighted_sum(
                    isa,
                    self.cache,
                    kv_head,
                    seen,
                    weights,
                    total,
                    &mut out[at..][..head_dim],
                );
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
                    member += match self.group - member {
                        1 => dot.heads::<I, 1>(isa, q, scores),
                        2 => dot.heads::<I, 2>(isa, q, scores),
                        3 => dot.heads::<I, 3>(isa, q, scores),
                        _ => dot.heads::<I, 4>(isa, q, scores),
                    };
                }
            }
        }
    }

    /// Keys of [`LANES`] places from `first` on, dimension by dimension; what lies beyond the cache stays as it was.
    #[inline(always)]
    fn transpose(&mut self, kv_head: usize, first: usize) {
        let (width, head_dim) = (2 * self.cache.kv_width, self.cache.head_dim);
        let places = &self.cache.places[first * width..];
        for (lane, key) in places.chunks_exact(width).take(LANES).enumerate() {
            let key = &key[(self.cache.first_head + kv_head) * head_dim..][..head_dim];
            for (lanes, &key) in self.keys.iter_mut().zip(key) {
                lanes[lane / PANEL][lane % PANEL] = key;
            }
        }
    }
}

/// Some places that a row sees among the transposed ones.
struct Dot<'a> {
    /// `[head_dim]`.
    keys: &'a [[[f32; PANEL]; 2]],
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
        let mut lanes = [[0.0; LANES]; N];
        for half in 0..2 / I::PANELS {
            let mut sums = [isa.splat(0.0); N];
            for (d, keys) in self.keys.iter().enumerate() {
                let keys = isa.load([&keys[half], &keys[1]]);
                for (sum, head) in sums.iter_mut().zip(&heads) {
                    *sum = isa.add(*sum, isa.mul(isa.splat(head[d]), keys));
                }
            }
            for (sum, lanes) in sums.iter().zip(&mut lanes) {
                isa.store(*sum, &mut lanes[half * PANEL..][..I::PANELS * PANEL]);
            }
        }
        let scale = 1.0 / (head_dim as f32).sqrt();
        for (head, lanes) in lanes.iter().enumerate() {
            let scores = &mut scores[head * self.most..];
            for (score, place) in scores.iter_mut().zip(self.places) {
                *score = lanes[(place - self.first) as usize % LANES] * scale;
            }
        }
        N
    }
}

/// Panels of values whose sums stay in registers.
const PANELS: usize = 4;

/// `out [head_dim] = Σ weight · value / total`, over the places in order.
#[inline(always)]
fn weighted_sum<I: Isa>(
    isa: I,
    cache: Cache<'_>,
    kv_head: usize,
    seen: &[u32],
    weights: &[f32],
    total: f32,
    out: &mut [f32],
) {
    let mut from = cache.kv_width + (cache.first_head + kv_head) * cache.head_dim;
    let (chunks, rest) = out.as_chunks_mut::<{ PANELS * PANEL }>();
    for out in chunks {
        let mut sums = [isa.splat(0.0); PANELS];
        for (&place, &weight) in seen.iter().zip(weights) {
            let at = place as usize * 2 * cache.kv_width + from;
            let values = cache.places[at..][..PANELS * PANEL].as_chunks().0;
            let weight = isa.splat(weight);
            for (i, sum) in sums.iter_mut().enumerate().take(PANELS / I::PANELS) {
                let first = i * I::PANELS;
                let values = isa.load([&values[first], &values[first + I::PANELS - 1]]);
                *sum = isa.add(*sum, isa.mul(weight, values));
            }
        }
        for (sum, out) in sums.iter().zip(out.chunks_exact_mut(I::PANELS * PANEL)) {
            isa.store(*sum, out);
        }
        for out in out {
            *out /= total;
        }
        from += PANELS * PANEL;
    }
    for (d, out) in rest.iter_mut().enumerate() {
        let mut sum = 0.0;
        for (&place, &weight) in seen.iter().zip(weights) {
            sum += weight * cache.places[place as usize * 2 * cache.kv_width + from + d];
        }
        *out = sum / total;
    }
}
