//! A run as it is posted to a board: from what the session kept and the page asked to the `record` crate's draft and bytes.

use jeoul_eval::{RunOptions, Task, TaskRun};
use jeoul_record::check::TaskSet;
use jeoul_record::draft::{Checkpoint, sealed};
use jeoul_record::envelope::{Engine, Lane, LaneKind};
use jeoul_record::signature::{author_id, payload};
use jeoul_record::{Context, Draft, Post, check_envelope};

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
    if chosen.len() != posting.tasks.len() {
        return Err(wrong("a task that is to be posted was not finished"));
    }
    let card = run.card;
    let sha256 = run.identity.sha256.clone();
    let checkpoint = Checkpoint {
        architecture: card.architecture.clone(),
        chat_template_sha256: run.identity.chat_template_sha256.clone(),
        parameters: card.parameters as u64,
        quantization: card.quantization.clone(),
        sha256: sha256.ok_or_else(|| wrong("the file was not hashed"))?,
        size_bytes: card.size as u64,
        tokenizer_sha256: run.identity.tokenizer_sha256.clone(),
    };
    let lane = Lane {
        adapter: posting.adapter.filter(|_| run.is_gpu),
        kind: if run.is_gpu {
            LaneKind::Gpu
        } else {
            LaneKind::Cpu
        },
    };
    let engine = Engine {
        module_sha256: run.module_sha256.map(String::from),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let length = card.context_length;
    let draft = Draft::new(checkpoint, engine, lane, run.options, length, &chosen)
        .map_err(|error| Fault::new(FaultKind::Task, error))?;
    let post = Post {
        author,
        board: posting.board,
        level: posting.level,
        local_texts: posting.local_texts,
        name: posting.name,
        licence: posting.licence,
        kind: posting.kind,
        merged: posting.merged,
        on_hub: posting.on_hub,
    };
    let made = draft.envelope(post, nonce, now);
    let known = known(run.tasks);
    let judged = check_envelope(&made, &Context::author(&made.board, now, &known));
    Ok(match judged.and_then(|_| payload(&made)) {
        Ok(bytes) => Event::Envelope {
            payload: text(bytes),
        },
        Err(refusal) => Event::Refused { refusal },
    })
}

/// The bytes to send, or why a board would refuse them; `tasks` are those of the run.
pub fn seal(
    payload: &str,
    public_key: String,
    signature: String,
    tasks: &[(Task, TaskRun)],
    now: i64,
) -> Event {
    let known = known(tasks);
    match sealed(payload.as_bytes(), public_key, signature, &known, now) {
        Ok((bytes, checked)) => Event::Sealed {
            text: text(bytes),
            key: checked.key,
            label: checked.label,
        },
        Err(refusal) => Event::Refused { refusal },
    }
}

fn known(tasks: &[(Task, TaskRun)]) -> TaskSet {
    tasks.iter().map(|(task, _)| task.clone()).collect()
}

/// JSON is UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
