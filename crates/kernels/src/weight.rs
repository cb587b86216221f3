//! Weight matrices as they lie on a device.
//!
//! A matrix is built from rows as the checkpoint has them, a few at a time: neither lane ever holds it twice, and the GPU lane
//! holds no more of it in main memory than the rows in flight.

use burn::tensor::{DType, Device, Int, Tensor};
use half::f16;

use crate::BLOCK;

/// How the weights of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "GGUF's own names")]
pub enum Format {
    /// `w = scale · (q - 8)`, `q` an unsigned 4-bit number, per block of 32.
    Q4_0,
    /// `w = scale · q + minimum`, `q` an unsigned 4-bit number, per block of 32.
    Q4_1,
    /// `w = scale · q`, `q` a signed 8-bit number, per block of 32.
    Q8_0,
    /// Plain f32.
    F32,
}

impl Format {
    /// Words of 32 bits that hold the quants of `count` weights.
    #[cfg(feature = "gpu")]
    pub(crate) const fn quant_words(self, count: usize) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 => count / 8,
            Self::Q8_0 => count / 4,
            Self::F32 => count,
        }
    }

    /// f32 values that go with each block: scale, minimum (of [`Self::Q4_0`] -8 · scale).
    #[cfg(feature = "gpu")]
    pub(crate) const fn scales_per_block(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 => 2,
            Self::Q8_0 => 1,
            Self::F32 => 0,
        }
    }
}

/// Some rows of a matrix, as they come out of a checkpoint. Row-major, `[rows, k]`.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// See [`Format::Q4_0`].
    Q4_0 {
        /// `[rows, k]`, one 4-bit number a byte.
        quants: &'a [u8],
        /// `[rows, k / 32]`.
        scales: &'a [f16],
    },
    /// See [`Format::Q4_1`].
    Q4_1 {
        /// `[rows, k]`, one 4-bit number a byte.
        quants: &'a [u8],
        /// `[rows, k / 32]`.
        scales: &'a [f16],
        /// `[rows, k / 32]`.
        minima: &'a [f16],
    },
    /// See [`Format::Q8_0`].
    Q8_0 {
        /// `[rows, k]`.
        quants: &'a [i8],
        /// `[rows, k / 32]`.
        scales: &'a [f16],
    },
    /// `[rows, k]`.
    F32(&'a [f32]),
}

impl Rows<'_> {
    /// The format these rows are of.
    pub fn format(&self) -> Format {
        match self {
            Self::Q4_0 { .. } => Format::Q4_0,
            Self::Q4_1 { .. } => Format::Q4_1,
            Self::Q8_0 { .. } => Format::Q8_0,
            Self::F32(_) => Format::F32,
        }
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        match self {
            Self::Q4_0 { quants, .. } | Self::Q4_1 { quants, .. } => quants.len(),
            Self::Q8_0 { quants, .. } => quants.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether all scales and minima, or plain weights, are finite. The lanes read other scales as different numbers.
    pub fn is_finite(&self) -> bool {
        let finite = |halves: &[f16]| halves.iter().all(|half| half.is_finite());
        match self {
            Self::Q4_1 { scales, minima, .. } => finite(scales) && finite(minima),
            Self::Q4_0 { scales, .. } | Self::Q8_0 { scales, .. } => finite(scales),
            Self::F32(values) => values.iter().all(|value| value.is_finite()),
        }
    }

    /// Whether there is no weight at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What computes: decides the layout of the weights.
#[derive(Clone, Debug)]
pub enum Processor {
    /// burn-flex.
    Cpu(Device),
    /// WebGPU, or wgpu natively.
    #[cfg(feature = "gpu")]
    Gpu(Device),
}

impl Processor {
    /// Burn's device for activations.
    pub fn device(&self) -> &Device {
        match self {
            Self::Cpu(device) => device,
            #[cfg(feature = "gpu")]
            Self::Gpu(device) => device,
        }
    }
}

/// A weight matrix `[n, k]` on a device: `y = x · Wᵀ` takes `[rows, k]` to `[rows, n]`.
#[derive(Clone, Debug)]
pub struct Weight {
    /// Quants, in the lane's layout; on the CPU the scales (and minima) are among them.
    pub quants: Tensor<1, Int>,
    /// Scales (and minima), in the lane's layout; one unused value on the CPU, and for [`Format::F32`].
    pub scales: Tensor<1>,
    /// How they are stored.
    pub format: Format,
    /// Output features.
    pub n: usize,
    /// Input features.
    pub k: usize,
}

/// Rows of a matrix are pushed in multiples of this, the last push excepted: the CPU lane's panels are as wide.
pub const ROWS_PER_PUSH: usize = crate::cpu::pack::PANEL;

/// Takes rows in order, yields a [`Weight`].
pub struct WeightBuilder {
    format: Format,
    n: usize,
    k: usize,
    rows_done: usize,
    store: Store,
}

enum Store {
    Cpu(crate::cpu::pack::Panels, Device),
    #[cfg(feature = "gpu")]
    Gpu(Box<crate::gpu::pack::Buffers>),
}

impl WeightBuilder {
    /// Begins a matrix of `n` rows of `k` weights.
    ///
    /// # Panics
    /// If `k` is no multiple of [`BLOCK`]: loaders check it where the file can be named.
    pub fn new(format: Format, n: usize, k: usize, processor: &Processor) -> Self {
        assert!(
            k.is_multiple_of(BLOCK),
            "a row of {k} weights does not divide into blocks of {BLOCK}"
        );
        let store = match processor {
            Processor::Cpu(device) => {
                Store::Cpu(crate::cpu::pack::Panels::new(format, n, k), device.clone())
            }
            #[cfg(feature = "gpu")]
            Processor::Gpu(device) => Store::Gpu(Box::new(crate::gpu::pack::Buffers::new(
                format, n, k, device,
            ))),
        };
        Self {
            format,
            n,
            k,
            rows_done: 0,
            store,
        }
    }

    /// Adds the next rows: a multiple of [`ROWS_PER_PUSH`], or all that are left.
    ///
    /// # Panics
    /// If the rows are of another format, or do not fit: both are a loader's mistakes, not a file's.
    pub fn push(&mut self, rows: Rows<'_>) {
        assert_eq!(rows.format(), self.format);
        let count = rows.len() / self.k;
        assert_eq!(rows.len(), count * self.k);
        assert!(self.rows_done.is_multiple_of(ROWS_PER_PUSH) && self.rows_done + count <= self.n);
        match &mut self.store {
            Store::Cpu(panels, _) => panels.push(self.rows_done, rows),
            #[cfg(feature = "gpu")]
            Store::Gpu(buffers) => buffers.push(self.rows_done, rows),
        }
        self.rows_done += count;
    }

    /// The finished matrix.
    ///
    /// # Panics
    /// If rows are missing.
    pub fn finish(self) -> Weight {
        assert_eq!(self.rows_done, self.n);
        let (quants, scales) = match self.store {
            // A tensor needs a value.
            Store::Cpu(panels, device) => (
                panels.into_tensor(&device),
                Tensor::zeros([1], (&device, DType::F32)),
            ),
            #[cfg(feature = "gpu")]
            Store::Gpu(buffers) => buffers.into_tensors(),
        };
        Weight {
            quants,
            scales,
            format: self.format,
            n: self.n,
            k: self.k,
        }
    }
}
