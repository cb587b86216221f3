//! The operations: one trait for both backends, and a function each that checks shapes once.
//!
//! `rows` is the number of tokens at work. Caches are `[places, kv_heads · head_dim]`, one tensor for keys and one for
//! values per layer, written in place.
//!
//! Rows may branch: `tree [rows, 3]` holds of each row its position in its sequence, its `path` and its `end`. A row sees the
//! first `path` places of the cache, and of the rows `j` up to itself those whose `end` is larger than its own index: `end` is
//! one past the last row that continues it. The rows stand in the cache from place `base` on.

use burn::backend::{
    Backend, Dispatch, backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{Int, Tensor};

use crate::{Format, Weight};

/// What a decoder needs beyond Burn's own operations.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex)]
pub trait LanguageOps: Backend {
    /// See [`embed`].
    fn embed(
        tokens: IntTensor<Self>,
        quants: IntTensor<Self>,
        scales: FloatTensor<Self>,
        format: Format,
        k: usize,
    ) -> FloatTensor<Self>;
    /// See [`rms_norm`].
    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, epsilon: f32)
    -> FloatTensor<Self>;
    /// See [`matmul`].
    fn matmul(
        x: FloatTensor<Self>,
        quants: IntTensor<Self>,
        scales: FloatTensor<Self>,
        format: Format,
        n: usize,
    ) -> FloatTensor<Self>;
    /// See [`rope`].
    fn rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        tree: IntTensor<Self>,
        head_dim: usize,
    ) -> FloatTensor<Self>;
    /// See [`kv_write`].
    fn kv_write(
        cache: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        position: usize,
    ) -> FloatTensor<Self>;
    /// See [`attention`].
    fn attention(
        q: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        tree: IntTensor<Self>,
        base: usize,
        head_dim: usize,
    ) -> FloatTensor<Self>;
    /// See [`swiglu`].
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`score`].
    fn score(
        logits: FloatTensor<Self>,
        rows: IntTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Rows of the embedding table: `tokens [rows]` → `[rows, k]`, dequantised. Every token must be below `table.n`.
pub fn embed(tokens: Tensor<1, Int>, table: &Weight) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as LanguageOps>::embed(
        tokens.into_dispatch(),
        table.quants.clone().into_dispatch(),
        table.scales.clone().into_dispatch(),
        table.format,
        table.k,
    ))
}

/// `x / sqrt(mean(x²) + epsilon) · weight`, row by row: `x [rows, k]`, `weight [k]` → `[rows, k]`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, epsilon: f32) -> Tensor<2> {
    assert_eq!(x.dims()[1], weight.dims()[0]);
    Tensor::from_dispatch(<Dispatch as LanguageOps>::rms_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        epsilon,
    ))
}

/// `x · Wᵀ`: `x [rows, k]`, `weight [n, k]` → `[rows, n]`.
pub fn matmul(x: Tensor<2>, weight: &Weight) -> Tensor<2> {
    assert_eq!(x.dims()[1], weight.k);
    Tensor::from_dispatch(<Dispatch as LanguageOps>::matmul(
        x.into_dispatch(),
        weight.quants.clone().into_dispatch(),
        weight.scales.clone().into_dispatch(),
        weight.format,
        weight.n,
    ))
}

/// Rotary embedding of interleaved pairs, the order of GGUF's llama weights: `x [rows, heads · head_dim]`, each row at its
/// position in `tree [rows, 3]`. `cos` and `sin` are `[positions, pairs]`, with more positions than any row's; dimensions of a
/// head beyond `2 · pairs` pass unchanged.
pub fn rope(
    x: Tensor<2>,
    cos: Tensor<2>,
    sin: Tensor<2>,
    tree: Tensor<2, Int>,
    head_dim: usize,
) -> Tensor<2> {
    let ([rows, width], [_, pairs]) = (x.dims(), cos.dims());
    assert!(width.is_multiple_of(head_dim) && 2 * pairs <= head_dim);
    assert_eq!((cos.dims(), tree.dims()), (sin.dims(), [rows, 3]));
    Tensor::from_dispatch(<Dispatch as LanguageOps>::rope(
        x.into_dispatch(),
        cos.into_dispatch(),
        sin.into_dispatch(),
        tree.into_dispatch(),
        head_dim,
    ))
}

/// Writes `rows [rows, width]` into `cache [places, width]` from place `place` on, in place, and gives the cache back.
///
/// Takes the cache by value: as long as the caller keeps no other handle nothing is copied.
pub fn kv_write(cache: Tensor<2>, rows: Tensor<2>, position: usize) -> Tensor<2> {
    let ([positions, width], [count, row_width]) = (cache.dims(), rows.dims());
    assert!(width == row_width && position + count <= positions);
    Tensor::from_dispatch(<Dispatch as LanguageOps>::kv_write(
        cache.into_dispatch(),
        rows.into_dispatch(),
        position,
    ))
}

/// Grouped-query attention: `q [rows, heads · head_dim]`, caches `[places, kv_heads · head_dim]` → like `q`.
///
/// Rows see what `tree [rows, 3]` says, in the order of positions; they are in the caches already, from place `base` on, and no
/// `path` is longer than that. Query head `h` reads key head `h · kv_heads / heads`; scores are scaled by
/// `1 / sqrt(head_dim)`.
pub fn attention(
    q: Tensor<2>,
    keys: Tensor<2>,
    values: Tensor<2>,
    tree: Tensor<2, Int>,
    base: usize,
    head_dim: usize,
) -> Tensor<2> {
    let ([rows, width], [places, kv_width]) = (q.dims(), keys.dims());
    assert!(
        head_dim.is_multiple_of(4)
            && width.is_multiple_of(head_dim)
            && kv_width.is_multiple_of(head_dim)
    );
    assert!(width.is_multiple_of(kv_width) && base + rows <= places);
    assert_eq!((keys.dims(), tree.dims()), (values.dims(), [rows, 3]));
    Tensor::from_dispatch(<Dispatch as LanguageOps>::attention(
        q.into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        tree.into_dispatch(),
        base,
        head_dim,
    ))
}

/// `gate / (1 + exp(-gate)) · up`, element by element, `[rows, k]`.
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    assert_eq!(gate.dims(), up.dims());
    Tensor::from_dispatch(<Dispatch as LanguageOps>::swiglu(
        gate.into_dispatch(),
        up.into_dispatch(),
    ))
}

/// What scoring needs of `logits [rows, vocab]`, without reading them back: for each of `targets [count]`, read off the row of
/// the same place in `rows [count]`, `[count, 2]` with its natural log-probability, and the index of the row's largest logit (the
/// first of equals; exact in f32 below 2²⁴).
pub fn score(logits: Tensor<2>, rows: Tensor<1, Int>, targets: Tensor<1, Int>) -> Tensor<2> {
    assert_eq!(rows.dims(), targets.dims());
    assert!(logits.dims()[1] < 1 << 24);
    Tensor::from_dispatch(<Dispatch as LanguageOps>::score(
        logits.into_dispatch(),
        rows.into_dispatch(),
        targets.into_dispatch(),
    ))
}
