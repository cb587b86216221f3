//! Activations times a packed matrix.
//!
//! For each panel and block the weights are expanded once into 16-bit pairs, which stay in the first cache and serve all
//! rows, several at a time. Within a block sums are exact integers; across blocks they add up in f32, in ascending k, one
//! accumulator per output.

use wide::f32x4;

use super::isa::{Isa, Portable};
use super::pack::{PAIRS, PANEL};
use super::quantize::{Activations, Pairs, Quantized, RowBlock, Rows};
use super::widest::widest;
use crate::{BLOCK, Format};

// No sum within a block overflows, so its order is free.
const _: () = assert!(
    32767 * 15 * BLOCK as i64 <= i32::MAX as i64 && 32767 * 128 * BLOCK as i64 <= i32::MAX as i64
);

/// A matrix of [`Format::Q4`] or [`Format::Q8`], in panels.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) quants: &'a [i32],
    pub(super) scales: &'a [f32],
    pub(super) format: Format,
    /// Output features.
    pub(super) n: usize,
}

impl Matrix<'_> {
    fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }
}

widest! {
    /// `out [rows, n] = x · Wᵀ`.
    pub(super) fn quantized(isa; x: &Activations, weights: &Matrix<'_>, out: &mut [f32]) {
        panels(isa, x, weights, out);
    }
}

/// Rows that share one widening of the weights: their tiles and one block of their activations fit the first cache.
const ROWS_MAX: usize = 256;

/// All panels, as many side by side as the instruction set holds.
#[inline(always)]
fn panels<I: Isa>(isa: I, x: &Activations, weights: &Matrix<'_>, out: &mut [f32]) {
    match weights.format {
        Format::Q4 => all_rows::<I, Q4>(isa, x, weights, out),
        _ => all_rows::<I, Q8>(isa, x, weights, out),
    }
}

#[inline(always)]
fn all_rows<I: Isa, Q: Quants>(isa: I, x: &Activations, weights: &Matrix<'_>, out: &mut [f32]) {
    for (chunk, out) in out.chunks_mut(ROWS_MAX * weights.n).enumerate() {
        let first = chunk * ROWS_MAX;
        let rows = x.rows(first..first + out.len() / weights.n);
        match rows.count() {
            1 => few::<I, Q, 1>(isa, &rows, weights, out),
            2 => few::<I, Q, 2>(isa, &rows, weights, out),
            3 => few::<I, Q, 3>(isa, &rows, weights, out),
            4 => few::<I, Q, 4>(isa, &rows, weights, out),
            _ => many::<I, Q>(isa, &rows, weights, out),
        }
    }
}

/// Up to 4 rows: weights are widened in registers and used there.
#[inline(always)]
fn few<I: Isa, Q: Quants, const N: usize>(
    isa: I,
    rows: &Rows<'_>,
    weights: &Matrix<'_>,
    out: &mut [f32],
) {
    for panel in (0..weights.panels()).step_by(I::PANELS) {
        let mut tiles = [isa.splat(0.0); N];
        for block in 0..rows.blocks() {
            let weights = Block::<I>::read::<Q>(isa, weights, panel, block, rows.blocks());
            weights.prefetch::<Q>(isa, rows.blocks());
            if let Some((pairs, scales)) = rows.block(block).as_chunk::<N>(0) {
                let sums = Q::streamed(isa, weights.quants, pairs);
                weights.add(isa, sums, scales, &mut tiles);
            }
            for (row, left) in rows.leftovers(block) {
                let sums = Q::streamed(isa, weights.quants, &[left.pairs]);
                let tile = std::array::from_mut(&mut tiles[row]);
                weights.add(isa, sums, &[left.scale], tile);
            }
        }
        store(isa, &tiles, panel, weights.n, out);
    }
}

/// Any number of rows: weights are widened into a buffer, which then serves all of them.
#[inline(always)]
fn many<I: Isa, Q: Quants>(isa: I, rows: &Rows<'_>, weights: &Matrix<'_>, out: &mut [f32]) {
    let mut buffer = [isa.widened_zero(); PAIRS];
    let mut tiles = vec![isa.splat(0.0); rows.count()];
    for panel in (0..weights.panels()).step_by(I::PANELS) {
        tiles.fill(isa.splat(0.0));
        for block in 0..rows.blocks() {
            let weights = Block::<I>::read::<Q>(isa, weights, panel, block, rows.blocks());
            Q::widen(isa, weights.quants, &mut buffer);
            let activations = rows.block(block);
            let mut done = 0;
            if I::ROWS == 8 {
                done = weights.add_chunks::<8>(isa, &buffer, &activations, &mut tiles, done);
            }
            done = weights.add_chunks::<4>(isa, &buffer, &activations, &mut tiles, done);
            weights.add_chunks::<1>(isa, &buffer, &activations, &mut tiles, done);
            for (row, left) in rows.leftovers(block) {
                let tile = std::array::from_mut(&mut tiles[row]);
                let sums = buffered(isa, &buffer, &[left.pairs]);
                weights.add(isa, sums, &[left.scale], tile);
            }
        }
        store(isa, &tiles, panel, weights.n, out);
    }
}

/// Writes the panels' tiles into their columns; the last panel may be narrower.
#[inline(always)]
fn store<I: Isa>(isa: I, tiles: &[I::Floats], panel: usize, n: usize, out: &mut [f32]) {
    let columns = panel * PANEL..n.min((panel + I::PANELS) * PANEL);
    for (row, tile) in out.chunks_exact_mut(n).zip(tiles) {
        isa.store(*tile, &mut row[columns.clone()]);
    }
}

/// How the weights of a block lie in memory.
///
/// No closures here and below: they would not be compiled for the instruction set.
trait Quants {
    /// Bytes of one block of one panel.
    const BYTES: usize;
    /// Vectors of scales, and perhaps of minima, that go with it.
    const SCALES: usize;
    /// Widens a block.
    fn widen<I: Isa>(isa: I, panels: [&[u8]; 2], into: &mut [I::Pair; PAIRS]);
    /// Integer sums of a block, each pair of weights widened where it is used.
    fn streamed<I: Isa, const N: usize>(
        isa: I,
        panels: [&[u8]; 2],
        rows: &[Pairs; N],
    ) -> [I::Sums; N];
}

struct Q4;

impl Quants for Q4 {
    const BYTES: usize = PAIRS * PANEL;
    const SCALES: usize = 2;

    #[inline(always)]
    fn widen<I: Isa>(isa: I, panels: [&[u8]; 2], into: &mut [I::Pair; PAIRS]) {
        let (left, right) = (panels[0].as_chunks().0, panels[1].as_chunks().0);
        for (i, four) in into.as_chunks_mut().0.iter_mut().enumerate() {
            *four = isa.widen_q4([&left[i], &right[i]]);
        }
    }

    #[inline(always)]
    fn streamed<I: Isa, const N: usize>(
        isa: I,
        panels: [&[u8]; 2],
        rows: &[Pairs; N],
    ) -> [I::Sums; N] {
        let (left, right) = (panels[0].as_chunks().0, panels[1].as_chunks().0);
        let mut sums = [isa.zero(); N];
        // Sums twice as many fit the registers only for few rows; for more the shifts are shared.
        if N > 2 {
            for i in 0..PAIRS / 4 {
                let weights = isa.widen_q4([&left[i], &right[i]]);
                for (pair, weights) in weights.iter().enumerate() {
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = isa.dot(*sum, row[4 * i + pair], *weights);
                    }
                }
            }
            return sums;
        }
        let mut sixteenfold = [isa.zero(); N];
        for i in 0..PAIRS / 4 {
            let [first, second, third, fourth] = isa.widen_q4_unshifted([&left[i], &right[i]]);
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

struct Q8;

impl Quants for Q8 {
    const BYTES: usize = 2 * PAIRS * PANEL;
    const SCALES: usize = 1;

    #[inline(always)]
    fn widen<I: Isa>(isa: I, panels: [&[u8]; 2], into: &mut [I::Pair; PAIRS]) {
        let (left, right) = (panels[0].as_chunks().0, panels[1].as_chunks().0);
        for (i, two) in into.as_chunks_mut().0.iter_mut().enumerate() {
            *two = isa.widen_q8([&left[i], &right[i]]);
        }
    }

    #[inline(always)]
    fn streamed<I: Isa, const N: usize>(
        isa: I,
        panels: [&[u8]; 2],
        rows: &[Pairs; N],
    ) -> [I::Sums; N] {
        let (left, right) = (panels[0].as_chunks().0, panels[1].as_chunks().0);
        let mut sums = [isa.zero(); N];
        for i in 0..PAIRS / 2 {
            let [first, second] = isa.widen_q8([&left[i], &right[i]]);
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = isa.dot(*sum, row[2 * i], first);
                *sum = isa.dot(*sum, row[2 * i + 1], second);
            }
        }
        sums
    }
}

/// Integer sums of a block that was widened before.
#[inline(always)]
fn buffered<I: Isa, const N: usize>(
    isa: I,
    widened: &[I::Pair; PAIRS],
    rows: &[Pairs; N],
) -> [I::Sums; N] {
    let mut sums = [isa.zero(); N];
    for (pair, weights) in widened.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = isa.dot(*sum, row[pair], *weights);
        }
    }
    sums
}

/// One block of the panels at work.
struct Block<'a, I: Isa> {
    /// Where only one panel is at work, or there is only one, it stands twice.
    quants: [&'a [u8]; 2],
    scale_bytes: [&'a [u8]; 2],
    scales: I::Floats,
    /// `None` where the format has no minima.
    minima: Option<I::Floats>,
}

impl<'a, I: Isa> Block<'a, I> {
    #[inline(always)]
    fn read<Q: Quants>(
        isa: I,
        weights: &Matrix<'a>,
        panel: usize,
        block: usize,
        blocks: usize,
    ) -> Self {
        let last = weights.panels() - 1;
        let at = [panel, (panel + I::PANELS - 1).min(last)].map(|panel| panel * blocks + block);
        let (quants, scales): (&[u8], _) = (
            bytemuck::cast_slice(weights.quants),
            weights.scales.as_chunks().0,
        );
        let minima = at.map(|at| &scales[(at + 1) * Q::SCALES - 1]);
        Self {
            scale_bytes: at.map(|at| bytemuck::cast_slice(&scales[at * Q::SCALES..][..Q::SCALES])),
            quants: at.map(|at| &quants[at * Q::BYTES..][..Q::BYTES]),
            scales: isa.load(at.map(|at| &scales[at * Q::SCALES])),
            minima: if Q::SCALES == 2 {
                Some(isa.load(minima))
            } else {
                None
            },
        }
    }

    /// Asks for the same block of the next panels: a panel is too short for the processor to see a stream in it.
    #[inline(always)]
    fn prefetch<Q: Quants>(&self, isa: I, blocks: usize) {
        let panels = I::PANELS * blocks;
        for i in 0..I::PANELS {
            isa.prefetch(self.quants[i], panels * Q::BYTES);
            isa.prefetch(self.scale_bytes[i], panels * Q::SCALES * 4 * PANEL);
        }
    }

    /// Rows from `done` on, `N` at a time; gives how far it came.
    #[inline(always)]
    fn add_chunks<const N: usize>(
        &self,
        isa: I,
        widened: &[I::Pair; PAIRS],
        rows: &RowBlock<'_>,
        tiles: &mut [I::Floats],
        mut done: usize,
    ) -> usize {
        while let (Some((pairs, scales)), Some(tiles)) =
            (rows.as_chunk::<N>(done), tiles[done..].first_chunk_mut())
        {
            self.add(isa, buffered(isa, widened, pairs), scales, tiles);
            done += N;
        }
        done
    }

    /// Adds this block's sums of `N` rows to their tiles.
    #[inline(always)]
    fn add<const N: usize>(
        &self,
        isa: I,
        sums: [I::Sums; N],
        scales: &[Quantized; N],
        tiles: &mut [I::Floats; N],
    ) {
        for ((sum, scale), tile) in sums.iter().zip(scales).zip(tiles) {
            let scales = isa.mul(isa.splat(scale.scale), self.scales);
            *tile = isa.add(*tile, isa.mul(isa.floats(*sum), scales));
            if let Some(minima) = self.minima {
                *tile = isa.add(*tile, isa.mul(isa.splat(scale.sum), minima));
            }
        }
    }
}

/// `out [rows, n] = x · Wᵀ` for [`Format::F32`]: `x [rows, k]` in f32, sums in ascending k.
pub(super) fn float(x: &[f32], quants: &[i32], k: usize, n: usize, out: &mut [f32]) {
    let weights: &[f32] = bytemuck::cast_slice(quants);
    for (panel, weights) in weights.chunks_exact(k * PANEL).enumerate() {
        let columns = panel * PANEL..n.min((panel + 1) * PANEL);
        for (row, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
            let mut sum = [f32x4::splat(0.0); 2];
            for (x, weights) in row.iter().zip(weights.as_chunks::<PANEL>().0) {
                let [left, right]: [f32x4; 2] = bytemuck::cast(*weights);
                sum[0] += f32x4::splat(*x) * left;
                sum[1] += f32x4::splat(*x) * right;
            }
            Portable.store(sum, &mut out[columns.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: usize = 5 * BLOCK;
    /// Two whole panels and one of 5 columns.
    const N: usize = 2 * PANEL + 5;

    /// Numbers in -1..1 that look random.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1_u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// Calls `test` with some rows, one of them with an outlier, and a matrix of each format.
    fn for_each_case(test: impl Fn(&[f32], &Matrix<'_>)) {
        for format in [Format::Q4, Format::Q8] {
            let words = N.div_ceil(PANEL) * PANEL * format.quant_words(K);
            let quants: Vec<i32> = noise(words)
                .iter()
                .map(|x| x.to_bits().swap_bytes() as i32)
                .collect();
            let scales = noise(N.div_ceil(PANEL) * PANEL * (K / BLOCK) * format.scales_per_block());
            for rows in (1..=13).chain([ROWS_MAX + 3]) {
                let mut x = noise(rows * K);
                x[(rows - 1) * K + 40] = 77.0;
                test(
                    &x,
                    &Matrix {
                        quants: &quants,
                        scales: &scales,
                        format,
                        n: N,
                    },
                );
            }
        }
    }

    fn product(x: &[f32], compute: impl Fn(&Activations, &mut [f32])) -> Vec<f32> {
        let mut out = vec![0.0; x.len() / K * N];
        compute(&Activations::new(x, K), &mut out);
        out
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
