//! The GPU lane: CubeCL kernels and the host code that launches them.
//!
//! Kernels keep to what every WebGPU browser grants: no subgroups, no f16, at most 256 threads a group and 7 storage buffers.
//! They are launched unchecked, so each guards its own stores. Device code stands in the files of the operations, host code here.

mod activations;
mod attention;
mod embed;
mod gate;
mod matmul;
pub(crate) mod pack;
mod rope;
mod score;
mod tune;

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Shape};
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use cubecl::{client::Client, prelude::*};

use crate::ops::{LARGEST_ROOM, LanguageOps};
use crate::{BLOCK, Format};
use matmul::{End, Tile};
pub use tune::{Adapter, tune};

/// Threads of a group in element-wise kernels.
const UNITS: u32 = 64;

/// Groups for `items` of work, spread over two dimensions because one holds at most 65,535.
fn groups(items: usize, per_group: u32) -> CubeCount {
    let count = (items as u32).div_ceil(per_group);
    let rows = count.div_ceil(65_535).max(1);
    CubeCount::Static(count.div_ceil(rows), rows, 1)
}

/// An uninitialised f32 matrix beside `like`.
fn matrix(like: &CubeTensor, rows: usize, columns: usize) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        Shape::from([rows, columns]),
        DType::F32,
    )
}

fn dims(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.meta.shape();
    [shape[0], shape[1]]
}

/// The format as kernels take it at compile time: bits per quant.
const fn bits(format: Format) -> u32 {
    match format {
        Format::Q4_0 | Format::Q4_1 => 4,
        Format::Q8_0 => 8,
        Format::F32 => 32,
    }
}

/// Scales and minima of a block as kernels load them, at once.
const fn scale_width(format: Format) -> usize {
    match format {
        Format::Q4_0 | Format::Q4_1 => 2,
        Format::Q8_0 | Format::F32 => 1,
    }
}

/// The tensor itself for its only owner: nobody else sees the write. Otherwise a copy, as Burn's own in-place operations make.
fn owned(tensor: CubeTensor) -> CubeTensor {
    assert!(tensor.is_contiguous());
    if tensor.can_mut() {
        tensor
    } else {
        tensor.copy()
    }
}

/// Up to so many rows attention shares a head among threads.
const FEW_ROWS: usize = 8;

static DISPATCHES: AtomicU64 = AtomicU64::new(0);

/// Dispatches of this crate's kernels so far, in this process.
pub fn dispatches() -> u64 {
    DISPATCHES.load(Ordering::Relaxed)
}

/// The client of a tensor, for one dispatch.
fn dispatching(tensor: &CubeTensor) -> Client {
    DISPATCHES.fetch_add(1, Ordering::Relaxed);
    tensor.client.clone()
}

impl Tile {
    /// Groups for a product `[rows, n]`.
    fn groups(self, rows: usize, n: usize) -> CubeCount {
        let per_group = self.units / self.share * self.columns as u32;
        let count = (n as u32).div_ceil(per_group);
        let spread = count.div_ceil(65_535);
        let rows = rows.div_ceil(self.rows) as u32;
        CubeCount::Static(count.div_ceil(spread), spread, rows)
    }
}

/// From so many rows on activations are packed before a product: it is the same for all of its columns.
const PACKED_ROWS: usize = 5;

/// What is multiplied with a matrix.
struct Input {
    /// `[rows, k]`.
    x: CubeTensor,
    /// The weights of the norm before it, and what is added to its mean square.
    norm: Option<(CubeTensor, f32)>,
}

/// Quants, scales, format and `n` of a matrix.
type Matrix = (CubeTensor, CubeTensor, Format, usize);

/// A product, into `out`.
fn product(input: Input, weights: Matrix, end: End, out: CubeTensor) -> CubeTensor {
    let ([rows, k], x) = (dims(&input.x), into_contiguous(input.x));
    let (quants, scales, format, n) = weights;
    let (norm, epsilon) = input.norm.unzip();
    let (is_packed, is_normed) = (rows >= PACKED_ROWS, norm.is_some());
    let (width, x, beside) = if is_packed {
        let (numbers, sizes) = pack(x, norm);
        (2, numbers, sizes)
    } else {
        (4, x.clone(), norm.unwrap_or(x))
    };
    let tile = tune::tile(rows);
    let client = dispatching(&out);
    unsafe {
        matmul::product::launch_unchecked(
            &client,
            tile.groups(rows, n),
            CubeDim::new_1d(tile.units),
            scale_width(format),
            width,
            x.into_buffer_arg(),
            beside.into_buffer_arg(),
            quants.into_buffer_arg(),
            scales.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            rows as u32,
            n as u32,
            k as u32,
            epsilon.unwrap_or(0.0),
            tile,
            end,
            is_normed,
            is_packed,
            bits(format),
        )
    };
    out
}

/// Rows as [`activations::pack`] leaves them: numbers, and sizes of blocks.
fn pack(x: CubeTensor, norm: Option<CubeTensor>) -> (CubeTensor, CubeTensor) {
    let [rows, k] = dims(&x);
    let (numbers, sizes) = (matrix(&x, rows, k / 2), matrix(&x, rows, k / 16));
    let client = dispatching(&x);
    let normed = norm.is_some();
    unsafe {
        activations::pack::launch_unchecked(
            &client,
            groups(rows * k / BLOCK, UNITS),
            CubeDim::new_1d(UNITS),
            x.clone().into_buffer_arg(),
            norm.unwrap_or(x).into_buffer_arg(),
            numbers.clone().into_buffer_arg(),
            sizes.clone().into_buffer_arg(),
            (rows * k / BLOCK) as u32,
            (k / BLOCK) as u32,
            normed,
        )
    };
    (numbers, sizes)
}

impl LanguageOps for CubeBackend {
    fn embed(
        tokens: CubeTensor,
        quants: CubeTensor,
        scales: CubeTensor,
        format: Format,
        k: usize,
    ) -> CubeTensor {
        let tokens = into_contiguous(tokens);
        let rows = tokens.meta.shape()[0];
        let out = matrix(&scales, rows, k);
        let client = dispatching(&out);
        unsafe {
            embed::kernel::launch_unchecked(
                &client,
                groups(rows * k / 4, UNITS),
                CubeDim::new_1d(UNITS),
                scale_width(format),
                tokens.into_buffer_arg(),
                quants.into_buffer_arg(),
                scales.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                (rows * k / 4) as u32,
                k as u32,
                bits(format),
            )
        };
        out
    }

    fn project(
        x: CubeTensor,
        norm: CubeTensor,
        epsilon: f32,
        quants: CubeTensor,
        scales: CubeTensor,
        format: Format,
        n: usize,
    ) -> CubeTensor {
        let out = matrix(&x, dims(&x)[0], n);
        let input = Input {
            x,
            norm: Some((norm, epsilon)),
        };
        product(input, (quants, scales, format, n), End::Store, out)
    }

    fn project_gated(
        x: CubeTensor,
        norm: CubeTensor,
        epsilon: f32,
        quants: CubeTensor,
        scales: CubeTensor,
        format: Format,
        n: usize,
    ) -> CubeTensor {
        let out = matrix(&x, dims(&x)[0], n / 2);
        let input = Input {
            x,
            norm: Some((norm, epsilon)),
        };
        product(input, (quants, scales, format, n), End::Gate, out)
    }

    fn swiglu(both: CubeTensor) -> CubeTensor {
        let ([rows, width], both) = (dims(&both), into_contiguous(both));
        let (k, count) = (width / 2, rows * width / 2);
        let out = matrix(&both, rows, k);
        let client = dispatching(&out);
        unsafe {
            gate::kernel::launch_unchecked(
                &client,
                groups(count, UNITS),
                CubeDim::new_1d(UNITS),
                both.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                count as u32,
                k as u32,
            )
        };
        out
    }

    fn project_onto(
        onto: CubeTensor,
        x: CubeTensor,
        quants: CubeTensor,
        scales: CubeTensor,
        format: Format,
    ) -> CubeTensor {
        let n = dims(&onto)[1];
        let out = owned(into_contiguous(onto));
        let input = Input { x, norm: None };
        product(input, (quants, scales, format, n), End::Add, out)
    }

    fn write_kv(
        cache: CubeTensor,
        qkv: CubeTensor,
        angles: CubeTensor,
        tree: CubeTensor,
        base: usize,
        head_dim: usize,
    ) -> CubeTensor {
        let ([rows, width], [_, kv_width]) = (dims(&qkv), dims(&cache));
        let (cache, turned) = (owned(cache), dims(&angles)[1] / 2);
        let client = dispatching(&cache);
        let count = rows * kv_width / 2;
        unsafe {
            rope::write_kernel::launch_unchecked(
                &client,
                groups(count, UNITS),
                CubeDim::new_1d(UNITS),
                cache.clone().into_buffer_arg(),
                into_contiguous(qkv).into_buffer_arg(),
                angles.into_buffer_arg(),
                into_contiguous(tree).into_buffer_arg(),
                count as u32,
                base as u32,
                (kv_width / 2) as u32,
                (width / 2) as u32,
                (head_dim / 2) as u32,
                turned as u32,
            )
        };
        cache
    }

    fn move_places(cache: CubeTensor, from: CubeTensor, to: usize, _head_dim: usize) -> CubeTensor {
        let rows = crate::ops::select::<Self>(cache.clone(), from);
        let (cache, [count, width]) = (owned(cache), dims(&rows));
        let client = dispatching(&cache);
        unsafe {
            rope::copy_kernel::launch_unchecked(
                &client,
                groups(count * width, UNITS),
                CubeDim::new_1d(UNITS),
                cache.clone().into_buffer_arg(),
                into_contiguous(rows).into_buffer_arg(),
                (to * width) as u32,
                (count * width) as u32,
            )
        };
        cache
    }

    fn attention(
        qkv: CubeTensor,
        cache: CubeTensor,
        angles: CubeTensor,
        tree: CubeTensor,
        base: usize,
        head_dim: usize,
    ) -> CubeTensor {
        let ([rows, all], [_, both], qkv) = (dims(&qkv), dims(&cache), into_contiguous(qkv));
        let (width, kv_width, turned) = (all - both, both / 2, dims(&angles)[1] / 2);
        let out = matrix(&qkv, rows, width);
        let (client, tree) = (dispatching(&out), into_contiguous(tree));
        let scale = 1.0 / (head_dim as f32).sqrt();
        let units = CubeDim::new_1d(attention::UNITS);
        if rows > FEW_ROWS {
            let items = (rows * width / kv_width) as u32;
            let hold = tune::hold();
            unsafe {
                attention::many::launch_unchecked(
                    &client,
                    CubeCount::Static(
                        (kv_width / head_dim) as u32,
                        items.div_ceil(attention::UNITS * hold.items as u32),
                        1,
                    ),
                    units,
                    qkv.into_buffer_arg(),
                    cache.into_buffer_arg(),
                    angles.into_buffer_arg(),
                    tree.into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    rows as u32,
                    width as u32,
                    kv_width as u32,
                    base as u32,
                    turned as u32,
                    scale,
                    head_dim,
                    hold,
                )
            };
            return out;
        }
        let (heads, fours) = (width / head_dim, head_dim / 4);
        let parts = (base + rows).div_ceil(attention::TILE as usize);
        let is_part = parts > 1;
        let found = match is_part {
            true => matrix(&qkv, rows * heads * parts, head_dim + 4),
            false => out.clone(),
        };
        unsafe {
            attention::few::launch_unchecked(
                &client,
                CubeCount::Static(heads as u32, rows as u32, parts as u32),
                units,
                qkv.into_buffer_arg(),
                cache.into_buffer_arg(),
                angles.into_buffer_arg(),
                tree.into_buffer_arg(),
                found.clone().into_buffer_arg(),
                width as u32,
                kv_width as u32,
                base as u32,
                turned as u32,
                scale,
                head_dim,
                is_part,
            )
        };
        if is_part {
            let client = dispatching(&out);
            let count = rows * width / 4;
            unsafe {
                attention::merge::launch_unchecked(
                    &client,
                    groups(count, UNITS),
                    CubeDim::new_1d(UNITS),
                    found.into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    count as u32,
                    fours as u32,
                    parts as u32,
                )
            };
        }
        out
    }

    fn score(logits: CubeTensor, rows: CubeTensor, targets: CubeTensor) -> CubeTensor {
        let (vocab, logits) = (dims(&logits)[1], into_contiguous(logits));
        let count = targets.meta.shape()[0];
        let out = matrix(&logits, count, 2);
        let client = dispatching(&out);
        unsafe {
            score::kernel::launch_unchecked(
                &client,
                CubeCount::Static(count as u32, 1, 1),
                CubeDim::new_1d(score::UNITS),
                logits.into_buffer_arg(),
                into_contiguous(rows).into_buffer_arg(),
                into_contiguous(targets).into_buffer_arg(),
                out.clone().into_buffer_arg(),
                vocab as u32,
            )
        };
        out
    }

    fn largest(logits: CubeTensor, count: usize) -> CubeTensor {
        let (vocab, logits) = (dims(&logits)[1], into_contiguous(logits));
        let out = matrix(&logits, 1 + LARGEST_ROOM, 2);
        let client = dispatching(&out);
        unsafe {
            score::largest::launch_unchecked(
                &client,
                CubeCount::Static(1, 1, 1),
                CubeDim::new_1d(score::UNITS),
                logits.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                vocab as u32,
                count as u32,
                LARGEST_ROOM as u32,
            )
        };
        out
    }
}
