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
            module_sha256: None,
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
