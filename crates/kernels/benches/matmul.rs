//! The matrix product of the CPU lane in multiplications a second, beside the most that its inner instruction allows:
//! `cargo bench -p jeoul-kernels`. Elements are multiply-adds (MAC).

mod product;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jeoul_kernels::Format;
use product::Product;

/// Output and input features of SmolLM2-135M's widest layer.
const SHAPE: [usize; 2] = [1536, 576];

fn matmul(criterion: &mut Criterion) {
    let [n, k] = SHAPE;
    for format in [Format::Q4, Format::Q8] {
        let mut group = criterion.benchmark_group(format!("matmul/{format:?}"));
        for rows in [1, 4, 64, 256, 1024] {
            let product = Product::new(format, rows, k, n);
            group.throughput(Throughput::Elements((rows * n * k) as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                bencher.iter(|| product.run())
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
