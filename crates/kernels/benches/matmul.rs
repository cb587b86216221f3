//! The matrix product of the CPU lane in multiplications a second, beside the most that its inner instruction allows:
//! `cargo bench -p jeoul-kernels`. Elements are multiply-adds (MAC).

use burn::tensor::{DType, Device, Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jeoul_kernels::{BLOCK, Format, Processor, Rows, Weight, WeightBuilder, ops, ops::Norm};

/// Output and input features of SmolLM2-135M's widest layer.
const SHAPE: [usize; 2] = [1536, 576];

fn weight(format: Format, processor: &Processor) -> Weight {
    let [n, k] = SHAPE;
    let scales = vec![0.01; n * k / BLOCK];
    let nibbles: Vec<u8> = (0..n * k).map(|i| (i * 7 % 16) as u8).collect();
    let bytes: Vec<i8> = (0..n * k).map(|i| (i * 7 % 251) as i8).collect();
    let mut builder = WeightBuilder::new(format, n, k, processor);
    builder.push(match format {
        Format::Q4 => Rows::Q4 {
            quants: &nibbles,
            scales: &scales,
            minima: &scales,
        },
        _ => Rows::Q8 {
            quants: &bytes,
            scales: &scales,
        },
    });
    builder.finish()
}

fn matmul(criterion: &mut Criterion) {
    let device = Device::flex();
    let processor = Processor::Cpu(device.clone());
    let [n, k] = SHAPE;
    for format in [Format::Q4, Format::Q8] {
        let weight = weight(format, &processor);
        let norm = Norm {
            weight: Tensor::ones([k], (&device, DType::F32)),
            epsilon: 1e-5,
        };
        let mut group = criterion.benchmark_group(format!("matmul/{format:?}"));
        for rows in [1, 4, 64, 256, 1024] {
            let values: Vec<f32> = (0..rows * k).map(|i| (i as f32 * 0.37).sin()).collect();
            let x: Tensor<2> =
                Tensor::from_data(TensorData::new(values, [rows, k]), (&device, DType::F32));
            group.throughput(Throughput::Elements((rows * n * k) as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                bencher.iter(|| ops::project(x.clone(), &norm, &weight))
            });
        }
    }
}

/// Rounds of the peak-finding loop.
const ROUNDS: usize = 100_000;

/// `vpdpwssd` with all operands in registers, 12 sums in flight.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn peak_loop() -> i32 {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_setzero_si512(); 12];
    let mut x = _mm512_set1_epi32(3);
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_dpwssd_epi32(*sum, x, x);
        }
        x = std::hint::black_box(x);
    }
    sums.iter()
        .map(|&sum| _mm512_reduce_add_epi32(sum))
        .fold(0, i32::wrapping_add)
}

fn peak(criterion: &mut Criterion) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        let mut group = criterion.benchmark_group("peak");
        group.throughput(Throughput::Elements((ROUNDS * 12 * 32) as u64));
        // SAFETY: the processor has the instructions.
        group.bench_function("vpdpwssd", |bencher| {
            bencher.iter(|| unsafe { peak_loop() })
        });
        return;
    }
    let _ = criterion;
    eprintln!("no peak-finding loop for this processor's instructions");
}

criterion_group!(benches, peak, matmul);
criterion_main!(benches);
