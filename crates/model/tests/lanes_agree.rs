//! The tiny checkpoint on every lane: agreement, and the same bits however requests are split.

use jeoul_checkpoint::{Checkpoint, FileSource, MemorySource, TensorType};
use jeoul_eval::model::{LanguageModel, Loglikelihood, TokenPair};
use jeoul_eval::plan::Counter;
use jeoul_model::{Lane, LocalModel, ModelError, Pace};

const TINY: &str = "../../models/tiny.gguf";

fn load(lane: Lane) -> LocalModel {
    let checkpoint =
        Checkpoint::open(FileSource::open(TINY).expect("models/tiny.gguf")).expect("a checkpoint");
    pollster::block_on(LocalModel::load(checkpoint, lane, Pace::free())).expect("loaded")
}

fn score(model: &mut LocalModel, requests: &[TokenPair]) -> Vec<Loglikelihood> {
    pollster::block_on(model.loglikelihood(requests)).expect("scored")
}

fn pair(context: &str, continuation: &str, model: &LocalModel) -> TokenPair {
    let encode = |text| model.encode(text).expect("encoded");
    TokenPair {
        context: encode(context),
        continuation: encode(continuation),
    }
}

/// Contexts short and long, with shared and with different beginnings.
fn requests(model: &LocalModel) -> Vec<TokenPair> {
    let long = "A scale has two pans. What lies on one is weighed against the other. ".repeat(4);
    let mut pairs = Vec::new();
    for context in ["저울은 무게를 답니다.", long.as_str(), "A scale"] {
        for continuation in [" yes", " no", " A scale has two pans and a beam."] {
            pairs.push(pair(context, continuation, model));
        }
    }
    pairs
}

fn largest_difference(a: &[Loglikelihood], b: &[Loglikelihood]) -> f32 {
    let values = |x: &[Loglikelihood]| -> Vec<f32> {
        x.iter().flat_map(|l| l.token_logprobs.clone()).collect()
    };
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn the_cpu_lane_agrees_with_the_reference() {
    let (mut cpu, mut reference) = (load(Lane::Cpu), load(Lane::Reference));
    let requests = requests(&cpu);
    let (cpu, reference) = (score(&mut cpu, &requests), score(&mut reference, &requests));
    let difference = largest_difference(&cpu, &reference);
    assert!(difference < 1e-3, "{difference}");
    // Random weights, but not uniform ones: otherwise any engine would agree.
    let spread = reference
        .iter()
        .flat_map(|l| &l.token_logprobs)
        .fold(0.0_f32, |a, b| a.min(*b));
    assert!(spread < -7.0, "{spread}");
}

#[cfg(feature = "gpu")]
#[test]
fn the_gpu_passes_its_known_answer_test() {
    match pollster::block_on(jeoul_model::self_test::run()) {
        Ok(test) => assert!(test.passed(), "{test:?}"),
        Err(ModelError::NoGpu { reason }) => eprintln!("skipped: {reason}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn answers_have_the_same_bits_in_any_order_and_company() {
    let mut model = load(Lane::Cpu);
    let requests = requests(&model);
    let together = score(&mut model, &requests);
    for (i, request) in requests.iter().enumerate().rev() {
        assert_eq!(
            score(&mut model, std::slice::from_ref(request))[0],
            together[i],
            "request {i}"
        );
    }
}

#[test]
fn answers_have_the_same_bits_with_two_threads() {
    let mut model = load(Lane::Cpu);
    let requests = requests(&model);
    let alone = score(&mut model, &requests);
    let two = 2.try_into().expect("not zero");
    jeoul_model::threads::start(two).expect("a thread");
    // Nothing of the first time is reused: the model is another.
    let mut model = load(Lane::Cpu);
    assert_eq!(score(&mut model, &requests), alone);
}

#[test]
fn choices_of_one_document_compute_their_context_once() {
    let mut model = load(Lane::Cpu);
    let context = "One beginning that all of the choices share, long enough to matter.";
    let pairs: Vec<TokenPair> = ["a", "b", "c"]
        .map(|choice| pair(context, choice, &model))
        .into();
    score(&mut model, &pairs);
    // One row scores the first token of all of them.
    assert_eq!(model.tokens_computed() as usize, pairs[0].context.len());
}

#[test]
fn a_cache_that_grows_keeps_what_was_read() {
    // The first has room in the first cache, the second needs a larger one.
    let tokens: Vec<u32> = (0..600).map(|i| (i * 7 + 1) % 200).collect();
    let request = |count: usize| TokenPair {
        context: tokens[..count].to_vec(),
        continuation: vec![3],
    };
    let mut model = load(Lane::Cpu);
    score(&mut model, &[request(100)]);
    let grown = score(&mut model, &[request(600)]);
    assert_eq!(model.tokens_computed(), 600);
    assert_eq!(grown, score(&mut load(Lane::Cpu), &[request(600)]));
}

#[test]
fn answers_have_the_same_bits_in_batches_of_any_size() {
    let mut model = load(Lane::Cpu);
    // 210 requests: branches of many lengths, longer than a batch and shorter.
    let requests: Vec<TokenPair> = (0..70)
        .flat_map(|i: usize| {
            let words = |from: usize, count: usize| -> String {
                let word = |j| format!(" {}", (from * 7 + j * j * 3) % 50);
                (0..count).map(word).collect()
            };
            let context = format!("Weigh:{}", words(i / 9, 3 + i % 20));
            let model = &model;
            [1, 2, 9].map(move |count| pair(&context, &words(i + count, count), model))
        })
        .collect();
    assert_eq!(requests.len(), 210);
    let mut counter = Counter::default();
    counter.add(&requests);
    let want = score(&mut model, &requests);
    assert_eq!(model.tokens_computed(), counter.plan().tokens_computed);
    for rows in [1, 7, 64, 1000] {
        model.set_batch_rows(rows);
        assert!(score(&mut model, &requests) == want, "batches of {rows}");
    }
}

#[test]
fn requests_that_cannot_be_computed_are_refused_by_name() {
    let mut model = load(Lane::Cpu);
    let mut refuse = |context: Vec<u32>, continuation: Vec<u32>| {
        let good = TokenPair {
            context: vec![1],
            continuation: vec![2],
        };
        let request = TokenPair {
            context,
            continuation,
        };
        pollster::block_on(model.loglikelihood(&[good, request]))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        refuse(vec![], vec![1]),
        "request 1 has no context: at least one token is needed"
    );
    assert_eq!(
        refuse(vec![1], vec![]),
        "request 1 has no continuation: at least one token is needed"
    );
    assert_eq!(
        refuse(vec![1], vec![1 << 20]),
        "request 1 holds token 1048576; the vocabulary has 461"
    );
    assert_eq!(
        refuse(vec![1; 1024], vec![1, 2]),
        "request 1 has 1025 tokens; the model reads at most 1024"
    );
    // The limit itself: 1,024 tokens are read, the last of the continuation is not.
    let longest = TokenPair {
        context: vec![1; 1023],
        continuation: vec![1, 2],
    };
    assert_eq!(score(&mut model, &[longest])[0].token_logprobs.len(), 2);
}

#[test]
fn a_pace_that_breaks_cancels_and_the_model_stays_right() {
    use std::{cell::Cell, ops::ControlFlow, rc::Rc};
    let stop = Rc::new(Cell::new(false));
    let seen = Rc::clone(&stop);
    let pace = Pace::new(move |_| {
        let answer = if seen.get() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        };
        std::future::ready(answer)
    });
    let checkpoint =
        Checkpoint::open(FileSource::open(TINY).expect("models/tiny.gguf")).expect("a checkpoint");
    let mut model =
        pollster::block_on(LocalModel::load(checkpoint, Lane::Cpu, pace)).expect("loaded");
    let requests = requests(&model);
    let before = score(&mut model, &requests);
    stop.set(true);
    assert!(matches!(
        pollster::block_on(model.loglikelihood(&requests)),
        Err(ModelError::Cancelled)
    ));
    stop.set(false);
    assert_eq!(score(&mut model, &requests), before);
}

#[test]
fn a_checkpoint_with_a_scale_that_is_no_number_is_refused_by_name() {
    let name = "blk.1.ffn_gate.weight";
    let mut bytes = std::fs::read(TINY).expect("models/tiny.gguf");
    let open = |bytes: Vec<u8>| Checkpoint::open(MemorySource::new("tiny.gguf", bytes));
    let tensor = open(bytes.clone()).expect("a checkpoint");
    let tensor = tensor.tensor(name).expect("the tensor").clone();
    // A quantised block begins with its scale.
    assert_eq!(tensor.ty, TensorType::Q4_1);
    let scale = tensor.offset as usize..tensor.offset as usize + 2;
    for (bits, refused) in [(0x7bff_u16, false), (0x7c00, true), (0xfe00, true)] {
        bytes[scale.clone()].copy_from_slice(&bits.to_le_bytes());
        let checkpoint = open(bytes.clone()).expect("a checkpoint");
        let loaded = pollster::block_on(LocalModel::load(checkpoint, Lane::Cpu, Pace::free()));
        match loaded {
            Err(ModelError::NotFinite { name: found }) if refused => assert_eq!(found, name),
            Err(error) => panic!("{bits:x}: {error}"),
            Ok(_) => assert!(!refused, "{bits:x}"),
        }
    }
}
