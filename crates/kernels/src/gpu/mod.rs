//! The GPU lane: CubeCL kernels and the host code that launches them.
//!
//! Kernels keep to what every WebGPU browser grants: no subgroups, no f16, at most 256 threads a group and 7 storage buffers.
//! They are launched unchecked, so each guards its own stores. Device code stands in the files of the operations, host code here.

mod attention;
mod embed;
mod gate;
mod matmul;
mod norm;
pub(crate) mod pack;
mod rope;
mod score;

use burn::tensor::{DType, Shape};
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use cubecl::prelude::*;

use crate::{Format, ops::LanguageOps};

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
        Format::Q4 => 4,
        Format::Q8 => 8,
        Format::F32 => 32,
    }
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
        let client = out.client.clone();
        unsafe {
            embed::kernel::launch_unchecked(
                &client,
                groups(rows * k / 4, UNITS),
                CubeDim::new_1d(UNITS),
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

    fn rms_norm(x: CubeTensor, weight: CubeTensor, epsilon: f32) -> CubeTensor {
        let ([rows, k], x) = (dims(&x), into_contiguous(x));
        let out = matrix(&x, rows, k);
        let client = out.client.clone();
        unsafe {
            norm::kernel::launch_unchecked(
                &client,
                CubeCount::Static(rows as u32, 1, 1),
                CubeDim::new_1d(norm::UNITS),
                x.into_buffer_arg(),
                weight.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                k as u32,
                epsilon,
            )
        };
        out
    }

    fn matmul(
        x: CubeTensor,
        quants: CubeTensor,
        scales: CubeTensor,
        format: Format,
        n: usize,
    ) -> CubeTensor {
        let ([rows, k], x) = (dims(&x), into_contiguous(x));
        let out = matrix(&x, rows, n);
        let client = out.client.clone();
        let rows_per_group = if rows == 1 { 1 } else { matmul::ROWS };
        let columns = (n as u32).div_ceil(matmul::COLUMNS);
        let spread = columns.div_ceil(65_535);
        unsafe {
            matmul::kernel::launch_unchecked(
                &client,
                CubeCount::Static(
                    columns.div_ceil(spread),
                    spread,
                    (rows as u32).div_ceil(rows_per_group),
                ),
                CubeDim::new_1d(matmul::UNITS),
                x.into_buffer_arg(),
                quants.into_buffer_arg(),
                scales.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                rows as u32,
                n as u32,
                k as u32,
                rows_per_group as usize,
                bits(format),
            )
        };
        out
    }

    fn rope(
        x: CubeTensor,
        cos: CubeTensor,
        sin: CubeTensor,
        tree: CubeTensor,
        head_dim: usize,
    ) -> CubeTensor {
        let ([rows, width], x) = (dims(&x), into_contiguous(x));
        let pairs = dims(&cos)[1];
        let out = matrix(&x, rows, width);
        let client = out.client.clone();
        unsafe {
            rope::kernel::launch_unchecked(
                &client,
                groups(rows * width / 2, UNITS),
                CubeDim::new_1d(UNITS),
                x.into_buffer_arg(),
                cos.into_buffer_arg(),
                sin.into_buffer_arg(),
                into_contiguous(tree).into_buffer_arg(),
                out.clone().into_buffer_arg(),
                (rows * width / 2) as u32,
                (width / 2) as u32,
                (head_dim / 2) as u32,
                pairs as u32,
            )
        };
        out
    }

    fn kv_write(cache: CubeTensor, rows: CubeTensor, position: usize) -> CubeTensor {
        assert!(cache.is_contiguous());
        // The only handle: nobody else sees the write. Otherwise copy, as Burn's own in-place operations do.
        let cache = if cache.can_mut() { cache } else { cache.copy() };
        let ([count, width], rows) = (dims(&rows), into_contiguous(rows));
        let client = cache.client.clone();
        unsafe {
            rope::write_kernel::launch_unchecked(
                &client,
                groups(count * width, UNITS),
                CubeDim::new_1d(UNITS),
                cache.clone().into_buffer_arg(),
                rows.into_buffer_arg(),
                (position * width) as u32,
                (count * width) as u32,
            )
        };
        cache
    }

    fn attention(
        q: CubeTensor,
        keys: CubeTensor,
        values: CubeTensor,
        tree: CubeTensor,
        base: usize,
        head_dim: usize,
    ) -> CubeTensor {
        let ([rows, width], [_, kv_width], q) = (dims(&q), dims(&keys), into_contiguous(q));
        let out = matrix(&q, rows, width);
        let client = out.client.clone();
        unsafe {
            attention::kernel::launch_unchecked(
                &client,
                CubeCount::Static((width / head_dim) as u32, rows as u32, 1),
                CubeDim::new_1d(attention::UNITS),
                q.into_buffer_arg(),
                keys.into_buffer_arg(),
                values.into_buffer_arg(),
                into_contiguous(tree).into_buffer_arg(),
                out.clone().into_buffer_arg(),
                width as u32,
                kv_width as u32,
                base as u32,
                1.0 / (head_dim as f32).sqrt(),
                head_dim,
            )
        };
        out
    }

    fn swiglu(gate: CubeTensor, up: CubeTensor) -> CubeTensor {
        let ([rows, k], gate, up) = (dims(&gate), into_contiguous(gate), into_contiguous(up));
        let out = matrix(&gate, rows, k);
        let client = out.client.clone();
        unsafe {
            gate::kernel::launch_unchecked(
                &client,
                groups(rows * k, UNITS),
                CubeDim::new_1d(UNITS),
                gate.into_buffer_arg(),
                up.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                (rows * k) as u32,
            )
        };
        out
    }

    fn score(logits: CubeTensor, rows: CubeTensor, targets: CubeTensor) -> CubeTensor {
        let (vocab, logits) = (dims(&logits)[1], into_contiguous(logits));
        let count = targets.meta.shape()[0];
        let out = matrix(&logits, count, 2);
        let client = out.client.clone();
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
}
