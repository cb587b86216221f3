//! The CPU lane: burn-flex holds the tensors, the loops are here. simd128 in wasm, NEON or SSE2 natively, and AVX2 or AVX-512
//! where the processor has them ([`isa`], [`widest`]).
//!
//! **Invariant:** a row's result depends on that row alone, never on how many rows are computed with it.

mod attention;
mod cache;
mod embed;
mod fresh;
mod gate;
mod isa;
mod math;
mod matmul;
#[cfg(test)]
mod noise;
mod norm;
pub(crate) mod pack;
mod pages;
mod quantize;
mod rope;
mod score;
pub mod threads;
mod warm;
mod widest;

pub use warm::warm_up;

use burn::tensor::TensorData;
use burn_flex::{Flex, FlexTensor};

use crate::Format;
use crate::ops::{LARGEST_ROOM, LanguageOps};
use fresh::written;

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

/// The values of a contiguous tensor, to be written in place for a single owner; burn-flex copies all if another handle is alive.
fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    assert!(tensor.is_contiguous());
    let (first, count) = (
        tensor.layout().start_offset(),
        tensor.layout().num_elements(),
    );
    &mut tensor.storage_mut()[first..first + count]
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

/// `norm(x)`.
fn normed(x: FlexTensor, norm: &FlexTensor, epsilon: f32) -> FlexTensor {
    let ([rows, k], x) = (dims(&x), contiguous(x));
    let (x, weight) = (floats(&x), floats(norm));
    // SAFETY: all rows are written, of shapes that `ops` has checked.
    let out = unsafe {
        written(rows * k, |out| {
            threads::rows(out, k, 4, |at, out| {
                norm::rms_norm(&x[at..][..out.len()], weight, epsilon, out);
            });
        })
    };
    matrix(out, rows, k)
}

/// `x · Wᵀ` of a contiguous `x [rows, k]`, `[rows, n]`.
fn product(x: &FlexTensor, weights: &FlexTensor, format: Format, n: usize) -> Vec<f32> {
    let ([rows, k], x) = (dims(x), floats(x));
    let weights = matmul::Matrix {
        words: words(weights),
        format,
        n,
    };
    // SAFETY: a product writes everything; `ops` has checked the shapes.
    unsafe { written(rows * n, |out| threads::matmul(x, k, &weights, out)) }
}

/// Cosines and sines of all positions; see [`crate::ops`].
struct Angles<'a> {
    values: &'a [f32],
    pairs: usize,
}

impl<'a> Angles<'a> {
    fn new(angles: &'a FlexTensor) -> Self {
        Self {
            values: floats(angles),
            pairs: dims(angles)[1] / 2,
        }
    }

    /// Turns the heads of one row to its position.
    fn turn(&self, heads: &mut [f32], position: usize, head_dim: usize) {
        let angles = &self.values[2 * position * self.pairs..][..2 * self.pairs];
        let (cos, sin) = angles.split_at(self.pairs);
        for head in heads.chunks_exact_mut(head_dim) {
            rope::rotate(head, cos, sin);
        }
    }
}

impl LanguageOps for Flex {
    fn embed(
        tokens: FlexTensor,
        weights: FlexTensor,
        _scales: FlexTensor,
        format: Format,
        k: usize,
    ) -> FlexTensor {
        let tokens = contiguous(tokens);
        let mut out = vec![0.0; words(&tokens).len() * k];
        let (ids, panels) = (words(&tokens), words(&weights));
        threads::rows(&mut out, k, 4, |at, out| {
            for (&token, row) in ids[at / k..].iter().zip(out.chunks_exact_mut(k)) {
                embed::row(token as usize, panels, format, row);
            }
        });
        matrix(out, ids.len(), k)
    }

    fn project(
        x: FlexTensor,
        norm: FlexTensor,
        epsilon: f32,
        weights: FlexTensor,
        _scales: FlexTensor,
        format: Format,
        n: usize,
    ) -> FlexTensor {
        let rows = dims(&x)[0];
        let normed = normed(x, &norm, epsilon);
        let out = product(&normed, &weights, format, n);
        matrix(out, rows, n)
    }

    fn project_gated(
        x: FlexTensor,
        norm: FlexTensor,
        epsilon: f32,
        weights: FlexTensor,
        scales: FlexTensor,
        format: Format,
        n: usize,
    ) -> FlexTensor {
        Self::swiglu(Self::project(x, norm, epsilon, weights, scales, format, n))
    }

    fn swiglu(both: FlexTensor) -> FlexTensor {
        let ([rows, width], both) = (dims(&both), contiguous(both));
        let (both, k) = (floats(&both), width / 2);
        // SAFETY: all rows are written, of shapes that `ops` has checked.
        let out = unsafe {
            written(rows * k, |out| {
                threads::rows(out, k, 16, |at, out| {
                    gate::swiglu(&both[2 * at..][..2 * out.len()], k, out);
                });
            })
        };
        matrix(out, rows, k)
    }

    fn project_onto(
        onto: FlexTensor,
        x: FlexTensor,
        weights: FlexTensor,
        _scales: FlexTensor,
        format: Format,
    ) -> FlexTensor {
        let n = dims(&onto)[1];
        let out = product(&contiguous(x), &weights, format, n);
        let mut onto = contiguous(onto);
        for (sum, out) in values_mut(&mut onto).iter_mut().zip(out) {
            *sum += out;
        }
        onto
    }

    fn write_kv(
        mut cache: FlexTensor,
        qkv: FlexTensor,
        angles: FlexTensor,
        tree: FlexTensor,
        base: usize,
        head_dim: usize,
    ) -> FlexTensor {
        let ([_, width], kv_width, qkv) = (dims(&qkv), dims(&cache)[1], contiguous(qkv));
        let rows = floats(&qkv).chunks_exact(width);
        let blocks = values_mut(&mut cache);
        let (angles, tree) = (Angles::new(&angles), contiguous(tree));
        let mut turned = vec![0.0; kv_width / 2];
        for ((place, row), line) in (base..).zip(rows).zip(rows_of(&tree)) {
            let (key, value) = row[width - kv_width..].split_at(kv_width / 2);
            turned.copy_from_slice(key);
            angles.turn(&mut turned, line.position, head_dim);
            cache::write(blocks, place, head_dim, &turned, value);
        }
        cache
    }

    fn move_places(
        mut cache: FlexTensor,
        from: FlexTensor,
        to: usize,
        head_dim: usize,
    ) -> FlexTensor {
        let (kv_width, from) = (dims(&cache)[1] / 2, contiguous(from));
        let blocks = values_mut(&mut cache);
        for (to, &from) in (to..).zip(words(&from)) {
            cache::copy(blocks, kv_width, head_dim, from as usize, to);
        }
        cache
    }

    fn attention(
        qkv: FlexTensor,
        cache: FlexTensor,
        angles: FlexTensor,
        tree: FlexTensor,
        base: usize,
        head_dim: usize,
    ) -> FlexTensor {
        let ([rows, all], [_, kv_width], qkv) = (dims(&qkv), dims(&cache), contiguous(qkv));
        let width = all - kv_width;
        let tree: Vec<Row> = rows_of(&contiguous(tree)).collect();
        let angles = Angles::new(&angles);
        let mut q = Vec::with_capacity(rows * width);
        for (row, line) in floats(&qkv).chunks_exact(all).zip(&tree) {
            q.extend_from_slice(&row[..width]);
            let from = q.len() - width;
            angles.turn(&mut q[from..], line.position, head_dim);
        }
        let cache = cache::Cache {
            blocks: floats(&cache),
            kv_width: kv_width / 2,
            head_dim,
            first_head: 0,
            heads: kv_width / 2 / head_dim,
        };
        let seen: Vec<Vec<u32>> = (0..rows).map(|row| seen(&tree, base, row)).collect();
        let mut out = vec![0.0; rows * width];
        threads::attention(&q, cache, &seen, &mut out);
        matrix(out, rows, width)
    }

    fn score(logits: FlexTensor, rows: FlexTensor, targets: FlexTensor) -> FlexTensor {
        let (vocab, logits) = (dims(&logits)[1], contiguous(logits));
        let (rows, targets) = (contiguous(rows), contiguous(targets));
        let out = threads::score(floats(&logits), vocab, words(&rows), words(&targets));
        let count = out.len() / 2;
        matrix(out, count, 2)
    }

    fn largest(logits: FlexTensor, count: usize) -> FlexTensor {
        let (found, not_finite) = score::largest(floats(&contiguous(logits)), count);
        let mut out = vec![[0.0; 2]; 1 + LARGEST_ROOM];
        out[0] = [found.len() as f32, not_finite as f32];
        for (out, found) in out[1..].iter_mut().zip(found) {
            *out = found;
        }
        matrix(out.into_flattened(), 1 + LARGEST_ROOM, 2)
    }
}
