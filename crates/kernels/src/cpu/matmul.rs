//! Activations times a packed matrix.
//!
//! For each panel and block the weights are expanded once into 16-bit pairs, which stay in the first cache and serve all
//! rows, several at a time. Within a block sums are exact integers; across blocks they add up in f32, in ascending k, one
//! accumulator per output.

use super::fresh::MaybeUninit;
use super::isa::Isa;
use super::pack::{
    Bytes, F32Block, Halves, Nibbles, PAIRS, PANEL, Q4_0Block, Q4_1Block, Q8_0Block,
};
use super::quantize::{Activations, Pairs, Quantized, RowBlock};
use super::widest::widest;
use crate::{BLOCK, Format};

// No sum within a block overflows, so its order is free.
const _: () = assert!(
    32767 * 16 * 15 * BLOCK as i64 <= i32::MAX as i64
        && 32767 * 128 * BLOCK as i64 <= i32::MAX as i64
);

/// A matrix in panels; see [`super::pack`].
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) words: &'a [i32],
    pub(super) format: Format,
    /// Output features.
    pub(super) n: usize,
}

/// Rows of a result, each as long as the matrix has columns.
pub(super) type Out<'a, 'b> = &'a mut [&'b mut [MaybeUninit<f32>]];

widest! {
    /// `out [rows, n] = x · Wᵀ`, for quantised formats; `x` are all rows, [`Activations::ROWS`] at a time.
    pub(super) fn quantized(isa; x: &[Activations], weights: &Matrix<'_>, out: Out<'_, '_>) {
        panels(isa, x, weights, out);
    }
}

/// Activations that share one widening of the weights: their tiles and one block of them fit the first cache.
const TOGETHER: usize = 128 / Activations::ROWS;

#[inline(always)]
fn panels<I: Isa>(isa: I, x: &[Activations], weights: &Matrix<'_>, out: Out<'_, '_>) {
    let words = weights.words;
    match weights.format {
        Format::Q4_0 => all_rows::<I, Q4_0Block>(isa, x, bytemuck::cast_slice(words), out),
        Format::Q4_1 => all_rows::<I, Q4_1Block>(isa, x, bytemuck::cast_slice(words), out),
        _ => all_rows::<I, Q8_0Block>(isa, x, bytemuck::cast_slice(words), out),
    }
}

/// `blocks [panels, k / 32]`.
#[inline(always)]
fn all_rows<I: Isa, B: Block>(isa: I, x: &[Activations], blocks: &[B], out: Out<'_, '_>) {
    let outs = out.chunks_mut(TOGETHER * Activations::ROWS);
    for (x, out) in x.chunks(TOGETHER).zip(outs) {
        match out.len() {
            1 => few::<I, B, 1>(isa, &x[0], blocks, out),
            2 => few::<I, B, 2>(isa, &x[0], blocks, out),
            3 if I::ROWS >= 4 => few::<I, B, 3>(isa, &x[0], blocks, out),
            4 if I::ROWS >= 4 => few::<I, B, 4>(isa, &x[0], blocks, out),
            _ => many::<I, B>(isa, x, blocks, out),
        }
    }
}

/// Panels that are read at the same time, far from each other: where a product waits for memory, several long streams bring up to
/// half as much again as one.
const STREAMS: usize = 4;

/// As many rows as sums fit registers: weights are widened in registers and used there.
#[inline(always)]
fn few<I: Isa, B: Block, const N: usize>(isa: I, x: &Activations, blocks: &[B], out: Out<'_, '_>) {
    let count = blocks.len() / x.blocks();
    let apart = count / STREAMS;
    for first in 0..apart {
        let panels: [usize; STREAMS] = std::array::from_fn(|stream| first + stream * apart);
        some_panels::<I, B, N, STREAMS>(isa, x, blocks, panels, out);
    }
    for panel in apart * STREAMS..count {
        some_panels::<I, B, N, 1>(isa, x, blocks, [panel], out);
    }
}

/// One block of each of the panels after the other.
#[inline(always)]
fn some_panels<I: Isa, B: Block, const N: usize, const S: usize>(
    isa: I,
    x: &Activations,
    blocks: &[B],
    panels: [usize; S],
    out: Out<'_, '_>,
) {
    let mut tiles = [[isa.splat(0.0); N]; S];
    for block in 0..x.blocks() {
        let rows = x.block(block);
        for (panel, tiles) in panels.iter().zip(&mut tiles) {
            let weights = &blocks[panel * x.blocks() + block];
            let scales = Scales::of(isa, weights);
            if let Some((pairs, quantized)) = rows.first_chunk::<N>() {
                let sums = weights
                    .quants()
                    .streamed(isa, pairs, begin::<I, B, N>(isa, quantized));
                scales.add(isa, sums, quantized, tiles);
            }
            for left in rows.leftovers {
                let sums = begin::<I, B, 1>(isa, &[left.scale]);
                let sums = weights.quants().streamed(isa, &[left.pairs], sums);
                let tile = std::array::from_mut(&mut tiles[left.row]);
                scales.add(isa, sums, &[left.scale], tile);
            }
        }
    }
    for (panel, tiles) in panels.iter().zip(&tiles) {
        store(isa, tiles, *panel, out);
    }
}

/// Any number of rows: weights are widened into a buffer, which then serves all of them.
#[inline(always)]
fn many<I: Isa, B: Block>(isa: I, x: &[Activations], blocks: &[B], out: Out<'_, '_>) {
    let mut widened = [isa.widened_zero(); PAIRS];
    let mut tiles = vec![isa.splat(0.0); out.len()];
    for (panel, blocks) in blocks.chunks_exact(x[0].blocks()).enumerate() {
        tiles.fill(isa.splat(0.0));
        for (block, weights) in blocks.iter().enumerate() {
            weights.quants().widen(isa, &mut widened);
            let scales = Scales::of(isa, weights);
            for (x, tiles) in x.iter().zip(tiles.chunks_mut(Activations::ROWS)) {
                let (rows, mut done) = (x.block(block), 0);
                if I::ROWS >= 8 {
                    done = scales.add_chunks::<B, 8>(isa, &widened, &rows, tiles, done);
                }
                if I::ROWS >= 4 {
                    done = scales.add_chunks::<B, 4>(isa, &widened, &rows, tiles, done);
                }
                done = scales.add_chunks::<B, 2>(isa, &widened, &rows, tiles, done);
                scales.add_chunks::<B, 1>(isa, &widened, &rows, tiles, done);
                for left in rows.leftovers {
                    let tile = std::array::from_mut(&mut tiles[left.row]);
                    let sums = begin::<I, B, 1>(isa, &[left.scale]);
                    let sums = buffered(isa, &widened, &[left.pairs], sums);
                    scales.add(isa, sums, &[left.scale], tile);
                }
            }
        }
        store(isa, &tiles, panel, out);
    }
}

/// Writes a panel's tiles into its columns; the last panel may be narrower.
#[inline(always)]
fn store<I: Isa>(isa: I, tiles: &[I::Floats], panel: usize, out: Out<'_, '_>) {
    for (row, tile) in out.iter_mut().zip(tiles) {
        let mut values = [0.0; PANEL];
        isa.store(*tile, &mut values);
        let columns = &mut row[panel * PANEL..];
        // A copy of as many as are known here is no call.
        match columns.first_chunk_mut() {
            Some(columns) => *columns = values.map(MaybeUninit::new),
            None => _ = columns.write_copy_of_slice(&values[..columns.len()]),
        }
    }
}

/// One block of a panel.
///
/// No closures here and below: they would not be compiled for the instruction set.
trait Block: bytemuck::Pod {
    /// What is subtracted from each quant.
    const OFFSET: i32;
    type Quants: Quants;
    fn quants(&self) -> &Self::Quants;
    /// One scale a column.
    fn scales(&self) -> &Halves;
    /// One minimum a column, if the format has any.
    fn minima(&self) -> Option<&Halves>;
}

impl Block for Q4_0Block {
    const OFFSET: i32 = 8;
    type Quants = Nibbles;

    #[inline(always)]
    fn quants(&self) -> &Nibbles {
        &self.quants
    }

    #[inline(always)]
    fn scales(&self) -> &Halves {
        &self.scales
    }

    #[inline(always)]
    fn minima(&self) -> Option<&Halves> {
        None
    }
}

impl Block for Q4_1Block {
    const OFFSET: i32 = 0;
    type Quants = Nibbles;

    #[inline(always)]
    fn quants(&self) -> &Nibbles {
        &self.quants
    }

    #[inline(always)]
    fn scales(&self) -> &Halves {
        &self.scales
    }

    #[inline(always)]
    fn minima(&self) -> Option<&Halves> {
        Some(&self.minima)
    }
}

impl Block for Q8_0Block {
    const OFFSET: i32 = 0;
    type Quants = Bytes;

    #[inline(always)]
    fn quants(&self) -> &Bytes {
        &self.quants
    }

    #[inline(always)]
    fn scales(&self) -> &Halves {
        &self.scales
    }

    #[inline(always)]
    fn minima(&self) -> Option<&Halves> {
        None
    }
}

/// The quants of a block, 4 or 8 bits each.
trait Quants {
    /// Widens all weights.
    fn widen<I: Isa>(&self, isa: I, into: &mut [I::Pair; PAIRS]);
    /// Adds to integer sums, each pair of weights widened where it is used.
    fn streamed<I: Isa, const N: usize>(
        &self,
        isa: I,
        rows: &[Pairs; N],
        sums: [I::Sums; N],
    ) -> [I::Sums; N];
}

impl Quants for Nibbles {
    #[inline(always)]
    fn widen<I: Isa>(&self, isa: I, into: &mut [I::Pair; PAIRS]) {
        for (four, words) in into.as_chunks_mut().0.iter_mut().zip(self) {
            *four = isa.widen_q4(words);
        }
    }

    #[inline(always)]
    fn streamed<I: Isa, const N: usize>(
        &self,
        isa: I,
        rows: &[Pairs; N],
        mut sums: [I::Sums; N],
    ) -> [I::Sums; N] {
        // Two sums a row save shifts, where they fit the registers.
        if N > I::ROWS_TWICE {
            for (i, words) in self.iter().enumerate() {
                let weights = isa.widen_q4(words);
                for (pair, weights) in weights.iter().enumerate() {
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = isa.dot(*sum, row[4 * i + pair], *weights);
                    }
                }
            }
            return sums;
        }
        let mut sixteenfold = [isa.sums(0); N];
        for (i, words) in self.iter().enumerate() {
            let [first, second, third, fourth] = isa.widen_q4_unshifted(words);
            for ((sum, high), row) in sums.iter_mut().zip(&mut sixteenfold).zip(rows) {
                *sum = isa.dot(*sum, row[4 * i], first);
                *high = isa.dot(*high, row[4 * i + 1], second);
                *sum = isa.dot(*sum, row[4 * i + 2], third);
                *high = isa.dot(*high, row[4 * i + 3], fourth);
            }
        }
        for (sum, high) in sums.iter_mut().zip(sixteenfold) {
            *sum = isa.add_sixteenth(*sum, high);
        }
        sums
    }
}

impl Quants for Bytes {
    #[inline(always)]
    fn widen<I: Isa>(&self, isa: I, into: &mut [I::Pair; PAIRS]) {
        for (two, bytes) in into.as_chunks_mut().0.iter_mut().zip(self) {
            *two = isa.widen_q8(bytes);
        }
    }

    #[inline(always)]
    fn streamed<I: Isa, const N: usize>(
        &self,
        isa: I,
        rows: &[Pairs; N],
        mut sums: [I::Sums; N],
    ) -> [I::Sums; N] {
        for (i, bytes) in self.iter().enumerate() {
            let [first, second] = isa.widen_q8(bytes);
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = isa.dot(*sum, row[2 * i], first);
                *sum = isa.dot(*sum, row[2 * i + 1], second);
            }
        }
        sums
    }
}

/// Integer sums that already hold what a format's offset takes from them: `Σ x · (q - o) = Σ x · q - o · Σ x`.
#[inline(always)]
fn begin<I: Isa, B: Block, const N: usize>(isa: I, rows: &[Quantized; N]) -> [I::Sums; N] {
    let mut sums = [isa.sums(0); N];
    if B::OFFSET != 0 {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = isa.sums(row.total.wrapping_mul(-B::OFFSET)); // only infinite activations wrap
        }
    }
    sums
}

/// Adds to integer sums of a block that was widened before.
///
/// One pair at a time: what is unrolled LLVM puts in order sum by sum for wasm, which takes more registers than there are, and
/// twice as long.
#[inline(always)]
fn buffered<I: Isa, const N: usize>(
    isa: I,
    widened: &[I::Pair; PAIRS],
    rows: &[Pairs; N],
    mut sums: [I::Sums; N],
) -> [I::Sums; N] {
    for (pair, weights) in widened.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = isa.dot(*sum, row[pair], *weights);
        }
    }
    sums
}

/// What a block's sums are multiplied with.
struct Scales<I: Isa> {
    scales: I::Floats,
    /// `None` where the format has no minima.
    minima: Option<I::Floats>,
}

impl<I: Isa> Scales<I> {
    #[inline(always)]
    fn of(isa: I, block: &impl Block) -> Self {
        let mut minima = None;
        if let Some(values) = block.minima() {
            minima = Some(isa.halves(values));
        }
        Self {
            scales: isa.halves(block.scales()),
            minima,
        }
    }

    /// Rows from `done` on, `N` at a time; gives how far it came.
    #[inline(always)]
    fn add_chunks<B: Block, const N: usize>(
        &self,
        isa: I,
        widened: &[I::Pair; PAIRS],
        rows: &RowBlock<'_>,
        tiles: &mut [I::Floats],
        done: usize,
    ) -> usize {
        let (pairs, quantized) = rows.chunks::<N>(done);
        let tiles = tiles[done..].as_chunks_mut().0;
        for ((pairs, quantized), tiles) in pairs.iter().zip(quantized).zip(tiles) {
            let sums = buffered(isa, widened, pairs, begin::<I, B, N>(isa, quantized));
            self.add(isa, sums, quantized, tiles);
        }
        done + pairs.len() * N
    }

    /// Adds a block's sums of `N` rows to their tiles.
    #[inline(always)]
    fn add<const N: usize>(
        &self,
        isa: I,
        sums: [I::Sums; N],
        rows: &[Quantized; N],
        tiles: &mut [I::Floats; N],
    ) {
        for ((sum, row), tile) in sums.iter().zip(rows).zip(tiles) {
            let scales = isa.mul(isa.splat(row.scale), self.scales);
            let mut total = isa.add(*tile, isa.mul(isa.floats(*sum), scales));
            if let Some(minima) = self.minima {
                total = isa.add(total, isa.mul(isa.splat(row.sum), minima));
            }
            *tile = total; // written once
        }
    }
}

widest! {
    /// `out [rows, n] = x · Wᵀ` for [`Format::F32`]: `x [rows, k]` in f32, sums in ascending k.
    pub(super) fn float(isa; x: &[f32], words: &[i32], k: usize, out: Out<'_, '_>) {
        let blocks: &[F32Block] = bytemuck::cast_slice(words);
        for (panel, blocks) in blocks.chunks_exact(k / BLOCK).enumerate() {
            for (x, out) in x.chunks_exact(k).zip(out.iter_mut()) {
                let mut sum = isa.splat(0.0);
                for (x, weights) in x.iter().zip(blocks.as_flattened()) {
                    sum = isa.add(sum, isa.mul(isa.splat(*x), isa.load(weights)));
                }
                store(isa, &[sum], panel, std::array::from_mut(out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fresh::written;
    use super::super::isa::Portable;
    use super::super::noise;
    use super::*;

    const K: usize = 5 * BLOCK;
    /// Two whole panels and one of 5 columns.
    const N: usize = 2 * PANEL + 5;

    /// Calls `test` with some rows, one of them with an outlier, and a matrix of each format.
    fn for_each_case(test: impl Fn(&[f32], &Matrix<'_>)) {
        for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0] {
            let words = noise::panels(format, N, K);
            for rows in (1..=13).chain([33, 3 + 128]) {
                let mut x = noise::numbers(rows * K);
                x[(rows - 1) * K + 40] = 77.0;
                let matrix = Matrix {
                    words: &words,
                    format,
                    n: N,
                };
                test(&x, &matrix);
            }
        }
    }

    fn product(x: &[f32], compute: impl Fn(&[Activations], Out<'_, '_>)) -> Vec<f32> {
        let count = x.len() / K * N;
        let x = x.chunks(Activations::ROWS * K);
        let x: Vec<_> = x.map(|x| Activations::new(x, K)).collect();
        let rows = |out: &mut [MaybeUninit<f32>]| {
            let mut rows: Vec<_> = out.chunks_mut(N).collect();
            compute(&x, &mut rows);
        };
        // SAFETY: products write everything.
        unsafe { written(count, rows) }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for_each_case(|x, weights| {
            let want = product(x, |x, out| panels(Portable, x, weights, out));
            #[cfg(target_arch = "x86_64")]
            {
                use super::super::isa::{Avx2, Avx512};
                if let Some(isa) = Avx2::find() {
                    assert_eq!(product(x, |x, out| panels(isa, x, weights, out)), want);
                }
                if let Some(isa) = Avx512::find() {
                    assert_eq!(product(x, |x, out| panels(isa, x, weights, out)), want);
                }
            }
            assert_eq!(product(x, |x, out| quantized(x, weights, out)), want);
        });
    }

    #[test]
    fn a_row_does_not_depend_on_the_others() {
        for_each_case(|x, weights| {
            let together = product(x, |x, out| quantized(x, weights, out));
            for (row, together) in x.chunks_exact(K).zip(together.chunks_exact(N)) {
                assert_eq!(product(row, |x, out| quantized(x, weights, out)), together);
            }
        });
    }
}
