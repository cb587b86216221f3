//! Every operation on every lane against the same sums in f64, written as plainly as they can be.
//!
//! The GPU lane runs on whatever adapter wgpu finds (without a GPU: lavapipe); where there is none it says so and is skipped.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use jeoul_kernels::{BLOCK, Format, Processor, Rows, Weight, WeightBuilder, ops};

/// Largest difference from f64, relative to the size of the terms; the CPU lane rounds activations to 16 bits.
const TOLERANCE: f64 = 5e-5;

/// Deterministic values in -1..1.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn on_every_lane(test: impl Fn(&Processor)) {
    test(&Processor::Cpu(Device::flex()));
    #[cfg(feature = "gpu")]
    match gpu() {
        Some(processor) => test(&processor),
        None => eprintln!("skipped: no adapter for the GPU lane"),
    }
}

/// One device for all tests: a second initialisation of the same device is an error.
#[cfg(feature = "gpu")]
fn gpu() -> Option<Processor> {
    static DEVICE: std::sync::OnceLock<Option<Device>> = std::sync::OnceLock::new();
    DEVICE
        .get_or_init(|| pollster::block_on(Device::wgpu_options().init_async()).ok())
        .clone()
        .map(Processor::Gpu)
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], processor: &Processor) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        (processor.device(), DType::F32),
    )
}

fn ints(values: &[i32], processor: &Processor) -> Tensor<1, Int> {
    Tensor::from_data(
        TensorData::new(values.to_vec(), [values.len()]),
        (processor.device(), DType::I32),
    )
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    pollster::block_on(tensor.into_data_async())
        .expect("read")
        .try_into_vec()
        .expect("f32")
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f64], size: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(
            error <= TOLERANCE * size,
            "value {i}: {got} instead of {want}"
        );
    }
}

/// A random matrix of a format, and what it stands for.
fn weight(format: Format, n: usize, k: usize, processor: &Processor) -> (Weight, Vec<f32>) {
    let mut builder = WeightBuilder::new(format, n, k, processor);
    let random = noise(n * k, 7);
    let scales: Vec<f32> = noise(n * k / BLOCK, 8).iter().map(|x| x * 0.01).collect();
    let minima: Vec<f32> = noise(n * k / BLOCK, 9).iter().map(|x| x * 0.05).collect();
    let nibbles: Vec<u8> = random.iter().map(|x| ((x + 1.0) * 8.0) as u8).collect();
    let bytes: Vec<i8> = random.iter().map(|x| (x * 127.5) as i8).collect();
    // In two pushes, so that places within the matrix are tested too.
    let split = n / 2 / 8 * 8;
    for rows in [0..split, split..n] {
        let (at, blocks) = (
            rows.start * k..rows.end * k,
            rows.start * k / BLOCK..rows.end * k / BLOCK,
        );
        builder.push(match format {
            Format::Q4 => Rows::Q4 {
                quants: &nibbles[at],
                scales: &scales[blocks.clone()],
                minima: &minima[blocks],
            },
            Format::Q8 => Rows::Q8 {
                quants: &bytes[at],
                scales: &scales[blocks],
            },
            Format::F32 => Rows::F32(&random[at]),
        });
    }
    let values = (0..n * k)
        .map(|i| match format {
            Format::Q4 => scales[i / BLOCK] * f32::from(nibbles[i]) + minima[i / BLOCK],
            Format::Q8 => scales[i / BLOCK] * f32::from(bytes[i]),
            Format::F32 => random[i],
        })
        .collect();
    (builder.finish(), values)
}

const FORMATS: [Format; 3] = [Format::Q4, Format::Q8, Format::F32];

#[test]
fn matmul_is_right_for_odd_shapes_and_every_format() {
    on_every_lane(|processor| {
        for format in FORMATS {
            for (rows, n, k) in [
                (1, 13, 32),
                (3, 64, 96),
                (4, 29, 576),
                (9, 17, 64),
                (33, 40, 128),
            ] {
                let (w, values) = weight(format, n, k, processor);
                let x = noise(rows * k, 1);
                let got = read(ops::matmul(tensor(&x, [rows, k], processor), &w));
                let mut want = Vec::new();
                for x in x.chunks(k) {
                    for w in values.chunks(k) {
                        want.push(
                            x.iter()
                                .zip(w)
                                .map(|(x, w)| f64::from(*x) * f64::from(*w))
                                .sum(),
                        );
                    }
                }
                assert_close(&got, &want, (k as f64).sqrt());
            }
        }
    });
}

#[test]
fn matmul_takes_a_view_that_does_not_begin_at_zero() {
    on_every_lane(|processor| {
        let (w, _) = weight(Format::Q8, 24, 64, processor);
        let x = tensor(&noise(5 * 64, 1), [5, 64], processor);
        let whole = read(ops::matmul(x.clone(), &w));
        let part = read(ops::matmul(x.narrow(0, 3, 2), &w));
        assert_eq!(part, whole[3 * 24..]);
    });
}

#[test]
fn embedding_rows_are_the_weights_themselves() {
    on_every_lane(|processor| {
        for format in FORMATS {
            let (table, values) = weight(format, 21, 64, processor);
            let got = read(ops::embed(ints(&[20, 0, 7, 7], processor), &table));
            let want: Vec<f64> = [20, 0, 7, 7]
                .iter()
                .flat_map(|&t| values[t * 64..][..64].iter().map(|v| f64::from(*v)))
                .collect();
            assert_close(&got, &want, 0.01);
        }
    });
}

#[test]
fn rms_norm_divides_by_the_root_of_the_mean_square() {
    on_every_lane(|processor| {
        let (rows, k) = (3, 100);
        let (x, weight) = (noise(rows * k, 1), noise(k, 2));
        let got = read(ops::rms_norm(
            tensor(&x, [rows, k], processor),
            tensor(&weight, [k], processor),
            1e-5,
        ));
        let mut want = Vec::new();
        for x in x.chunks(k) {
            let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / k as f64;
            want.extend(
                x.iter()
                    .zip(&weight)
                    .map(|(x, w)| f64::from(x * w) / (mean + 1e-5).sqrt()),
            );
        }
        assert_close(&got, &want, 1.0);
    });
}

#[test]
fn rope_turns_pairs_by_the_position_and_leaves_the_rest() {
    on_every_lane(|processor| {
        let (rows, heads, head_dim, pairs, position) = (2, 3, 8, 3, 4);
        let angles: Vec<f32> = noise(10 * pairs, 3).iter().map(|x| x * 3.0).collect();
        let table = |f: fn(f32) -> f32| {
            tensor(
                &angles.iter().map(|x| f(*x)).collect::<Vec<_>>(),
                [10, pairs],
                processor,
            )
        };
        let x = noise(rows * heads * head_dim, 1);
        let got = read(ops::rope(
            tensor(&x, [rows, heads * head_dim], processor),
            table(f32::cos),
            table(f32::sin),
            position,
            head_dim,
        ));
        let mut want: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        for (i, head) in want.chunks_mut(head_dim).enumerate() {
            for pair in 0..pairs {
                let angle = f64::from(angles[(position + i / heads) * pairs + pair]);
                let (a, b) = (head[2 * pair], head[2 * pair + 1]);
                head[2 * pair] = a * angle.cos() - b * angle.sin();
                head[2 * pair + 1] = a * angle.sin() + b * angle.cos();
            }
        }
        assert_close(&got, &want, 1.0);
    });
}

#[test]
fn cache_rows_land_at_their_position() {
    on_every_lane(|processor| {
        let cache = tensor(&[0.0; 5 * 4], [5, 4], processor);
        let cache = ops::kv_write(cache, tensor(&[1.0; 8], [2, 4], processor), 1);
        let cache = ops::kv_write(cache, tensor(&[2.0; 4], [1, 4], processor), 4);
        let want: Vec<f32> = [0.0, 1.0, 1.0, 0.0, 2.0]
            .iter()
            .flat_map(|&v| [v; 4])
            .collect();
        assert_eq!(read(cache), want);
    });
}

#[test]
fn another_handle_to_the_cache_does_not_see_the_write() {
    on_every_lane(|processor| {
        let cache = tensor(&[0.0; 8], [2, 4], processor);
        let before = cache.clone();
        let after = ops::kv_write(cache, tensor(&[1.0; 4], [1, 4], processor), 0);
        assert_eq!(read(before), [0.0; 8]);
        assert_eq!(read(after)[..4], [1.0; 4]);
    });
}

#[test]
fn attention_is_causal_grouped_and_normalised() {
    on_every_lane(|processor| {
        // Past 64 and 128 positions the GPU lane begins new tiles; 80 dimensions are more than its threads.
        for (rows, heads, kv_heads, head_dim, position) in
            [(3, 4, 2, 16, 0), (2, 9, 3, 64, 130), (1, 2, 2, 80, 63)]
        {
            let (width, kv_width, positions) =
                (heads * head_dim, kv_heads * head_dim, position + rows + 3);
            let q = noise(rows * width, 1);
            let (keys, values) = (
                noise(positions * kv_width, 2),
                noise(positions * kv_width, 3),
            );
            let got = read(ops::attention(
                tensor(&q, [rows, width], processor),
                tensor(&keys, [positions, kv_width], processor),
                tensor(&values, [positions, kv_width], processor),
                position,
                head_dim,
            ));
            let mut want = Vec::new();
            for (row, q) in q.chunks(width).enumerate() {
                for (head, q) in q.chunks(head_dim).enumerate() {
                    let at = head * kv_heads / heads * head_dim;
                    let weights: Vec<f64> = (0..=position + row)
                        .map(|p| {
                            let dot: f64 = (0..head_dim)
                                .map(|d| f64::from(q[d]) * f64::from(keys[p * kv_width + at + d]))
                                .sum();
                            (dot / (head_dim as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = weights.iter().sum();
                    want.extend((0..head_dim).map(|d| {
                        let sum: f64 = weights
                            .iter()
                            .enumerate()
                            .map(|(p, w)| w * f64::from(values[p * kv_width + at + d]))
                            .sum();
                        sum / total
                    }));
                }
            }
            assert_close(&got, &want, 1.0);
        }
    });
}

#[test]
fn swiglu_gates() {
    on_every_lane(|processor| {
        let (gate, up): (Vec<f32>, Vec<f32>) = (
            noise(77, 1).iter().map(|x| x * 30.0).collect(),
            noise(77, 2),
        );
        let got = read(ops::swiglu(
            tensor(&gate, [1, 77], processor),
            tensor(&up, [1, 77], processor),
        ));
        let want: Vec<f64> = gate
            .iter()
            .zip(&up)
            .map(|(g, u)| f64::from(*g) / (1.0 + f64::from(-g).exp()) * f64::from(*u))
            .collect();
        assert_close(&got, &want, 1.0);
    });
}

#[test]
fn score_gives_log_probability_and_the_first_largest() {
    on_every_lane(|processor| {
        let vocab = 461;
        let mut logits: Vec<f32> = noise(2 * vocab, 1).iter().map(|x| x * 5.0).collect();
        // Ties, far enough apart that different threads of a group see them.
        (logits[300], logits[45], logits[vocab + 460]) = (9.0, 9.0, 9.0);
        let got = read(ops::score(
            tensor(&logits, [2, vocab], processor),
            ints(&[3, 460], processor),
        ));
        let logprob = |row: usize, target: usize| {
            let row = &logits[row * vocab..][..vocab];
            f64::from(row[target]) - row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln()
        };
        assert_eq!([got[1], got[3]], [45.0, 460.0]);
        assert_close(&[got[0], got[2]], &[logprob(0, 3), logprob(1, 460)], 1.0);
    });
}

#[test]
fn a_row_on_the_cpu_does_not_depend_on_the_rows_beside_it() {
    let processor = Processor::Cpu(Device::flex());
    for format in FORMATS {
        let (w, _) = weight(format, 21, 96, &processor);
        let x = noise(7 * 96, 1);
        let together = read(ops::matmul(tensor(&x, [7, 96], &processor), &w));
        for (row, x) in x.chunks(96).enumerate() {
            let alone = read(ops::matmul(tensor(x, [1, 96], &processor), &w));
            assert_eq!(alone, together[row * 21..][..21]);
        }
    }
}
