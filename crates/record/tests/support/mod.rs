//! An honest submission to forge: a model that answers by hash, some tasks, and a key.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod board;

use std::future::Future;
use std::pin::pin;
use std::task::{Context as Waiting, Poll, Waker};

use jeoul_eval::model::{
    Finish, GenerateRequest, Generation, LanguageModel, Loglikelihood, Message, ModelFailure,
    TokenPair,
};
use jeoul_eval::task::Source;
use jeoul_eval::{RunOptions, Task, TaskRun, bundled, run_task};
use jeoul_record::check::{TaskSet, UnknownTasks};
use jeoul_record::envelope::{
    Engine, Lane, LaneKind, Model, ModelType, Precision, SCHEMA, Settings, TaskRecord,
};
use jeoul_record::from_run::task_record;
use jeoul_record::reduce::preview;
use jeoul_record::signature::Key;
use jeoul_record::{Context, Envelope, PrivacyLevel};
use serde_json::Value as Json;
use thiserror::Error;

pub(crate) use board::Board;

/// 2026-11-25T22:59:07Z.
pub(crate) const NOW: i64 = 1_795_647_547;
pub(crate) const BOARD: &str = "public";
/// Documents of each task.
pub(crate) const LIMIT: u32 = 4;

/// Tokens are bytes, answers a hash of what stands before.
pub(crate) struct Fake {
    /// Which model it is: another one answers otherwise.
    pub(crate) seed: u64,
}

#[derive(Debug, Error)]
#[error("never")]
pub(crate) struct Never;

impl ModelFailure for Never {
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// FNV-1a.
fn hash(seed: u64, tokens: &[u32]) -> u64 {
    tokens
        .iter()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, &token| {
            (hash ^ u64::from(token)).wrapping_mul(0x0100_0000_01b3)
        })
}

impl LanguageModel for Fake {
    type Error = Never;

    fn max_length(&self) -> usize {
        4096
    }

    fn prefix_token(&self) -> u32 {
        256
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, Never> {
        Ok(text.bytes().map(u32::from).collect())
    }

    async fn loglikelihood(&mut self, pairs: &[TokenPair]) -> Result<Vec<Loglikelihood>, Never> {
        let answer = |pair: &TokenPair| {
            let all = [&pair.context[..], &pair.continuation[..]].concat();
            let logprob = |end: usize| (hash(self.seed, &all[..=end]) >> 20) % 9973;
            let token_logprobs: Vec<f32> = (pair.context.len()..all.len())
                .map(|end| logprob(end) as f32 / -1999.0)
                .collect();
            Loglikelihood {
                is_greedy: token_logprobs.iter().all(|&x| x > -4.0),
                token_logprobs,
            }
        };
        Ok(pairs.iter().map(answer).collect())
    }

    async fn generate(
        &mut self,
        request: &GenerateRequest,
        _: &mut dyn FnMut(&str),
    ) -> Result<Generation, Never> {
        let says = [
            "The answer is 7.",
            "#### 12",
            "서울",
            "the big house stands",
            " no\u{202e}idea",
        ];
        let text = says[(hash(self.seed, &request.context) >> 20) as usize % says.len()];
        Ok(Generation {
            text: text.into(),
            tokens: self.encode(text)?,
            finish: Finish::End,
        })
    }

    fn chat_template(&self) -> Option<&str> {
        None
    }

    fn apply_chat_template(&self, messages: &[Message], _: bool) -> Result<String, Never> {
        Ok(messages
            .iter()
            .map(|message| message.content.as_str())
            .collect())
    }
}

/// Runs a future that never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Waiting::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the fake model never waits"),
    }
}

pub(crate) fn run(task: &Task, limit: u32) -> TaskRun {
    let options = RunOptions {
        limit: Some(limit),
        bootstrap_iters: 200,
        ..RunOptions::default()
    };
    now(run_task(
        &mut Fake { seed: 1 },
        task,
        &options,
        &mut |_, _| {},
    ))
    .unwrap()
}

pub(crate) fn bundled_task(name: &str) -> Task {
    let config = bundled::catalog().unwrap().task(name).unwrap();
    bundled::task(config).unwrap()
}

/// A task of our own with six documents.
pub(crate) fn own_task(text: &str) -> Task {
    let documents: String = (0..6)
        .map(|i| {
            format!(
                "{{\"q\": \"what is {i}\", \"options\": [\"one {i}\", \"two\", \"three\"], \"a\": {}, \"t\": \"the house\"}}\n",
                i % 3
            )
        })
        .collect();
    let source = |name, text| Source { name, text };
    Task::from_files(source("t.yaml", text), source("d.jsonl", &documents), None).unwrap()
}

/// Choices with every metric that they can have.
pub(crate) const CHOICES: &str = "\
task: choices
output_type: multiple_choice
doc_to_text: q
doc_to_target: a
doc_to_choice: options
metric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_mutual_info}, {metric: brier_score}]
metadata: {version: 1.0}
";
/// A whole text.
pub(crate) const ROLLING: &str = "\
task: rolling
output_type: loglikelihood_rolling
doc_to_target: q
";
/// A generation that is also scored over the corpus.
pub(crate) const WRITES: &str = "\
task: writes
output_type: generate_until
doc_to_text: q
doc_to_target: t
num_fewshot: 0
repeats: 1
metric_list: [{metric: exact_match}, {metric: bleu}]
generation_kwargs: {until: [\"\\n\"], max_gen_toks: 16}
";

/// Tasks of the honest submission, in its order.
pub(crate) fn tasks() -> Vec<Task> {
    vec![
        bundled_task("jeoul_science"),
        own_task(CHOICES),
        own_task(ROLLING),
        own_task(WRITES),
        bundled_task("gsm8k"),
        bundled_task("winogrande"),
    ]
}

/// Places of some tasks in [`tasks`].
pub(crate) const SCIENCE: usize = 0;
pub(crate) const WRITTEN: usize = 3;
pub(crate) const GSM8K: usize = 4;

pub(crate) fn key() -> Key {
    Key::from_secret(&[1; 32])
}

pub(crate) fn envelope(tasks: Vec<TaskRecord>) -> Envelope {
    Envelope {
        schema: SCHEMA.into(),
        board: BOARD.into(),
        author: key().author(),
        nonce: "0123456789abcdef0123456789abcdef".into(),
        created: "2026-11-25T22:59:07Z".into(),
        model: Model {
            name: "한국어 모델 135M".into(),
            sha256: "1a".repeat(32),
            size_bytes: 98_000_000,
            quantization: "Q4_0".into(),
            architecture: "llama".into(),
            parameters: 134_515_008,
            licence: Some("Apache-2.0".into()),
            kind: ModelType::InstructionTuned,
            precision: Precision::Bits4,
            merged: false,
            on_hub: true,
            tokenizer_sha256: "2b".repeat(32),
            chat_template_sha256: Some("3c".repeat(32)),
        },
        engine: Engine {
            version: "0.1.0".into(),
            module_sha256: Some("4d".repeat(32)),
        },
        lane: Lane {
            kind: LaneKind::Cpu,
            adapter: None,
        },
        settings: Settings {
            limit: Some(LIMIT),
            fewshot_seed: 1234,
            apply_chat_template: false,
            fewshot_as_multiturn: false,
            system_instruction_sha256: None,
            max_length: 4096,
            gen_kwargs: None,
        },
        tasks,
    }
}

/// The honest submission, with everything that can be sent.
pub(crate) fn honest(tasks: &[Task]) -> Envelope {
    let record = |task: &Task| task_record(task, &run(task, LIMIT), PrivacyLevel::Outputs, 12_345);
    envelope(tasks.iter().map(record).collect())
}

pub(crate) fn context(tasks: &TaskSet) -> Context<'_> {
    Context {
        board: BOARD,
        now: NOW,
        tasks,
        unknown_tasks: UnknownTasks::SelfReported,
        bootstrap_iters: 0,
    }
}

/// The bytes that are posted for an envelope.
pub(crate) fn posted(envelope: Envelope) -> Vec<u8> {
    preview(&key().seal(envelope).unwrap()).unwrap()
}

/// The bytes that a forger posts: any JSON, canonical and signed with their own key.
pub(crate) fn forged(envelope: &Json) -> Vec<u8> {
    let payload = jeoul_record::canonical::bytes(envelope).unwrap();
    let signed = serde_json::json!({
        "envelope": envelope,
        "public_key": key().public_key(),
        "signature": key().sign(&payload),
    });
    jeoul_record::canonical::bytes(&signed).unwrap()
}
