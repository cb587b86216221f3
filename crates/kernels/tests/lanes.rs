//! Every operation on every lane against the same sums in f64, written as plainly as they can be.
//!
//! The GPU lane runs on whatever adapter wgpu finds (without a GPU: lavapipe); where there is none it says so and is skipped.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use half::f16;
use jeoul_kernels::{
    BLOCK, Format, PLACES, Processor, Rows, Weight, WeightBuilder,
    ops::{self, Norm},
    weight::ROWS_PER_PUSH,
};

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

/// A tree of (position, path, end).
fn tree(rows: &[[i32; 3]], processor: &Processor) -> Tensor<2, Int> {
    ints(rows.as_flattened(), processor).reshape([rows.len(), 3])
}

/// Rows that follow each other after `base` places.
fn line(base: usize, rows: usize) -> Vec<[i32; 3]> {
    (0..rows)
        .map(|row| [(base + row) as i32, base as i32, rows as i32])
        .collect()
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
    let halves = |seed, size: f32| -> Vec<f16> {
        let values = noise(n * k / BLOCK, seed).into_iter();
        values.map(|x| f16::from_f32(x * size)).collect()
    };
    // So small that some of them have no whole mantissa.
    let (scales, minima) = (halves(8, 0.002), halves(9, 0.01));
    let nibbles: Vec<u8> = random.iter().map(|x| ((x + 1.0) * 8.0) as u8).collect();
    let bytes: Vec<i8> = random.iter().map(|x| (x * 127.5) as i8).collect();
    // In two pushes, so that places within the matrix are tested too.
    let split = n / 2 / ROWS_PER_PUSH * ROWS_PER_PUSH;
    for rows in [0..split, split..n] {
        let (at, blocks) = (
            rows.start * k..rows.end * k,
            rows.start * k / BLOCK..rows.end * k / BLOCK,
        );
        builder.push(match format {
            Format::Q4_0 => Rows::Q4_0 {
                quants: &nibbles[at],
                scales: &scales[blocks],
            },
            Format::Q4_1 => Rows::Q4_1 {
                quants: &nibbles[at],
                scales: &scales[blocks.clone()],
                minima: &minima[blocks],
            },
            Format::Q8_0 => Rows::Q8_0 {
                quants: &bytes[at],
                scales: &scales[blocks],
            },
            Format::F32 => Rows::F32(&random[at]),
        });
    }
    let values = (0..n * k)
        .map(|i| {
            let (scale, minimum) = (scales[i / BLOCK].to_f32(), minima[i / BLOCK].to_f32());
            match format {
                Format::Q4_0 => scale * (f32::from(nibbles[i]) - 8.0),
                Format::Q4_1 => scale * f32::from(nibbles[i]) + minimum,
                Format::Q8_0 => scale * f32::from(bytes[i]),
                Format::F32 => random[i],
            }
        })
        .collect();
    (builder.finish(), values)
}

const FORMATS: [Format; 4] = [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::F32];

/// Shapes `[rows, n, k]` that fill no tile.
const SHAPES: [[usize; 3]; 5] = [
    [1, 26, 32],
    [3, 64, 96],
    [4, 30, 576],
    [9, 18, 64],
    [33, 40, 128],
];

/// A norm of `k` values, and its weight.
fn norm(k: usize, processor: &Processor) -> (Norm, Vec<f32>) {
    let values = noise(k, 4);
    let weight = tensor(&values, [k], processor);
    let epsilon = 1e-5;
    (Norm { weight, epsilon }, values)
}

/// `norm(x)` in f64.
fn plain_norm(x: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut normed = Vec::new();
    for x in x.chunks(weight.len()) {
        let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + 1e-5).sqrt();
        let value = |(x, w): (&f32, &f32)| f64::from(*x) * f64::from(*w) * scale;
        normed.extend(x.iter().zip(weight).map(value));
    }
    normed
}

/// `x · Wᵀ` in f64.
fn plain_product(x: &[f64], w: &[f32], k: usize) -> Vec<f64> {
    let dot = |x: &[f64], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * f64::from(*w)).sum();
    let rows = x.chunks(k);
    rows.flat_map(|x| w.chunks(k).map(move |w| dot(x, w)))
        .collect()
}

fn plain_swiglu(gate: f64, up: f64) -> f64 {
    gate / (1.0 + (-gate).exp()) * up
}

#[test]
fn a_product_is_right_for_odd_shapes_and_every_format() {
    on_every_lane(|processor| {
        for format in FORMATS {
            for [rows, n, k] in SHAPES {
                let (w, values) = weight(format, n, k, processor);
                let (norm, norm_values) = norm(k, processor);
                let x = noise(rows * k, 1);
                let on_lane = || tensor(&x, [rows, k], processor);
                let got = read(ops::project(on_lane(), &norm, &w));
                let product = plain_product(&plain_norm(&x, &norm_values), &values, k);
                assert_close(&got, &product, (k as f64).sqrt());

                let got = read(ops::project_gated(on_lane(), &norm, &w));
                let gated: Vec<f64> = product
                    .chunks(n)
                    .flat_map(|row| (0..n / 2).map(|i| plain_swiglu(row[i], row[n / 2 + i])))
                    .collect();
                assert_close(&got, &gated, k as f64);
            }
        }
    });
}

#[test]
fn a_product_is_added_to_what_is_there() {
    on_every_lane(|processor| {
        for format in FORMATS {
            for [rows, n, k] in SHAPES {
                let (w, values) = weight(format, n, k, processor);
                let (x, onto) = (noise(rows * k, 1), noise(rows * n, 2));
                let before = tensor(&onto, [rows, n], processor);
                let handle = before.clone();
                let got = read(ops::project_onto(
                    before,
                    tensor(&x, [rows, k], processor),
                    &w,
                ));
                let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                let product = plain_product(&x, &values, k).into_iter().zip(&onto);
                let want: Vec<f64> = product.map(|(x, onto)| x + f64::from(*onto)).collect();
                assert_close(&got, &want, (k as f64).sqrt());
                assert_eq!(read(handle), onto, "another handle sees nothing of it");
            }
        }
    });
}

#[test]
fn a_product_takes_a_view_that_does_not_begin_at_zero() {
    on_every_lane(|processor| {
        let (w, _) = weight(Format::Q8_0, 24, 64, processor);
        let norm = norm(64, processor).0;
        // The GPU lane packs many rows and leaves few.
        for (rows, first, count) in [(4, 2, 2), (13, 3, 10)] {
            let x = tensor(&noise(rows * 64, 1), [rows, 64], processor);
            let whole = read(ops::project(x.clone(), &norm, &w));
            let part = read(ops::project(x.narrow(0, first, count), &norm, &w));
            assert_eq!(part, whole[first * 24..][..count * 24]);
        }
    });
}

#[test]
fn what_is_no_number_stays_one_and_in_its_row() {
    on_every_lane(|processor| {
        let (w, _) = weight(Format::Q4_1, 24, 64, processor);
        let product = |x: &[f32]| {
            let zeros = tensor(&[0.0; 6 * 24], [6, 24], processor);
            read(ops::project_onto(zeros, tensor(x, [6, 64], processor), &w))
        };
        let mut x = noise(6 * 64, 1);
        let before = product(&x);
        (x[64 + 3], x[2 * 64 + 40]) = (f32::NAN, f32::NEG_INFINITY);
        let after = product(&x);
        assert_eq!(after[..24], before[..24]);
        assert!(after[24..3 * 24].iter().all(|value| !value.is_finite()));
        assert_eq!(after[3 * 24..], before[3 * 24..]);
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

/// Cosines and sines of `positions`, and the angles themselves.
fn angles(positions: usize, pairs: usize, processor: &Processor) -> (Tensor<2>, Vec<f32>) {
    let angles: Vec<f32> = noise(positions * pairs, 3)
        .iter()
        .map(|x| x * 3.0)
        .collect();
    let table: Vec<f32> = angles
        .chunks(pairs)
        .flat_map(|at| at.iter().map(|x| x.cos()).chain(at.iter().map(|x| x.sin())))
        .collect();
    let shape = [positions, 2 * pairs];
    (tensor(&table, shape, processor), angles)
}

/// Turns the pairs of a head.
fn plain_turn(head: &[f32], angles: &[f32]) -> Vec<f32> {
    let mut turned = head.to_vec();
    for (pair, &angle) in turned.chunks_mut(2).zip(angles) {
        let (a, b) = (f64::from(pair[0]), f64::from(pair[1]));
        let (sin, cos) = f64::from(angle).sin_cos();
        (pair[0], pair[1]) = ((a * cos - b * sin) as f32, (a * sin + b * cos) as f32);
    }
    turned
}

/// A layer's cache into which rows of `keys` and `values` are written from place 0 on.
fn written(
    [keys, values]: [&[f32]; 2],
    positions: &[i32],
    angles: &Tensor<2>,
    head_dim: usize,
    processor: &Processor,
) -> Tensor<2> {
    let rows = positions.len();
    let kv_width = keys.len() / rows;
    let shape = [rows.next_multiple_of(PLACES), 2 * kv_width];
    let empty = tensor(&vec![0.0; shape[0] * shape[1]], shape, processor);
    let handle = empty.clone();
    let lines: Vec<[i32; 3]> = positions.iter().map(|&p| [p, 0, rows as i32]).collect();
    let queries = tensor(&vec![7.0; rows * kv_width], [rows, kv_width], processor);
    let qkv = Tensor::cat(vec![queries, beside(keys, values, rows, processor)], 1);
    let tree = tree(&lines, processor);
    let cache = ops::write_kv(empty, qkv, angles.clone(), tree, 0, head_dim);
    let untouched = read(handle).iter().all(|&x| x == 0.0);
    assert!(untouched, "another handle sees nothing of it");
    cache
}

/// Attention as plainly as it can be written: `seen` are the places each row sees.
fn plain_attention(
    [q, keys, values]: [&[f32]; 3],
    [heads, kv_heads, head_dim]: [usize; 3],
    seen: &[Vec<usize>],
) -> Vec<f64> {
    let (width, kv_width) = (heads * head_dim, kv_heads * head_dim);
    let mut out = Vec::new();
    for (q, seen) in q.chunks(width).zip(seen) {
        for (head, q) in q.chunks(head_dim).enumerate() {
            let at = head * kv_heads / heads * head_dim;
            let weight = |p: &usize| {
                let key = &keys[p * kv_width + at..][..head_dim];
                let dot: f64 = q
                    .iter()
                    .zip(key)
                    .map(|(q, k)| f64::from(*q) * f64::from(*k))
                    .sum();
                (dot / (head_dim as f64).sqrt()).exp()
            };
            let weights: Vec<f64> = seen.iter().map(weight).collect();
            let total: f64 = weights.iter().sum();
            out.extend((0..head_dim).map(|d| {
                let value = |p: &usize| f64::from(values[p * kv_width + at + d]);
                let sum: f64 = weights.iter().zip(seen).map(|(w, p)| w * value(p)).sum();
                sum / total
            }));
        }
    }
    out
}

/// Two matrices side by side.
fn beside(left: &[f32], right: &[f32], rows: usize, processor: &Processor) -> Tensor<2> {
    let [left, right] = [left, right].map(|x| tensor(x, [rows, x.len() / rows], processor));
    Tensor::cat(vec![left, right], 1)
}

/// Runs attention over random tensors and compares; gives `q`, keys and values, all unturned, and the result.
fn check_attention(
    shape: [usize; 3],
    base: usize,
    rows: &[[i32; 3]],
    processor: &Processor,
) -> [Vec<f32>; 4] {
    let [heads, kv_heads, head_dim] = shape;
    let (width, kv_width, places) = (heads * head_dim, kv_heads * head_dim, base + rows.len());
    let unturned = noise(rows.len() * width, 1);
    let (keys, values) = (noise(places * kv_width, 2), noise(places * kv_width, 3));
    // Some dimensions are not turned.
    let pairs = head_dim / 2 - 1;
    let (table, angles) = angles(places, pairs, processor);
    let positions: Vec<i32> = (0..base as i32)
        .chain(rows.iter().map(|line| line[0]))
        .collect();
    let got = read(ops::attention(
        beside(
            &unturned,
            &vec![0.0; rows.len() * 2 * kv_width],
            rows.len(),
            processor,
        ),
        written([&keys, &values], &positions, &table, head_dim, processor),
        table,
        tree(rows, processor),
        base,
        head_dim,
    ));
    let turned = |rows: &[f32], positions: &[i32]| -> Vec<f32> {
        let width = rows.len() / positions.len();
        let rows = rows.chunks(width).zip(positions);
        rows.flat_map(|(row, &position)| {
            let angles = &angles[position as usize * pairs..][..pairs];
            let heads = row.chunks(head_dim);
            heads
                .flat_map(|head| plain_turn(head, angles))
                .collect::<Vec<_>>()
        })
        .collect()
    };
    let q = turned(&unturned, &positions[base..]);
    let turned_keys = turned(&keys, &positions);
    let seen: Vec<Vec<usize>> = (0..rows.len())
        .map(|row| {
            let above = (0..=row).filter(|&other| rows[other][2] > row as i32);
            (0..rows[row][1] as usize)
                .chain(above.map(|other| base + other))
                .collect()
        })
        .collect();
    let want = plain_attention([&q, &turned_keys, &values], shape, &seen);
    assert_close(&got, &want, 1.0);
    [unturned, keys, values, got]
}

/// Three branches after 20 places, one of them leaving 7 places earlier, with a branch of its own in the second.
const BRANCHES: [[i32; 3]; 9] = [
    [20, 20, 3],
    [21, 20, 2],
    [21, 20, 3],
    [13, 13, 9],
    [14, 13, 7],
    [15, 13, 6],
    [15, 13, 7],
    [14, 13, 9],
    [15, 13, 9],
];

#[test]
fn attention_is_causal_grouped_and_normalised() {
    on_every_lane(|processor| {
        // Past 512 places the GPU lane merges parts; 80 dimensions do not divide its threads, 272 are more than one each.
        for (rows, shape, base) in [
            (3, [4, 2, 16], 0),
            (2, [9, 3, 64], 130),
            (1, [2, 2, 80], 63),
            (1, [2, 1, 272], 70),
            (2, [4, 2, 16], 1030),
            (40, [6, 2, 64], 5),
            (18, [5, 1, 36], 30),
        ] {
            check_attention(shape, base, &line(base, rows), processor);
        }
    });
}

#[test]
fn a_row_sees_its_own_branch_alone() {
    on_every_lane(|processor| {
        check_attention([9, 3, 64], 20, &BRANCHES, processor);
        // A row of which the last part sees nothing.
        check_attention([2, 1, 32], 600, &[[5, 5, 1], [600, 600, 2]], processor);
        // Branches of which a whole tile is not seen.
        let far: Vec<[i32; 3]> = (0..150).map(|row| [5, 5, row + 1]).collect();
        check_attention([2, 1, 32], 5, &far, processor);
    });
}

#[test]
fn on_the_cpu_a_branch_gives_the_bits_of_a_line() {
    let processor = Processor::Cpu(Device::flex());
    let [q, keys, values, got] = check_attention([9, 3, 64], 20, &BRANCHES, &processor);
    // The last row: 13 places, then rows 3, 7 and 8 of the batch.
    let [keys, values] = [keys, values].map(|rows| {
        let places = (0..13).chain([23, 27, 28]);
        places
            .flat_map(|place| rows[place * 192..][..192].to_vec())
            .collect::<Vec<f32>>()
    });
    let (table, _) = angles(20 + 9, 31, &processor);
    let positions: Vec<i32> = (0..16).collect();
    let alone = read(ops::attention(
        beside(&q[8 * 576..], &[0.0; 2 * 192], 1, &processor),
        written([&keys, &values], &positions, &table, 64, &processor),
        table,
        tree(&line(15, 1), &processor),
        15,
        64,
    ));
    assert_eq!(alone, got[8 * 576..]);
}

#[test]
fn places_that_move_are_seen_where_they_are_now() {
    on_every_lane(|processor| {
        let (kv_width, head_dim, places) = (16, 8, 40);
        let (keys, values) = (noise(places * kv_width, 2), noise(places * kv_width, 3));
        // Angles of nothing.
        let table = tensor(&[1.0, 0.0].repeat(places), [places, 2], processor);
        let positions: Vec<i32> = (0..places as i32).collect();
        let cache = written([&keys, &values], &positions, &table, head_dim, processor);
        let cache = ops::move_places(cache, ints(&[15, 20, 37], processor), 14, head_dim);
        let q = noise(2 * kv_width, 4);
        let qkv = beside(&q, &[0.0; 2 * 16], 1, processor);
        let got = read(ops::attention(
            qkv,
            cache,
            table,
            tree(&line(16, 1), processor),
            16,
            head_dim,
        ));
        let seen: Vec<usize> = (0..14).chain([15, 20, 37]).collect();
        let want = plain_attention([&q, &keys, &values], [4, 2, head_dim], &[seen]);
        assert_close(&got, &want, 1.0);
    });
}

#[test]
fn swiglu_gates() {
    on_every_lane(|processor| {
        let both: Vec<f32> = noise(2 * 2 * 77, 1).iter().map(|x| x * 30.0).collect();
        let got = read(ops::swiglu(tensor(&both, [2, 2 * 77], processor)));
        let want: Vec<f64> = both
            .chunks(2 * 77)
            .flat_map(|row| (0..77).map(|i| plain_swiglu(row[i].into(), row[77 + i].into())))
            .collect();
        assert_close(&got, &want, 30.0);
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
            ints(&[0, 1, 1], processor),
            ints(&[3, 460, 7], processor),
        ));
        let logprob = |row: usize, target: usize| {
            let row = &logits[row * vocab..][..vocab];
            f64::from(row[target]) - row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln()
        };
        assert_eq!([got[1], got[3], got[5]], [45.0, 460.0, 460.0]);
        let want = [logprob(0, 3), logprob(1, 460), logprob(1, 7)];
        assert_close(&[got[0], got[2], got[4]], &want, 1.0);
    });
}

#[test]
fn the_largest_are_found_with_their_equals() {
    on_every_lane(|processor| {
        for (vocab, count) in [(5000, 50), (5000, 1), (300, 128), (40, 50)] {
            let mut logits: Vec<f32> = noise(vocab, 3).iter().map(|x| x * 5.0).collect();
            // The last that counts, three times; the second two of one thread's share.
            let (mut ranked, asked) = (logits.clone(), count.min(vocab));
            ranked.sort_by(|a, b| b.total_cmp(a));
            let least = ranked[asked - 1];
            (logits[7], logits[(7 + 256) % vocab]) = (least, least);
            let mut want: Vec<(u32, f32)> = (0..).zip(logits.clone()).collect();
            want.retain(|(_, logit)| *logit >= least);

            let got = read(ops::largest(tensor(&logits, [1, vocab], processor), count));
            let (&[found, not_finite], lines) = got.as_chunks().0.split_first().unwrap();
            assert_eq!((not_finite, lines.len()), (0.0, ops::LARGEST_ROOM));
            let mut got: Vec<(u32, f32)> = lines[..found as usize]
                .iter()
                .map(|&[logit, index]| (index as u32, logit))
                .collect();
            got.sort_by_key(|(index, _)| *index);
            assert!(got.iter().all(|&(i, logit)| logits[i as usize] == logit));
            got.retain(|(_, logit)| *logit >= least);
            assert_eq!(got, want);
        }
    });
}

#[test]
fn more_equals_than_there_is_room_for_are_counted_and_so_are_logits_of_nothing() {
    on_every_lane(|processor| {
        let mut logits = vec![1.5; 3 * ops::LARGEST_ROOM];
        let of = |logits: &[f32]| {
            let logits = tensor(logits, [1, logits.len()], processor);
            let got = read(ops::largest(logits, 10));
            [got[0], got[1]]
        };
        assert_eq!(of(&logits), [3.0 * ops::LARGEST_ROOM as f32, 0.0]);
        (logits[3], logits[700], logits[1500]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        assert_eq!(of(&logits)[1], 3.0);
    });
}

#[test]
fn a_row_on_the_cpu_does_not_depend_on_the_rows_beside_it() {
    let processor = Processor::Cpu(Device::flex());
    for format in FORMATS {
        let (w, _) = weight(format, 21, 96, &processor);
        let norm = norm(96, &processor).0;
        let x = noise(7 * 96, 1);
        let together = read(ops::project(tensor(&x, [7, 96], &processor), &norm, &w));
        for (row, x) in x.chunks(96).enumerate() {
            let alone = read(ops::project(tensor(x, [1, 96], &processor), &norm, &w));
            assert_eq!(alone, together[row * 21..][..21]);
        }
    }
}
