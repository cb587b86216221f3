//! The tiny checkpoint continues texts: the tokens are the ones that log-likelihoods call greedy, and it stops where it should.

use std::{cell::Cell, ops::ControlFlow, rc::Rc};

use jeoul_checkpoint::{Checkpoint, FileSource};
use jeoul_eval::model::{
    Finish, GenerateRequest, Generation, LanguageModel, Message, Role, Sampling, TokenPair,
};
use jeoul_model::{Lane, LocalModel, ModelError, Pace};

const TINY: &str = "../../models/tiny.gguf";

fn open(lane: Lane, pace: Pace) -> Result<LocalModel, ModelError> {
    let checkpoint =
        Checkpoint::open(FileSource::open(TINY).expect("models/tiny.gguf")).expect("a checkpoint");
    pollster::block_on(LocalModel::load(checkpoint, lane, pace))
}

fn load() -> LocalModel {
    open(Lane::Cpu, Pace::free()).expect("loaded")
}

fn request(model: &LocalModel, context: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        context: model.encode(context).expect("encoded"),
        until: Vec::new(),
        max_tokens,
        sampling: None,
    }
}

/// The answer; its pieces must add up to its text, and its text must be that of its tokens.
#[track_caller]
fn generate(model: &mut LocalModel, request: &GenerateRequest) -> Generation {
    let mut pieces = String::new();
    let answer = pollster::block_on(model.generate(request, &mut |piece| {
        assert!(!piece.is_empty());
        pieces += piece;
    }))
    .expect("an answer");
    assert_eq!(pieces, answer.text);
    let tokenizer = model.tokenizer();
    let is_text = |token: &u32| !tokenizer.is_control(*token);
    let shown: Vec<u32> = answer.tokens.iter().copied().filter(is_text).collect();
    let mut text = tokenizer.decode(&shown).expect("decoded");
    for stop in request.until.iter().filter(|stop| !stop.is_empty()) {
        text.truncate(text.find(stop).unwrap_or(text.len()));
    }
    assert_eq!(answer.text, text);
    answer
}

const PROMPTS: [&str; 3] = [
    "A scale weighs",
    "저울은 물건의",
    "Question: Which of these is heavier, a litre of water or a litre of oil?\nAnswer:",
];

#[test]
fn greedy_tokens_are_those_that_log_likelihoods_call_greedy() {
    let mut model = load();
    let mut fresh = load();
    for prompt in PROMPTS {
        let request = request(&model, prompt, 40);
        let answer = generate(&mut model, &request);
        assert_eq!(answer.finish, Finish::Length);
        let whole = TokenPair {
            context: request.context,
            continuation: answer.tokens,
        };
        let scored = pollster::block_on(fresh.loglikelihood(&[whole])).expect("scored");
        assert!(scored[0].is_greedy, "{prompt}");
    }
}

#[test]
fn every_lane_says_the_same() {
    let mut cpu = load();
    for lane in [Lane::Reference, Lane::Gpu] {
        let mut other = match open(lane, Pace::free()) {
            Ok(model) => model,
            Err(error @ (ModelError::NoGpu { .. } | ModelError::GpuNotBuilt)) => {
                eprintln!("skipped: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        for prompt in PROMPTS {
            let request = request(&cpu, prompt, 24);
            let expected = generate(&mut cpu, &request);
            assert_eq!(generate(&mut other, &request), expected, "{lane}: {prompt}");
            let sampled = GenerateRequest {
                sampling: Some(sampling(3)),
                ..request
            };
            let expected = generate(&mut cpu, &sampled);
            assert_eq!(generate(&mut other, &sampled), expected, "{lane}: {prompt}");
        }
    }
}

fn sampling(seed: u64) -> Sampling {
    Sampling {
        temperature: 0.8,
        top_p: 0.9,
        top_k: 50,
        seed,
    }
}

#[test]
fn a_seed_gives_the_same_text_on_every_machine() {
    let mut model = load();
    let mut draw = |seed| {
        let request = GenerateRequest {
            sampling: Some(sampling(seed)),
            ..request(&model, PROMPTS[0], 8)
        };
        generate(&mut model, &request).tokens
    };
    // Of the CPU lane, x86-64.
    assert_eq!(draw(1), [86, 419, 352, 118, 86, 146, 308, 428]);
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn a_stop_sequence_ends_the_text_before_it() {
    let mut model = load();
    let free = request(&model, PROMPTS[0], 40);
    let free = generate(&mut model, &free);
    // Somewhere in the middle, over several tokens.
    let chars: Vec<char> = free.text.chars().collect();
    let stop: String = chars[chars.len() / 2..chars.len() / 2 + 6].iter().collect();
    let stopped = GenerateRequest {
        until: vec![String::new(), "never said".into(), stop.clone()],
        ..request(&model, PROMPTS[0], 40)
    };
    let answer = generate(&mut model, &stopped);
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(
        answer.text,
        free.text.split(&stop).next().expect("one part")
    );
    assert!(answer.tokens.len() < free.tokens.len());
    assert_eq!(answer.tokens, free.tokens[..answer.tokens.len()]);
}

#[test]
fn a_continued_text_is_not_computed_again() {
    let mut model = load();
    let request = request(&model, PROMPTS[2], 10);
    let context = request.context.len() as u64;
    let answer = generate(&mut model, &request);
    // The last token is generated, but not read.
    assert_eq!(model.tokens_computed(), context + 9);
    let longer = GenerateRequest {
        context: [request.context, answer.tokens].concat(),
        ..request_of(5)
    };
    generate(&mut model, &longer);
    assert_eq!(model.tokens_computed(), context + 9 + 5);
}

fn request_of(max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        context: Vec::new(),
        until: Vec::new(),
        max_tokens,
        sampling: None,
    }
}

#[test]
fn context_and_text_together_are_never_longer_than_the_model_reads() {
    let mut model = load();
    for (context, max_tokens, generated) in [(1_020, 9, 4), (1_024, 9, 0), (3, 0, 0), (600, 2, 2)] {
        let answer = generate(
            &mut model,
            &GenerateRequest {
                context: vec![40; context],
                ..request_of(max_tokens)
            },
        );
        assert_eq!(
            (answer.tokens.len(), answer.finish),
            (generated, Finish::Length)
        );
    }
}

#[test]
fn requests_that_cannot_be_computed_are_refused_by_name() {
    let mut model = load();
    let mut refuse = |request: GenerateRequest| {
        let error = pollster::block_on(model.generate(&request, &mut |_| {}));
        error.expect_err("refused").to_string()
    };
    assert_eq!(
        refuse(request_of(1)),
        "request 0 has no context: at least one token is needed"
    );
    let context = |context| GenerateRequest {
        context,
        ..request_of(1)
    };
    assert_eq!(
        refuse(context(vec![1; 1_025])),
        "request 0 has 1025 tokens; the model reads at most 1024"
    );
    assert_eq!(
        refuse(context(vec![461])),
        "request 0 holds token 461; the vocabulary has 461"
    );
    let cold = Sampling {
        temperature: 0.0,
        ..sampling(1)
    };
    assert_eq!(
        refuse(GenerateRequest {
            sampling: Some(cold),
            ..context(vec![1])
        }),
        "`temperature` is 0; it must be finite and above 0"
    );
}

#[test]
fn a_pace_that_breaks_stops_between_two_tokens() {
    let left = Rc::new(Cell::new(usize::MAX));
    let seen = Rc::clone(&left);
    let pace = Pace::new(move |_| {
        seen.set(seen.get() - 1);
        std::future::ready(match seen.get() {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    });
    let mut model = open(Lane::Cpu, pace).expect("loaded");
    let request = request(&model, PROMPTS[0], 20);
    let whole = generate(&mut model, &request);
    left.set(5);
    let mut text = String::new();
    let stopped = pollster::block_on(model.generate(&request, &mut |piece| text += piece));
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
    assert!(!text.is_empty() && text.len() < whole.text.len() && whole.text.starts_with(&text));
    left.set(usize::MAX);
    assert_eq!(generate(&mut model, &request), whole);
}

#[test]
fn messages_become_a_prompt_by_the_checkpoints_own_template() {
    let model = load();
    assert!(
        model
            .chat_template()
            .expect("a template")
            .contains("<|im_start|>")
    );
    let message = |role, content: &str| Message {
        role,
        content: content.into(),
    };
    let messages = [message(Role::System, "Weigh."), message(Role::User, "물?")];
    assert_eq!(
        model
            .apply_chat_template(&messages, true)
            .expect("a prompt"),
        "<|im_start|>system\nWeigh.<|im_end|>\n<|im_start|>user\n물?<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        model
            .apply_chat_template(&messages[1..], false)
            .expect("a prompt"),
        "<|im_start|>user\n물?"
    );
}

/// SmolLM2-135M-Instruct Q4_1 in `JEOUL_SMOLLM2`, or where `cargo xtask fetch` puts it; skipped where it is not there.
///
/// Expected: argmax of a forward pass in numpy over the dequantised weights, token by token, and Hugging Face's `tokenizers`.
/// The most probable token leads by at least 0.06 in every place, so that no lane's rounding can change it.
#[test]
fn smollm2_answers_as_its_weights_say() {
    let root = std::path::Path::new("../..");
    let path = std::env::var_os("JEOUL_SMOLLM2").map_or_else(
        || root.join("models/cache/SmolLM2-135M-Instruct.Q4_1.gguf"),
        std::path::PathBuf::from,
    );
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return;
    }
    for lane in Lane::ALL {
        let source = FileSource::open(&path).expect("readable");
        let checkpoint = Checkpoint::open(source).expect("a checkpoint");
        let mut model = match pollster::block_on(LocalModel::load(checkpoint, lane, Pace::free())) {
            Ok(model) => model,
            Err(error @ (ModelError::NoGpu { .. } | ModelError::GpuNotBuilt)) => {
                eprintln!("skipped: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let plain = request(&model, "The capital of France is", 10);
        let answer = generate(&mut model, &plain);
        assert_eq!(
            (answer.text.as_str(), answer.finish),
            (PARIS, Finish::Length),
            "{lane}"
        );
        let question = Message {
            role: Role::User,
            content: "What is the capital of Korea?".into(),
        };
        let prompt = model
            .apply_chat_template(&[question], true)
            .expect("a prompt");
        let chat = request(&model, &prompt, 24);
        assert_eq!(chat.context.len(), 37);
        let answer = generate(&mut model, &chat);
        let seoul = "The capital of Korea is Seoul.";
        assert_eq!(
            (answer.text.as_str(), answer.finish),
            (seoul, Finish::End),
            "{lane}"
        );
    }
}

const PARIS: &str = " Paris.\n\nThe answer is: 2";
