//! The matrix product of the CPU lane in multiplications a second, beside the most that its inner instruction allows:
//! `cargo bench -p jeoul-kernels`. Elements are multiply-adds (MAC).

mod product;

use std::array::from_fn;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jeoul_kernels::Format;
use product::Product;

/// Output and input features of SmolLM2-135M's widest layer.
const SHAPE: [usize; 2] = [1536, 576];

fn matmul(criterion: &mut Criterion) {
    let [n, k] = SHAPE;
    for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0] {
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
const ROUNDS: usize = 10_000;

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
        x = black_box(x);
    }
    sums.iter()
        .map(|&sum| _mm512_reduce_add_epi32(sum))
        .fold(0, i32::wrapping_add)
}

/// Words of activations in the loop below.
#[cfg(target_arch = "x86_64")]
const WORDS: usize = 512;

/// `vpmaddwd` and `vpaddd` with weights and 8 sums in registers. Activations are loaded, as the product does, which costs no
/// arithmetic.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn peak_loop_avx2() -> i32 {
    use std::arch::x86_64::*;
    let words: [i32; WORDS] = black_box(from_fn(|i| i as i32));
    let weights = [1, 2].map(|weight| _mm256_set1_epi32(black_box(weight)));
    let mut sums = [[_mm256_setzero_si256(); 2]; 4];
    for _ in 0..ROUNDS {
        for rows in words.as_chunks::<4>().0 {
            for (sums, &word) in sums.iter_mut().zip(rows) {
                let x = _mm256_set1_epi32(word);
                for (sum, &weights) in sums.iter_mut().zip(&weights) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, weights));
                }
            }
        }
    }
    let mut words = [0; 8];
    for sum in sums.as_flattened() {
        // SAFETY: as many words as the vector has.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), *sum) };
        black_box(words);
    }
    words[0]
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
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        let mut group = criterion.benchmark_group("peak");
        group.throughput(Throughput::Elements((ROUNDS * WORDS * 2 * 16) as u64));
        // SAFETY: the processor has the instructions.
        group.bench_function("vpmaddwd and vpaddd", |bencher| {
            bencher.iter(|| unsafe { peak_loop_avx2() })
        });
        return;
    }
    let _ = criterion;
    eprintln!("no peak-finding loop for this processor's instructions");
}

criterion_group!(benches, peak, matmul);
criterion_main!(benches);
