//! The CPU lane: burn-flex holds the tensors, the loops are here. simd128 in wasm, NEON or SSE2 natively, and AVX2 or AVX-512
//! where the processor has them ([`isa`], [`widest`]).
//!
//! **Invariant:** a row's result depends on that row alone, never on how many rows are computed with it.

mod attention;
mod embed;
mod gate;
mod isa;
mod math;
mod matmul;
mod norm;
pub(crate) mod pack;
mod quantize;
mod rope;
mod score;
pub mod threads;
mod widest;

use burn::tensor::TensorData;
use burn_flex::{Flex, FlexTensor};

use crate::{BLOCK, Format, ops::LanguageOps};

/// Values of a tensor in row-major order.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// Slice over a contiguous f32 tensor.
fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous f32 tensor")
}

/// Slice over a contiguous i32 tensor.
fn words(tensor: &FlexTensor) -> &[i32] {
    tensor.as_slice().expect("a contiguous i32 tensor")
}

fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

fn dims(tensor: &FlexTensor) -> [usize; 2] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1]]
}

/// A row's line of the tree; see [`crate::ops`].
#[derive(Clone, Copy)]
struct Row {
    position: usize,
    path: u32,
    end: usize,
}

/// The lines of a contiguous tree.
fn rows_of(tree: &FlexTensor) -> impl Iterator<Item = Row> {
    let lines = words(tree).as_chunks().0.iter();
    lines.map(|&[position, path, end]| Row {
        position: position as usize,
        path: path as u32,
        end: end as usize,
    })
}

/// Places of the cache that `row` sees, in the order of positions.
fn seen(tree: &[Row], base: usize, row: usize) -> Vec<u32> {
    let above = (0..=row).filter(|&other| tree[other].end > row);
    (0..tree[row].path)
        .chain(above.map(|other| (base + other) as u32))
        .collect()
}

impl LanguageOps for Flex {
    fn embed(
        tokens: FlexTensor,
        quants: FlexTensor,
        scales: FlexTensor,
        format: Format,
        k: usize,
    ) -> FlexTensor {
        let tokens = contiguous(tokens);
        let mut out = vec![0.0; words(&tokens).len() * k];
        let (ids, quants, scales) = (words(&tokens), words(&quants), floats(&scales));
        threads::rows(&mut out, k, 4, |at, out| {
            for (&token, row) in ids[at / k..].iter().zip(out.chunks_exact_mut(k)) {
                embed::row(token as usize, quants, scales, format, row);
            }
        });
        matrix(out, ids.len(), k)
    }

    fn rms_norm(x: FlexTensor, weight: FlexTensor, epsilon: f32) -> FlexTensor {
        let ([rows, k], x) = (dims(&x), contiguous(x));
        let mut out = vec![0.0; rows * k];
        let (x, weight) = (floats(&x), floats(&weight));
        threads::rows(&mut out, k, 4, |at, out| {
            norm::rms_norm(&x[at..][..out.len()], weight, epsilon, out);
        });
        matrix(out, rows, k)
    }

    fn matmul(
        x: FlexTensor,
        quants: FlexTensor,
        scales: FlexTensor,
        format: Format,
        n: usize,
    ) -> FlexTensor {
        let ([rows, k], x) = (dims(&x), contiguous(x));
        let mut out = vec![0.0; rows * n];
        let weights = matmul::Matrix {
            quants: words(&quants),
            scales: floats(&scales),
            format,
            n,
        };
        threads::matmul(floats(&x), k, &weights, &mut out);
        matrix(out, rows, n)
    }

    fn rope(
        x: FlexTensor,
        cos: FlexTensor,
        sin: FlexTensor,
        tree: FlexTensor,
        head_dim: usize,
    ) -> FlexTensor {
        let ([rows, width], x) = (dims(&x), contiguous(x));
        let pairs = dims(&cos)[1];
        let mut out = floats(&x).to_vec();
        let tree: Vec<Row> = rows_of(&contiguous(tree)).collect();
        let (cos, sin) = (floats(&cos), floats(&sin));
        threads::rows(&mut out, width, 2, |at, out| {
            for (row, place) in out.chunks_exact_mut(width).zip(&tree[at / width..]) {
                let at = place.position * pairs..(place.position + 1) * pairs;
                for head in row.chunks_exact_mut(head_dim) {
                    rope::rotate(head, &cos[at.clone()], &sin[at.clone()]);
                }
            }
        });
        matrix(out, rows, width)
    }

    fn kv_write(mut cache: FlexTensor, rows: FlexTensor, position: usize) -> FlexTensor {
        let (width, rows) = (dims(&rows)[1], contiguous(rows));
        assert!(cache.is_contiguous() && cache.layout().start_offset() == 0);
        let source = floats(&rows);
        // In place for a single owner; burn-flex copies the whole cache if another handle is alive.
        cache.storage_mut::<f32>()[position * width..][..source.len()].copy_from_slice(source);
        cache
    }

    fn attention(
        q: FlexTensor,
        keys: FlexTensor,
        values: FlexTensor,
        tree: FlexTensor,
        base: usize,
        head_dim: usize,
    ) -> FlexTensor {
        let ([rows, width], [_, kv_width], q) = (dims(&q), dims(&keys), contiguous(q));
        let mut out = vec![0.0; rows * width];
        let cache = attention::Cache {
            keys: floats(&keys),
            values: floats(&values),
            kv_width,
            head_dim,
            first_head: 0,
            heads: kv_width / head_dim,
        };
        let tree: Vec<Row> = rows_of(&contiguous(tree)).collect();
        let seen: Vec<Vec<u32>> = (0..rows).map(|row| seen(&tree, base, row)).collect();
        threads::attention(floats(&q), cache, &seen, &mut out);
        matrix(out, rows, width)
    }

    fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let ([rows, k], gate, up) = (dims(&gate), contiguous(gate), contiguous(up));
        let mut out = vec![0.0; rows * k];
        let (gate, up) = (floats(&gate), floats(&up));
        threads::rows(&mut out, BLOCK, 16, |at, out| {
            gate::swiglu(&gate[at..][..out.len()], &up[at..][..out.len()], out);
        });
        matrix(out, rows, k)
    }

    fn score(logits: FlexTensor, rows: FlexTensor, targets: FlexTensor) -> FlexTensor {
        let (vocab, logits) = (dims(&logits)[1], contiguous(logits));
        let (rows, targets) = (contiguous(rows), contiguous(targets));
        let out = threads::score(floats(&logits), vocab, words(&rows), words(&targets));
        let count = out.len() / 2;
        matrix(out, count, 2)
    }
}
