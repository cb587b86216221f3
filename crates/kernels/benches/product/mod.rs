//! One product of activations with a packed matrix, with invented numbers: what is measured natively and in wasm.

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::f16;
use jeoul_kernels::{BLOCK, Format, Processor, Rows, Weight, WeightBuilder, ops, ops::Norm};

/// `norm(x) · Wᵀ`.
pub(crate) struct Product {
    x: Tensor<2>,
    norm: Norm,
    weight: Weight,
}

impl Product {
    /// `x [rows, k]`, `weight [n, k]`.
    pub(crate) fn new(format: Format, rows: usize, k: usize, n: usize) -> Self {
        let device = Device::flex();
        let values: Vec<f32> = (0..rows * k).map(|i| (i as f32 * 0.37).sin()).collect();
        Self {
            x: Tensor::from_data(TensorData::new(values, [rows, k]), (&device, DType::F32)),
            norm: Norm {
                weight: Tensor::ones([k], (&device, DType::F32)),
                epsilon: 1e-5,
            },
            weight: weight(format, n, k, &Processor::Cpu(device)),
        }
    }

    /// Computes it once.
    pub(crate) fn run(&self) -> Tensor<2> {
        ops::project(self.x.clone(), &self.norm, &self.weight)
    }
}

fn weight(format: Format, n: usize, k: usize, processor: &Processor) -> Weight {
    let scales = vec![f16::from_f32(0.01); n * k / BLOCK];
    let nibbles: Vec<u8> = (0..n * k).map(|i| (i * 7 % 16) as u8).collect();
    let bytes: Vec<i8> = (0..n * k).map(|i| (i * 7 % 251) as i8).collect();
    let mut builder = WeightBuilder::new(format, n, k, processor);
    builder.push(match format {
        Format::Q4_0 => Rows::Q4_0 {
            quants: &nibbles,
            scales: &scales,
        },
        Format::Q4_1 => Rows::Q4_1 {
            quants: &nibbles,
            scales: &scales,
            minima: &scales,
        },
        _ => Rows::Q8_0 {
            quants: &bytes,
            scales: &scales,
        },
    });
    builder.finish()
}
