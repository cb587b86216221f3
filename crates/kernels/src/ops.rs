//! The operations: one trait for both backends, and a function each that checks shapes once.
//!
//! They are as large as one dispatch on a GPU can be: what goes into a product (the norm) and what comes of it (the gate, the
//! residual sum) belongs to it.
//!
//! `rows` is the number of tokens at work. A layer's cache is `[places, 2 · kv_width]`, `kv_width = kv_heads · head_dim`, its
//! places a multiple of [`PLACES`]; it is written in place. How keys and values lie in it is the lane's matter, but for this: the
//! first places of a longer cache lie as those of a shorter one.
//!
//! Rows may branch: `tree [rows, 3]` holds of each row its position in its sequence, its `path` and its `end`. A row sees the
//! first `path` places of the cache, and of the rows `j` up to itself those whose `end` is larger than its own index: `end` is
//! one past the last row that continues it. The rows stand in the cache from place `base` on.
//!
//! Positions are turned into pairs of `angles [positions, 2 · pairs]`: the cosines of a position, then its sines.

use burn::backend::{
    Backend, Dispatch, backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{Int, Tensor};

use crate::profile::timed;
use crate::{Format, PLACES, Weight};

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
    /// See [`project`].
    fn project(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        epsilon: f32,
        quants: IntTensor<Self>,
        scales: FloatTensor<Self>,
        format: Format,
        n: usize,
    ) -> FloatTensor<Self>;
    /// See [`project_gated`].
    fn project_gated(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        epsilon: f32,
        quants: IntTensor<Self>,
        scales: FloatTensor<Self>,
        format: Format,
        n: usize,
    ) -> FloatTensor<Self>;
    /// See [`swiglu`].
    fn swiglu(both: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`project_onto`].
    fn project_onto(
        onto: FloatTensor<Self>,
        x: FloatTensor<Self>,
        quants: IntTensor<Self>,
        scales: FloatTensor<Self>,
        format: Format,
    ) -> FloatTensor<Self>;
    /// See [`write_kv`].
    fn write_kv(
        cache: FloatTensor<Self>,
        qkv: FloatTensor<Self>,
        angles: FloatTensor<Self>,
        tree: IntTensor<Self>,
        base: usize,
        head_dim: usize,
    ) -> FloatTensor<Self>;
    /// See [`move_places`].
    fn move_places(
        cache: FloatTensor<Self>,
        from: IntTensor<Self>,
        to: usize,
        head_dim: usize,
    ) -> FloatTensor<Self>;
    /// See [`attention`].
    fn attention(
        qkv: FloatTensor<Self>,
        cache: FloatTensor<Self>,
        angles: FloatTensor<Self>,
        tree: IntTensor<Self>,
        base: usize,
        head_dim: usize,
    ) -> FloatTensor<Self>;
    /// See [`score`].
    fn score(
        logits: FloatTensor<Self>,
        rows: IntTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self>;
    /// See [`largest`].
    fn largest(logits: FloatTensor<Self>, count: usize) -> FloatTensor<Self>;
}

/// Rows of a tensor, by Burn's own operation.
#[cfg(feature = "gpu")]
pub(crate) fn select<B: Backend>(tensor: FloatTensor<B>, rows: IntTensor<B>) -> FloatTensor<B> {
    B::float_select(tensor, 0, rows)
}

/// RMS norm (Zhang and Sennrich 2019, arXiv 1910.07467): `x / sqrt(mean(x²) + epsilon) · weight`, row by row.
#[derive(Clone, Debug)]
pub struct Norm {
    /// `[k]`.
    pub weight: Tensor<1>,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Rows of the embedding table: `tokens [rows]` → `[rows, k]`, dequantised. Every token must be below `table.n`.
pub fn embed(tokens: Tensor<1, Int>, table: &Weight) -> Tensor<2> {
    timed("embed", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::embed(
            tokens.into_dispatch(),
            table.quants.clone().into_dispatch(),
            table.scales.clone().into_dispatch(),
            table.format,
            table.k,
        ))
    })
}

/// `norm(x) · Wᵀ`: `x [rows, k]`, `weight [n, k]` → `[rows, n]`.
pub fn project(x: Tensor<2>, norm: &Norm, weight: &Weight) -> Tensor<2> {
    assert_eq!((x.dims()[1], norm.weight.dims()[0]), (weight.k, weight.k));
    timed("project", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::project(
            x.into_dispatch(),
            norm.weight.clone().into_dispatch(),
            norm.epsilon,
            weight.quants.clone().into_dispatch(),
            weight.scales.clone().into_dispatch(),
            weight.format,
            weight.n,
        ))
    })
}

/// [`swiglu`] of [`project`]: `x [rows, k]`, `weight [n, k]` → `[rows, n / 2]`.
pub fn project_gated(x: Tensor<2>, norm: &Norm, weight: &Weight) -> Tensor<2> {
    assert_eq!((x.dims()[1], norm.weight.dims()[0]), (weight.k, weight.k));
    assert!(weight.n.is_multiple_of(2));
    timed("project_gated", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::project_gated(
            x.into_dispatch(),
            norm.weight.clone().into_dispatch(),
            norm.epsilon,
            weight.quants.clone().into_dispatch(),
            weight.scales.clone().into_dispatch(),
            weight.format,
            weight.n,
        ))
    })
}

/// SwiGLU (Shazeer 2020, arXiv 2002.05202): `g / (1 + exp(-g)) · u`, where `g` is the first and `u` the second half of a row:
/// `both [rows, 2 · k]` → `[rows, k]`.
pub fn swiglu(both: Tensor<2>) -> Tensor<2> {
    assert!(both.dims()[1].is_multiple_of(2));
    timed("swiglu", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::swiglu(both.into_dispatch()))
    })
}

/// `onto + x · Wᵀ`: `onto [rows, n]`, `x [rows, k]`, `weight [n, k]` → `[rows, n]`.
///
/// Takes `onto` by value: as long as the caller keeps no other handle it is written in place.
pub fn project_onto(onto: Tensor<2>, x: Tensor<2>, weight: &Weight) -> Tensor<2> {
    assert_eq!(x.dims(), [onto.dims()[0], weight.k]);
    assert_eq!(onto.dims()[1], weight.n);
    timed("project_onto", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::project_onto(
            onto.into_dispatch(),
            x.into_dispatch(),
            weight.quants.clone().into_dispatch(),
            weight.scales.clone().into_dispatch(),
            weight.format,
        ))
    })
}

/// Writes keys and values of `qkv [rows, width + 2 · kv_width]`, which follow the queries, into `cache` from place `base` on,
/// the keys turned to their positions, and gives the cache back.
///
/// Rotary embedding (Su et al. 2021, arXiv 2104.09864) turns interleaved pairs, the order of GGUF's llama weights, each row at
/// its position in `tree`; dimensions of a head beyond the pairs of `angles` pass unchanged.
///
/// Takes the cache by value: as long as the caller keeps no other handle nothing is copied.
pub fn write_kv(
    cache: Tensor<2>,
    qkv: Tensor<2>,
    angles: Tensor<2>,
    tree: Tensor<2, Int>,
    base: usize,
    head_dim: usize,
) -> Tensor<2> {
    let ([places, kv_width], [rows, width], [_, turned]) =
        (cache.dims(), qkv.dims(), angles.dims());
    assert!(kv_width.is_multiple_of(2 * head_dim) && kv_width < width && base + rows <= places);
    assert!(turned.is_multiple_of(2) && turned <= head_dim);
    assert!(tree.dims() == [rows, 3] && places.is_multiple_of(PLACES));
    timed("write_kv", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::write_kv(
            cache.into_dispatch(),
            qkv.into_dispatch(),
            angles.into_dispatch(),
            tree.into_dispatch(),
            base,
            head_dim,
        ))
    })
}

/// Moves the places `from [count]`, which ascend, to those from `to` on, none of them forwards; in place like [`write_kv`], and
/// gives the cache back.
pub fn move_places(
    cache: Tensor<2>,
    from: Tensor<1, Int>,
    to: usize,
    head_dim: usize,
) -> Tensor<2> {
    let [places, width] = cache.dims();
    assert!(width.is_multiple_of(2 * head_dim) && places.is_multiple_of(PLACES));
    assert!(to + from.dims()[0] <= places);
    timed("move_places", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::move_places(
            cache.into_dispatch(),
            from.into_dispatch(),
            to,
            head_dim,
        ))
    })
}

/// Grouped-query attention: queries are the first columns of `qkv [rows, width + 2 · kv_width]` → `[rows, width]`.
///
/// Queries are turned like the keys of [`write_kv`], which has written these rows into the cache. They see what `tree` says, in
/// the order of positions; no `path` is longer than `base`. Query head `h` reads key head `h · kv_heads / heads`; scores are
/// scaled by `1 / sqrt(head_dim)`.
pub fn attention(
    qkv: Tensor<2>,
    cache: Tensor<2>,
    angles: Tensor<2>,
    tree: Tensor<2, Int>,
    base: usize,
    head_dim: usize,
) -> Tensor<2> {
    let ([rows, width], [places, kv_width]) = (qkv.dims(), cache.dims());
    assert!(head_dim.is_multiple_of(4) && kv_width.is_multiple_of(2 * head_dim));
    assert!(width > kv_width && (width - kv_width).is_multiple_of(kv_width / 2));
    assert!(base + rows <= places && angles.dims()[1] <= head_dim);
    assert!(tree.dims() == [rows, 3] && places.is_multiple_of(PLACES));
    timed("attention", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::attention(
            qkv.into_dispatch(),
            cache.into_dispatch(),
            angles.into_dispatch(),
            tree.into_dispatch(),
            base,
            head_dim,
        ))
    })
}

/// What scoring needs of `logits [rows, vocab]`, without reading them back: for each of `targets [count]`, read off the row of
/// the same place in `rows [count]`, `[count, 2]` with its natural log-probability, and the index of the row's largest logit (the
/// first of equals; exact in f32 below 2²⁴).
pub fn score(logits: Tensor<2>, rows: Tensor<1, Int>, targets: Tensor<1, Int>) -> Tensor<2> {
    assert_eq!(rows.dims(), targets.dims());
    assert!(logits.dims()[1] < 1 << 24);
    timed("score", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::score(
            logits.into_dispatch(),
            rows.into_dispatch(),
            targets.into_dispatch(),
        ))
    })
}

/// Most that [`largest`] is asked for.
pub const LARGEST_MAX: usize = 128;
/// Logits that [`largest`] has room for: more than asked for, since it also gives equals, and a lane may give others below them.
pub const LARGEST_ROOM: usize = 512;

/// What sampling among the most probable needs of `logits [1, vocab]`, without reading all of them back: `[1 + LARGEST_ROOM, 2]`,
/// first how many logits were found and how many of all are no finite numbers, then each that was found, with its index (exact in
/// f32 below 2²⁴), in any order. Found are those not below the `count`-th largest, and perhaps some more; if they are more than
/// there is room for, those that are given are of no use.
pub fn largest(logits: Tensor<2>, count: usize) -> Tensor<2> {
    assert!((1..=LARGEST_MAX).contains(&count));
    let [rows, vocab] = logits.dims();
    assert!(rows == 1 && vocab < 1 << 24);
    timed("largest", || {
        Tensor::from_dispatch(<Dispatch as LanguageOps>::largest(
            logits.into_dispatch(),
            count,
        ))
    })
}
