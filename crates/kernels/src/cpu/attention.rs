//! Grouped-query attention over the cache, for rows that each see a path of it.
//!
//! A tile of rows goes over the blocks of the cache twice: for scores, whose lanes are places, and for the weighted sums of
//! values. Query heads that read the same block do so together, as many as keep their sums in registers. Every number comes out
//! in one order: a score is summed over the head in ascending dimension, an output over the places in their order, so that
//! neither tile nor batch changes a bit.

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

impl Visit {
    /// Whether the row sees all places of the block.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        self.places.len() == PLACES
    }
}

/// Every row at every block that it sees something of, block by block; in a block first the rows that see all of it.
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
        let (first, begin) = (next / PLACES as u32 * PLACES as u32, visits.len());
        for (row, (seen, done)) in seen.iter().zip(&mut done).enumerate() {
            let places = *done..reach(seen, *done, first);
            *done = places.end;
            if !places.is_empty() {
                visits.push(Visit { row, first, places });
            }
        }
        visits[begin..].sort_by_key(|visit| !visit.is_whole());
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
        let scores = &mut work.scores;
        scores.clear();
        scores.resize(self.seen.len() * self.heads() * self.most, 0.0);
        for visits in work.visits.chunk_by(|a, b| a.first == b.first) {
            for kv_head in 0..self.kv_heads.len() {
                let of = self.queries(visits, kv_head);
                let mut done = 0;
                while done < of.count() {
                    done += match of.count() - done {
                        8.. if I::ROWS >= 8 => of.score::<I, 8>(isa, done, q, scores),
                        4.. if I::ROWS >= 4 => of.score::<I, 4>(isa, done, q, scores),
                        3 if I::ROWS >= 4 => of.score::<I, 3>(isa, done, q, scores),
                        2.. => of.score::<I, 2>(isa, done, q, scores),
                        _ => of.score::<I, 1>(isa, done, q, scores),
                    };
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
        let weights = &work.scores;
        for visits in work.visits.chunk_by(|a, b| a.first == b.first) {
            let (whole, parts) = visits.split_at(visits.partition_point(Visit::is_whole));
            for kv_head in 0..self.kv_heads.len() {
                let of = self.queries(whole, kv_head);
                let mut done = 0;
                while done < of.count() {
                    done += match of.count() - done {
                        8.. if I::ROWS >= 8 => of.sum::<I, 8, 1>(isa, done, weights, out),
                        4.. if I::ROWS >= 4 => of.sum::<I, 4, 1>(isa, done, weights, out),
                        2.. if I::ROWS >= 4 => of.sum::<I, 2, 2>(isa, done, weights, out),
                        2.. => of.sum::<I, 2, 1>(isa, done, weights, out),
                        _ => of.sum::<I, 1, 2>(isa, done, weights, out),
                    };
                }
                let of = self.queries(parts, kv_head);
                for query in 0..of.count() {
                    of.sum_part(query, weights, out);
                }
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

    /// The query heads that read the tile's key head `kv_head` in the block of these visits.
    #[inline(always)]
    fn queries<'b>(&'b self, visits: &'b [Visit], kv_head: usize) -> Queries<'b> {
        Queries {
            tile: self,
            visits,
            kv_head,
        }
    }
}

/// Query heads at one block: of each row that visits it the group that reads one key head.
struct Queries<'a> {
    tile: &'a Tile<'a>,
    /// All of the same block.
    visits: &'a [Visit],
    /// Counted from the tile's first.
    kv_head: usize,
}

impl Queries<'_> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.visits.len() * self.tile.group
    }

    /// The visit of a query.
    #[inline(always)]
    fn visit(&self, query: usize) -> &Visit {
        &self.visits[query / self.tile.group]
    }

    /// The key head, counted from the cache's first.
    #[inline(always)]
    fn cache_head(&self) -> usize {
        self.tile.kv_heads.start + self.kv_head
    }

    /// Where the query stands in rows of all heads.
    #[inline(always)]
    fn at(&self, query: usize) -> usize {
        let Tile { cache, group, .. } = *self.tile;
        let head = self.cache_head() * group + query % group;
        let heads = cache.heads * group;
        (self.visit(query).row * heads + head) * cache.head_dim
    }

    /// Where the scores stand of the query's places in this block.
    #[inline(always)]
    fn scores_at(&self, query: usize) -> usize {
        let Tile { group, most, .. } = *self.tile;
        let visit = self.visit(query);
        let head = self.kv_head * group + query % group;
        (visit.row * self.tile.heads() + head) * most + visit.places.start
    }

    /// Scaled scores of `N` queries from `from` on; gives `N`.
    #[inline(always)]
    fn score<I: Isa, const N: usize>(
        &self,
        isa: I,
        from: usize,
        q: &[f32],
        scores: &mut [f32],
    ) -> usize {
        let first = self.visits[0].first;
        let keys = self.tile.cache.keys(self.cache_head(), first);
        let mut queries = [q; N];
        for (i, query) in queries.iter_mut().enumerate() {
            *query = &q[self.at(from + i)..][..keys.len()];
        }
        let mut sums = [isa.splat(0.0); N];
        for (d, keys) in keys.iter().enumerate() {
            let keys = isa.load(keys);
            for (sum, query) in sums.iter_mut().zip(&queries) {
                *sum = isa.add(*sum, isa.mul(isa.splat(query[d]), keys));
            }
        }
        let scale = isa.splat(1.0 / (keys.len() as f32).sqrt());
        for (i, sum) in sums.iter().enumerate() {
            let (visit, scaled) = (self.visit(from + i), isa.mul(*sum, scale));
            let scores = &mut scores[self.scores_at(from + i)..];
            if visit.is_whole()
                && let Some(scores) = scores.first_chunk_mut()
            {
                isa.store(scaled, scores);
                continue;
            }
            let mut lanes = [0.0; PLACES];
            isa.store(scaled, &mut lanes);
            let places = &self.tile.seen[visit.row][visit.places.clone()];
            for (score, place) in scores.iter_mut().zip(places) {
                *score = lanes[(place - first) as usize % PLACES];
            }
        }
        N
    }

    /// `out [head_dim] += Σ weight · value` of `N` queries from `from` on that see the whole block, `P` panels of dimensions at a
    /// time; gives `N`.
    #[inline(always)]
    fn sum<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        from: usize,
        weights: &[f32],
        out: &mut [f32],
    ) -> usize {
        let head_dim = self.tile.cache.head_dim;
        let values = self.values();
        let mut of = [&[0.0; PLACES]; N];
        let mut at = [0; N];
        for (i, (of, at)) in of.iter_mut().zip(&mut at).enumerate() {
            let weights = &weights[self.scores_at(from + i)..];
            *of = weights.first_chunk().unwrap_or(of);
            *at = self.at(from + i);
        }
        let mut done = 0;
        while head_dim - done >= P * PANEL {
            sum_panels::<I, N, P>(isa, values, head_dim, done, &of, &at, out);
            done += P * PANEL;
        }
        while head_dim - done >= PANEL {
            sum_panels::<I, N, 1>(isa, values, head_dim, done, &of, &at, out);
            done += PANEL;
        }
        for (weights, at) in of.iter().zip(at) {
            let out = &mut out[at..][done..head_dim];
            for (values, weight) in values.chunks_exact(head_dim).zip(*weights) {
                accumulate(out, *weight, &values[done..]);
            }
        }
        N
    }

    /// The same of one query that sees a part of the block.
    #[inline(always)]
    fn sum_part(&self, query: usize, weights: &[f32], out: &mut [f32]) {
        let (head_dim, visit) = (self.tile.cache.head_dim, self.visit(query));
        let (values, weights) = (self.values(), &weights[self.scores_at(query)..]);
        let out = &mut out[self.at(query)..][..head_dim];
        let places = &self.tile.seen[visit.row][visit.places.clone()];
        for (place, weight) in places.iter().zip(weights) {
            let at = (place - visit.first) as usize * head_dim;
            accumulate(out, *weight, &values[at..]);
        }
    }

    /// Values of the block, `[PLACES, head_dim]`.
    #[inline(always)]
    fn values(&self) -> &[f32] {
        let first = self.visits[0].first;
        self.tile.cache.values(self.cache_head(), first)
    }
}

/// `out += weight · values`.
#[inline(always)]
fn accumulate(out: &mut [f32], weight: f32, values: &[f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += weight * value;
    }
}

/// `P` panels of dimensions from `done` on, of `N` queries, whose outputs begin `at`.
#[inline(always)]
fn sum_panels<I: Isa, const N: usize, const P: usize>(
    isa: I,
    values: &[f32],
    head_dim: usize,
    done: usize,
    weights: &[&[f32; PLACES]; N],
    at: &[usize; N],
    out: &mut [f32],
) {
    let mut sums = [[isa.splat(0.0); P]; N];
    for (sums, at) in sums.iter_mut().zip(at) {
        let out = out[at + done..][..P * PANEL].as_chunks().0;
        for (sum, out) in sums.iter_mut().zip(out) {
            *sum = isa.load(out);
        }
    }
    for (place, values) in values.chunks_exact(head_dim).take(PLACES).enumerate() {
        let values = values[done..][..P * PANEL].as_chunks().0;
        for (panel, values) in values.iter().enumerate() {
            let values = isa.load(values);
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = isa.splat(weights[place % PLACES]);
                sums[panel] = isa.add(sums[panel], isa.mul(weight, values));
            }
        }
    }
    for (sums, at) in sums.iter().zip(at) {
        let out = out[at + done..][..P * PANEL].as_chunks_mut().0;
        for (sum, out) in sums.iter().zip(out) {
            isa.store(*sum, out);
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
