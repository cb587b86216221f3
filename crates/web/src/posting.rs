//! A run as it is posted to a board: from what the session kept to the `record` crate's bytes, checked as a board will.

use jeoul_eval::origin::OriginKind;
use jeoul_eval::{RunOptions, Task, TaskRun};
use jeoul_record::canonical::hex;
use jeoul_record::check::{TaskSet, UnknownTasks};
use jeoul_record::envelope::{Engine, Lane, LaneKind, Model, SCHEMA};
use jeoul_record::reduce::preview;
use jeoul_record::signature::{author_id, payload, seal as sealed};
use jeoul_record::{Context, Envelope, PrivacyLevel, Refusal, check, check_envelope, from_run};

use crate::protocol::{CheckpointCard, Event, Fault, FaultKind, Posting};

/// What a checkpoint is, as hashes of 64 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Of its file; `None` until somebody asks, since hashing gigabytes takes a while.
    pub sha256: Option<String>,
    /// See [`jeoul_checkpoint::identity::tokenizer_sha256`].
    pub tokenizer_sha256: String,
    /// See [`jeoul_checkpoint::identity::text_sha256`].
    pub chat_template_sha256: Option<String>,
}

/// A run that can be posted.
pub struct Posted<'a> {
    /// What the checkpoint says of itself.
    pub card: &'a CheckpointCard,
    /// What it is.
    pub identity: &'a Identity,
    /// Settings of the run.
    pub options: &'a RunOptions,
    /// The tasks, in the order in which they were run.
    pub tasks: &'a [(Task, TaskRun)],
    /// Milliseconds of each; none for one that was not finished.
    pub elapsed_ms: &'a [u64],
    /// Whether the GPU computed.
    pub is_gpu: bool,
    /// Hash of the module that computed, if it is known.
    pub module_sha256: Option<&'a str>,
}

/// The bytes to sign, or why a board would refuse them. `now` is in seconds since 1970 UTC, `nonce` random.
pub fn envelope(
    run: &Posted<'_>,
    posting: Posting,
    nonce: &[u8; 16],
    now: i64,
) -> Result<Event, Fault> {
    let wrong = |detail: &str| Fault::new(FaultKind::Protocol, detail);
    let author =
        author_id(&posting.public_key).map_err(|error| Fault::new(FaultKind::Protocol, error))?;
    let finished = run.tasks.iter().zip(run.elapsed_ms);
    let chosen: Vec<(&Task, &TaskRun, u64)> = finished
        .filter(|((task, _), _)| posting.tasks.iter().any(|name| name == task.name()))
        .map(|((task, run), elapsed_ms)| (task, run, *elapsed_ms))
        .collect();
    if chosen.len() != posting.tasks.len() || chosen.is_empty() {
        return Err(wrong("a task that is to be posted was not finished"));
    }
    let runs: Vec<(&Task, &TaskRun)> = chosen.iter().map(|(task, run, _)| (*task, *run)).collect();
    let limit = from_run::limit(&runs).ok_or_else(|| {
        let detail = "these tasks were run with several limits of documents; post them one by one";
        Fault::new(FaultKind::Task, detail)
    })?;
    let record = |(task, run, elapsed_ms): &(&Task, &TaskRun, u64)| {
        from_run::task_record(task, run, level(task, &posting), *elapsed_ms)
    };
    let records = chosen.iter().map(record).collect();
    let card = run.card;
    let made = Envelope {
        author,
        board: posting.board,
        created: time(now),
        engine: Engine {
            module_sha256: run.module_sha256.map(String::from),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        lane: Lane {
            adapter: posting.adapter.filter(|_| run.is_gpu),
            kind: if run.is_gpu {
                LaneKind::Gpu
            } else {
                LaneKind::Cpu
            },
        },
        model: Model {
            architecture: card.architecture.clone(),
            chat_template_sha256: run.identity.chat_template_sha256.clone(),
            licence: posting.licence,
            merged: posting.merged,
            name: posting.name,
            on_hub: posting.on_hub,
            parameters: card.parameters as u64,
            precision: from_run::precision(&card.quantization),
            quantization: card.quantization.clone(),
            sha256: run
                .identity
                .sha256
                .clone()
                .ok_or_else(|| wrong("the file was not hashed"))?,
            size_bytes: card.size as u64,
            tokenizer_sha256: run.identity.tokenizer_sha256.clone(),
            kind: posting.kind,
        },
        nonce: hex(nonce),
        schema: SCHEMA.into(),
        settings: from_run::settings(run.options, limit, card.context_length),
        tasks: records,
    };
    let known = known(run.tasks);
    let judged = check_envelope(&made, &context(&made.board, now, &known));
    Ok(match judged.and_then(|_| payload(&made)) {
        Ok(bytes) => Event::Envelope {
            payload: text(bytes),
        },
        Err(refusal) => Event::Refused { refusal },
    })
}

/// How much of a task goes: of documents of the person's own no texts unless they say so.
fn level(task: &Task, posting: &Posting) -> PrivacyLevel {
    let is_local = task.origin().kind == OriginKind::Local;
    if is_local && !posting.local_texts {
        posting.level.min(PrivacyLevel::Outcomes)
    } else {
        posting.level
    }
}

/// The bytes to send, or why a board would refuse them; `tasks` are those of the run.
pub fn seal(
    payload: &str,
    public_key: String,
    signature: String,
    tasks: &[(Task, TaskRun)],
    now: i64,
) -> Event {
    match sealed_text(payload, public_key, signature, tasks, now) {
        Ok(event) => event,
        Err(refusal) => Event::Refused { refusal },
    }
}

fn sealed_text(
    payload: &str,
    public_key: String,
    signature: String,
    tasks: &[(Task, TaskRun)],
    now: i64,
) -> Result<Event, Refusal> {
    let envelope: Envelope = serde_json::from_str(payload).map_err(|error| {
        let code = jeoul_record::RefusalCode::BadJson;
        Refusal::new(code, "/envelope", error.to_string())
    })?;
    let board = envelope.board.clone();
    let bytes = preview(&sealed(envelope, public_key, signature))?;
    let known = known(tasks);
    let (_, checked) = check(&bytes, &context(&board, now, &known))?;
    Ok(Event::Sealed {
        text: text(bytes),
        key: checked.key,
        label: checked.label,
    })
}

fn known(tasks: &[(Task, TaskRun)]) -> TaskSet {
    tasks.iter().map(|(task, _)| task.clone()).collect()
}

fn context<'a>(board: &'a str, now: i64, tasks: &'a TaskSet) -> Context<'a> {
    Context {
        board,
        now,
        tasks,
        unknown_tasks: UnknownTasks::SelfReported,
        bootstrap_iters: 0,
    }
}

/// JSON is UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// `2026-11-25T22:59:07Z` of a time in seconds since 1970 UTC.
fn time(now: i64) -> String {
    jiff::Timestamp::from_second(now).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use jeoul_eval::origin::Origin;
    use jeoul_eval::results::{
        Answer, DocumentMetric, DocumentResult, MetricResult, RequestResult, TaskScore,
    };
    use jeoul_record::canonical::sha256;
    use jeoul_record::envelope::ModelType;
    use jeoul_record::signature::Key;

    use super::*;

    const NOW: i64 = 1_795_647_547;
    const MODULE: &str = "efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef";

    /// A task whose answer is written, of the person's own or not, with one document and what a model wrote.
    fn written(origin: OriginKind) -> (Task, TaskRun) {
        let source = |name, text| jeoul_eval::Source { name, text };
        let text = "task: t\noutput_type: generate_until\ndoc_to_text: q\ndoc_to_target: a\nmetric_list: [{metric: exact_match}]\nmetadata: {version: 1}\n";
        let rows = "{\"q\": \"secret question\", \"a\": \"secret answer\"}\n";
        let task = Task::from_files(source("t.yaml", text), source("d.jsonl", rows), None).unwrap();
        let origin = Origin {
            kind: origin,
            files: Vec::new(),
        };
        let value = DocumentMetric {
            name: "exact_match".into(),
            filter: "none".into(),
            value: Some(0.0),
            item: jeoul_eval::metrics::Item::Number(0.0),
        };
        let document = DocumentResult {
            doc_id: 0,
            fewshot_context: String::new(),
            prompt: "secret question".into(),
            requests: vec![RequestResult {
                context: None,
                continuation: None,
                answer: Answer::Texts {
                    texts: vec!["what it wrote".into()],
                },
            }],
            choices: Vec::new(),
            gold: Vec::new(),
            pick: None,
            pick_norm: None,
            target: "secret answer".into(),
            filtered: Vec::new(),
            metrics: vec![value],
            tokens_asked: 9,
        };
        let metric = MetricResult {
            name: "exact_match".into(),
            filter: "none".into(),
            value: 0.0,
            stderr: None,
            higher_is_better: true,
            chance: None,
        };
        let score = TaskScore {
            task: "t".into(),
            version: task.version(),
            num_fewshot: 0,
            documents: 1,
            documents_total: 1,
            metrics: vec![metric],
        };
        let documents = vec![document];
        (task.with_origin(origin), TaskRun { score, documents })
    }

    fn posting(key: &Key, level: PrivacyLevel, local_texts: bool) -> Posting {
        Posting {
            board: "open".into(),
            public_key: key.public_key(),
            tasks: vec!["t".into()],
            level,
            local_texts,
            name: "모델".into(),
            licence: None,
            kind: ModelType::Pretrained,
            merged: false,
            on_hub: false,
            adapter: None,
        }
    }

    fn envelope_of(run: &(Task, TaskRun), posting: Posting) -> Result<Event, Fault> {
        let card = CheckpointCard {
            name: "m".into(),
            architecture: "llama".into(),
            quantization: "Q4_0".into(),
            parameters: 1e6,
            size: 5e5,
            context_length: 2048,
            layers: 2,
            chat: false,
        };
        let identity = Identity {
            sha256: Some("ab".repeat(32)),
            tokenizer_sha256: "cd".repeat(32),
            chat_template_sha256: None,
        };
        let run = Posted {
            card: &card,
            identity: &identity,
            options: &RunOptions::default(),
            tasks: std::slice::from_ref(run),
            elapsed_ms: &[12_345],
            is_gpu: false,
            module_sha256: Some(MODULE),
        };
        envelope(&run, posting, &[7; 16], NOW)
    }

    #[track_caller]
    fn payload_of(run: &(Task, TaskRun), posting: Posting) -> String {
        match envelope_of(run, posting) {
            Ok(Event::Envelope { payload }) => payload,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_about_documents_of_ones_own_go_only_if_they_may() {
        let key = Key::from_secret(&[7; 32]);
        let level = PrivacyLevel::Outputs;
        for (origin, local_texts, go) in [
            (OriginKind::Local, false, false),
            (OriginKind::Local, true, true),
            (OriginKind::Hub, false, true),
            (OriginKind::Samples, false, true),
        ] {
            let payload = payload_of(&written(origin), posting(&key, level, local_texts));
            assert_eq!(payload.contains("what it wrote"), go, "{origin:?}");
            assert!(!payload.contains("secret"), "{payload}");
        }
    }

    #[test]
    fn what_was_signed_is_what_is_sent() {
        let key = Key::from_secret(&[7; 32]);
        let run = written(OriginKind::Samples);
        let payload = payload_of(&run, posting(&key, PrivacyLevel::Outputs, false));
        let seal = |payload: &str, signature: String| {
            seal(
                payload,
                key.public_key(),
                signature,
                std::slice::from_ref(&run),
                NOW,
            )
        };
        let signature = key.sign(payload.as_bytes());
        let Event::Sealed { text, key: id, .. } = seal(&payload, signature.clone()) else {
            panic!("it holds");
        };
        assert!(text.contains(&payload));
        assert_eq!(id, sha256(payload.as_bytes()));
        let changed = payload.replace("모델", "다른 모델");
        let Event::Refused { refusal } = seal(&changed, signature) else {
            panic!("another name was not signed");
        };
        assert_eq!(refusal.code.as_str(), "bad-signature");
    }

    #[test]
    fn the_module_that_computed_is_named() {
        let key = Key::from_secret(&[7; 32]);
        let run = written(OriginKind::Samples);
        let payload = payload_of(&run, posting(&key, PrivacyLevel::Scores, false));
        let envelope: Envelope = serde_json::from_str(&payload).unwrap();
        assert_eq!(envelope.engine.module_sha256.as_deref(), Some(MODULE));
    }

    #[test]
    fn a_refusal_names_its_field_before_anything_is_signed() {
        let key = Key::from_secret(&[7; 32]);
        let run = written(OriginKind::Samples);
        let mut posting = posting(&key, PrivacyLevel::Scores, false);
        posting.name = "a\u{202e}b".into();
        let Ok(Event::Refused { refusal }) = envelope_of(&run, posting) else {
            panic!("the name turns the line round");
        };
        assert_eq!(
            (refusal.code.as_str(), refusal.pointer.as_str()),
            ("text-bidi", "/envelope/model/name")
        );
    }

    #[test]
    fn a_task_that_was_not_run_cannot_be_posted() {
        let key = Key::from_secret(&[7; 32]);
        let mut posting = posting(&key, PrivacyLevel::Scores, false);
        posting.tasks = vec!["other".into()];
        let fault = envelope_of(&written(OriginKind::Samples), posting).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Protocol);
    }
}
