//! The matrix product of the CPU lane in multiplications a second, beside the most that its inner instruction allows:
//! `cargo bench -p jeoul-kernels`. Elements are multiply-adds (MAC).

mod product;

use std::array::from_fn;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use jeoul_kernels::Format;
use product::Product;

/// Output and input features of SmolLM2-135M's widest layer.
const SHAPE: [usize; 2] = [1536, 576];

/// Each product after the peak-finding loop: a machine's speed drifts, and a share of the peak is one of that moment.
fn matmul(criterion: &mut Criterion) {
    let [n, k] = SHAPE;
    for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0] {
        for rows in [1, 4, 64, 256, 1024] {
            let of = format!("{format:?}/{rows}");
            peak(criterion, &of, 1);
            let product = Product::new(format, rows, k, n);
            let mut group = brief(criterion, "matmul", rows * n * k);
            group.bench_function(of, |bencher| bencher.iter(|| product.run()));
        }
    }
}

/// Benchmarks of so many elements, a second each.
fn brief<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    elements: usize,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.sample_size(20);
    group.throughput(Throughput::Elements(elements as u64));
    group
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

/// A peak-finding loop.
struct Peak {
    instructions: &'static str,
    /// Its multiply-adds.
    count: usize,
    find: fn() -> i32,
}

/// The fastest of this processor.
fn peak_finding() -> Option<Peak> {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            return Some(Peak {
                instructions: "vpdpwssd",
                count: ROUNDS * 12 * 32,
                // SAFETY: the processor has the instructions; so below.
                find: || unsafe { peak_loop() },
            });
        }
        if is_x86_feature_detected!("avx2") {
            return Some(Peak {
                instructions: "vpmaddwd and vpaddd",
                count: ROUNDS * WORDS * 2 * 16,
                find: || unsafe { peak_loop_avx2() },
            });
        }
    }
    None
}

/// Measures the loop, on so many threads at once, as the peak of a benchmark.
fn peak(criterion: &mut Criterion, of: &str, threads: usize) {
    let Some(peak) = peak_finding() else {
        eprintln!("no peak-finding loop for this processor's instructions");
        return;
    };
    let name = format!("peak {}", peak.instructions);
    let mut group = brief(criterion, &name, threads * peak.count);
    group.bench_function(of, |bencher| {
        bencher.iter(|| {
            thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(peak.find);
                }
                (peak.find)()
            })
        })
    });
}

/// What a second thread can bring on this machine.
fn peak_of_two(criterion: &mut Criterion) {
    peak(criterion, "1 thread", 1);
    peak(criterion, "2 threads", 2);
}

criterion_group!(benches, peak_of_two, matmul);
criterion_main!(benches);
