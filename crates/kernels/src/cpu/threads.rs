//! Splits the operations among threads.
//!
//! No sum is ever split: parts are rows, output columns, heads or values, and what is computed for each of them does not depend
//! on the others. So the bits are the same whatever the number of threads.
//!
//! Natively [`start`] makes the threads; in wasm with atomics the page makes workers, which call `help`; in wasm without
//! atomics there is one thread, and no code for more.

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod pool;

use std::ops::Range;
use std::sync::Mutex;

use super::attention;
use super::cache::Cache;
use super::fresh::MaybeUninit;
use super::matmul::{self, Matrix};
use super::pack::{PANEL, panel_words};
use super::quantize::Activations;
use super::score::Summary;
use crate::Format;

/// Work that is not worth a second thread, in products; about 5 µs.
const GRAIN: usize = 1 << 15;
/// Parts a thread, so that nobody waits long for the slowest.
const PARTS: usize = 8;
/// Up to so many rows products wait for memory, ...
const FEW_ROWS: usize = 4;
/// ... and parts have at least so many columns: shorter streams of it are slower.
const COLUMNS_MIN: usize = 16 * PANEL;

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod here {
    use super::pool::Pool;

    static POOL: Pool = Pool::new();

    #[cfg(test)]
    thread_local! {
        pub(super) static OWN: std::cell::Cell<Option<&'static Pool>> = const { std::cell::Cell::new(None) };
    }

    pub(super) fn pool() -> &'static Pool {
        #[cfg(test)]
        if let Some(own) = OWN.get() {
            return own;
        }
        &POOL
    }

    /// Threads that compute, the caller's included.
    pub fn count() -> usize {
        pool().threads()
    }

    pub(super) fn run(parts: usize, work: &(dyn Fn(usize) + Sync)) {
        pool().run(parts, work);
    }

    /// Makes this thread one that computes for others, for ever.
    #[cfg(target_family = "wasm")]
    pub fn help() {
        POOL.help();
    }

    /// Has whoever waits for a part give up: a thread that broke ends none.
    #[cfg(target_family = "wasm")]
    pub fn give_up() {
        POOL.give_up();
    }

    /// Makes threads until `count` compute, the caller's included. They stay until the process ends.
    #[cfg(not(target_family = "wasm"))]
    pub fn start(count: std::num::NonZeroUsize) -> std::io::Result<()> {
        use std::sync::{Mutex, PoisonError};
        static MADE: Mutex<usize> = Mutex::new(1);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        while *made < count.get() {
            std::thread::Builder::new()
                .name(format!("compute {made}"))
                .spawn(|| POOL.help())?;
            *made += 1;
        }
        // A thread counts once it runs.
        while POOL.threads() < *made {
            std::thread::yield_now();
        }
        Ok(())
    }
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
mod here {
    /// Threads that compute, the caller's included.
    pub fn count() -> usize {
        1
    }

    pub(super) fn run(parts: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(work);
    }
}

pub use here::*;

/// Does `work` with each item, in any order.
fn each<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    if count() == 1 {
        return items.into_iter().for_each(work);
    }
    let items: Vec<Mutex<Option<T>>> = items
        .into_iter()
        .map(|item| Mutex::new(Some(item)))
        .collect();
    run(items.len(), &|part| {
        // Nobody else ever takes this one.
        if let Some(item) = items[part].lock().ok().and_then(|mut item| item.take()) {
            work(item);
        }
    });
}

/// In how many parts so many products are worth splitting, up to `most` a thread: as many for each, or some would wait.
fn parts(products: usize, most: usize) -> usize {
    let threads = count();
    match products / GRAIN {
        _ if threads == 1 => 1,
        few if few < threads => few.max(1),
        many => threads * (many / threads).min(most),
    }
}

/// `0..total` in up to so many parts of nearly the same length, which begin at multiples of `unit`.
fn ranges(total: usize, parts: usize, unit: usize) -> Vec<Range<usize>> {
    let units = total.div_ceil(unit);
    let parts = parts.min(units);
    let end = |part: usize| total.min(units * part / parts * unit);
    (0..parts).map(|part| end(part)..end(part + 1)).collect()
}

/// Splits the rows of `out [rows, width]`, each value of which takes as long as `products`. `work` gets the place of its first
/// value, and its rows.
pub(super) fn rows<T: Send>(
    out: &mut [T],
    width: usize,
    products: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let parts = parts(out.len() * products, PARTS);
    let step = width * (out.len() / width).div_ceil(parts).max(1);
    each(out.chunks_mut(step).enumerate().collect(), |(part, out)| {
        work(part * step, out);
    });
}

/// Some columns of a matrix, row by row.
type Columns<'a, T> = Vec<&'a mut [T]>;

/// Cuts `out [rows, width]` into its columns; `ranges` follow each other and cover the width.
fn columns<'a, T>(out: &'a mut [T], width: usize, ranges: &[Range<usize>]) -> Vec<Columns<'a, T>> {
    let mut parts: Vec<Columns<'a, T>> = ranges.iter().map(|_| Vec::new()).collect();
    for mut row in out.chunks_exact_mut(width) {
        for (part, range) in parts.iter_mut().zip(ranges) {
            let (columns, rest) = row.split_at_mut(range.len());
            part.push(columns);
            row = rest;
        }
    }
    parts
}

/// Has `compute` write a matrix of its own, first of zeros, and these columns be that.
fn fill(mut columns: Columns<'_, f32>, compute: impl FnOnce(&mut [f32])) {
    if let [column] = columns.as_mut_slice() {
        return compute(column);
    }
    let width = columns.first().map_or(0, |row| row.len());
    let mut own = vec![0.0; columns.len() * width];
    compute(&mut own);
    for (row, own) in columns.into_iter().zip(own.chunks_exact(width.max(1))) {
        row.copy_from_slice(own);
    }
}

/// `out [rows, n] = x · Wᵀ`, `x [rows, k]`. Threads take columns: whatever the rows, a weight is widened once.
pub(super) fn matmul(x: &[f32], k: usize, weights: &Matrix<'_>, out: &mut [MaybeUninit<f32>]) {
    let n = weights.n;
    let most = match x.len() / k {
        ..=FEW_ROWS => (n / count() / COLUMNS_MIN).clamp(1, PARTS),
        _ => PARTS,
    };
    let ranges = ranges(n, parts(x.len() * n, most), PANEL);
    let items = ranges.iter().zip(columns(out, n, &ranges)).collect();
    let some = |columns: &Range<usize>| some_columns(weights, k, columns);
    match weights.format {
        Format::F32 => each(items, |(columns, mut out): (_, Columns<'_, _>)| {
            matmul::float(x, some(columns).words, k, &mut out);
        }),
        _ => {
            let x = activations(x, k);
            each(items, |(columns, mut out): (_, Columns<'_, _>)| {
                matmul::quantized(&x, &some(columns), &mut out);
            });
        }
    }
}

/// Quantises `x [rows, k]`.
fn activations(x: &[f32], k: usize) -> Vec<Activations> {
    let some = x.chunks(Activations::ROWS * k);
    let mut all: Vec<Option<Activations>> = some.clone().map(|_| None).collect();
    each(some.zip(&mut all).collect(), |(x, some)| {
        *some = Some(Activations::new(x, k));
    });
    all.into_iter().flatten().collect()
}

/// A matrix of some of its columns, which begin with a panel.
fn some_columns<'a>(weights: &Matrix<'a>, k: usize, columns: &Range<usize>) -> Matrix<'a> {
    let panels = columns.start / PANEL..columns.end.div_ceil(PANEL);
    let words = panel_words(weights.format, k);
    Matrix {
        words: &weights.words[panels.start * words..panels.end * words],
        format: weights.format,
        n: columns.len(),
    }
}

/// See [`attention::rows`]; `cache` has all heads.
pub(super) fn attention(q: &[f32], cache: Cache<'_>, seen: &[Vec<u32>], out: &mut [f32]) {
    let width = q.len() / seen.len();
    let places: usize = seen.iter().map(Vec::len).sum();
    if parts(2 * places * width, 1) == 1 {
        return attention::rows(q, cache, seen, out);
    }
    let heads = cache.kv_width / cache.head_dim;
    let share = width / heads;
    let ranges: Vec<Range<usize>> = (0..heads)
        .map(|head| head * share..(head + 1) * share)
        .collect();
    let tiles = q
        .chunks(attention::ROWS * width)
        .zip(seen.chunks(attention::ROWS));
    let mut items: Vec<_> = tiles
        .zip(out.chunks_mut(attention::ROWS * width))
        .flat_map(|((q, seen), out)| {
            let heads = columns(out, width, &ranges).into_iter().enumerate();
            heads.map(move |(head, out)| (q, seen, head, out))
        })
        .collect();
    // Later rows see more and take longer.
    items.reverse();
    each(items, |(q, seen, head, out)| {
        let columns = ranges[head].clone();
        let rows = q.chunks_exact(width).flat_map(|row| &row[columns.clone()]);
        let q: Vec<f32> = rows.copied().collect();
        let cache = Cache {
            first_head: head,
            heads: 1,
            ..cache
        };
        fill(out, |out| attention::rows(&q, cache, seen, out));
    });
}

/// Log-probability and most probable index, `[count, 2]`, of each of `targets` in the row of `logits [rows, vocab]` that stands at
/// the same place of `rows`. Targets of one row stand together.
pub(super) fn score(logits: &[f32], vocab: usize, rows: &[i32], targets: &[i32]) -> Vec<f32> {
    let mut out = vec![0.0; 2 * targets.len()];
    let (mut rest, mut done) = (out.as_mut_slice(), 0);
    let mut items = Vec::new();
    for run in rows.chunk_by(|a, b| a == b) {
        let (own, others) = rest.split_at_mut(2 * run.len());
        items.push((run[0] as usize, &targets[done..][..run.len()], own));
        (rest, done) = (others, done + run.len());
    }
    each(items, |(row, targets, out)| {
        let logits = &logits[row * vocab..][..vocab];
        let summary = Summary::new(logits);
        for (out, &target) in out.as_chunks_mut().0.iter_mut().zip(targets) {
            *out = [
                summary.logprob(logits[target as usize]),
                summary.best as f32,
            ];
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::fresh::written;
    use super::super::noise;
    use super::pool::Pool;
    use super::*;

    /// What `compute` gives with 1, 2 and 3 threads; demands equal bits.
    #[track_caller]
    fn check(mut compute: impl FnMut() -> Vec<f32>) {
        let mut bits = |threads: usize| {
            let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
            for _ in 1..threads {
                thread::spawn(|| pool.help());
            }
            while pool.threads() < threads {
                thread::yield_now();
            }
            OWN.set(Some(pool));
            assert_eq!(count(), threads);
            let values = compute();
            OWN.set(None);
            values.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let one = bits(1);
        assert!(one.iter().any(|&bits| bits != 0));
        for threads in [2, 3] {
            assert!(bits(threads) == one, "{threads} threads");
        }
    }

    #[test]
    fn products_are_equal_to_the_bit() {
        // Columns beyond a multiple of a panel.
        for (k, n) in [(256, 1000), (512, 40 * PANEL + 3)] {
            for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::F32] {
                let words = noise::panels(format, n, k);
                let weights = Matrix {
                    words: &words,
                    format,
                    n,
                };
                for rows in [1, 2, 4, 5, 17, 33, 128, 201, 300] {
                    let mut x = noise::numbers(rows * k);
                    x[(rows - 1) * k + 40] = 77.0;
                    // SAFETY: a product writes everything.
                    check(|| unsafe { written(rows * n, |out| matmul(&x, k, &weights, out)) });
                }
            }
        }
    }

    #[test]
    fn attention_is_equal_to_the_bit() {
        let (heads, kv_heads, head_dim, places) = (6, 3, 36, 400);
        let kept = noise::numbers(places * 2 * kv_heads * head_dim);
        let cache = Cache {
            blocks: &kept,
            kv_width: kv_heads * head_dim,
            head_dim,
            first_head: 0,
            heads: kv_heads,
        };
        for rows in [1, 3, attention::ROWS, 2 * attention::ROWS + 5] {
            let q = noise::numbers(rows * heads * head_dim);
            // Branches: each row sees a path of its own and itself.
            let row = |row: usize| {
                (0..350 - 3 * row as u32)
                    .chain([350 + row as u32])
                    .collect()
            };
            let seen: Vec<Vec<u32>> = (0..rows).map(row).collect();
            check(|| {
                let mut out = vec![0.0; q.len()];
                attention(&q, cache, &seen, &mut out);
                out
            });
        }
    }

    #[test]
    fn rows_and_scores_are_equal_to_the_bit() {
        let x = noise::numbers(70 * 576);
        let weight = noise::numbers(576);
        // SAFETY: all rows are written.
        check(|| unsafe {
            written(x.len(), |out| {
                rows(out, 576, 4, |at, out| {
                    super::super::norm::rms_norm(&x[at..][..out.len()], &weight, 1e-5, out);
                });
            })
        });
        // SAFETY: as above.
        check(|| unsafe {
            written(x.len() / 2, |out| {
                rows(out, 16, 16, |at, out| {
                    super::super::gate::swiglu(&x[2 * at..][..2 * out.len()], 16, out);
                });
            })
        });
        check(|| score(&x, 576, &[0, 0, 3, 7, 7, 7, 69], &[5, 0, 575, 1, 1, 2, 3]));
    }

    #[test]
    fn what_is_split_is_whole() {
        for (total, parts, unit) in [
            (0, 3, 8),
            (1, 4, 16),
            (100, 3, 16),
            (576, 8, 16),
            (4096, 8, 16),
        ] {
            let ranges = ranges(total, parts, unit);
            assert!(ranges.len() <= parts);
            assert_eq!(ranges.iter().map(Range::len).sum::<usize>(), total);
            assert!(ranges.iter().all(|range| range.start.is_multiple_of(unit)));
            let units = ranges.iter().map(|range| range.len().div_ceil(unit));
            let (least, most) = (units.clone().min(), units.max());
            assert!(most <= least.map(|least| least + 1));
        }
    }
}
