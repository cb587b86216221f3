//! The check of a submission: the same in the page before it is sent, in the command, and in the board that takes it.
//!
//! `parse` reads the bytes, `shape` looks at what can be judged without a task, `documents` at the answers beside the task's own
//! documents, `metrics` recomputes what the author claims. The first fault ends it. Bytes come from anyone: nothing here panics, and
//! what it costs grows with the bytes alone.
//!
//! Known limits: of a generation at the level `outcomes` nobody but the author saw the text, so that its metrics are recomputed from
//! what each document is said to count, and [`MetricSource`] says so. Figures of whole corpora (BLEU, chrF) and correlations cannot
//! be recomputed then at all and stay the author's word.

mod documents;
mod metrics;
mod parse;
mod shape;

pub(crate) use shape::finite;

use std::collections::BTreeMap;

use jeoul_eval::Task;
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::envelope::{Envelope, SignedEnvelope, TrustLabel};
use crate::refusal::{Pointer, Refusal, RefusalCode};
use crate::signature::{self, SignatureError};

/// Most bytes of a submission: 20,000 documents with four choices are about 4 MiB, and so much still travels over a phone's line.
pub const BYTES_MAX: usize = 8 << 20;
/// Deepest nesting of lists and objects. An envelope has 6; a parser's stack has no say in it.
pub const DEPTH_MAX: usize = 16;
/// Most tasks of a run: MMLU has 57, KMMLU 45.
pub const TASKS_MAX: usize = 100;
/// Most documents of all tasks together: MMLU has 14,042, HellaSwag 10,042.
pub const DOCUMENTS_MAX: usize = 20_000;
/// Most metrics of one task, under all its filters: the harness's tasks have up to eleven. Each is compared with all others.
pub const METRICS_MAX: usize = 100;
/// Most seconds between [`Envelope::created`] and [`Context::now`], before and after: clocks that are set by hand are off by minutes.
pub const TIME_WINDOW_S: i64 = 600;
/// Largest count or seed: what a JSON number holds in every language.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Difference between a claimed and a recomputed figure that still counts as none, of 1 or of the figure, whichever is more.
pub const TOLERANCE: f64 = 1e-9;
/// Multiplications and additions of weights in a second that no machine does. Tokens of a shared beginning are counted as often as
/// they are asked for, hence a hundred times the fastest accelerators of 2026.
pub const OPERATIONS_PER_SECOND_MAX: f64 = 1e18;

/// Tasks that a board knows.
///
/// Shared between threads: a server checks many posts at once.
pub trait KnownTasks: Sync {
    /// The task with this name whose [`Task::content_hash`] is `hash`.
    fn task(&self, name: &str, hash: &str) -> Option<&Task>;
}

/// Some tasks, by name and hash. Several versions of one task can be known side by side.
#[derive(Clone, Debug, Default)]
pub struct TaskSet(BTreeMap<(String, String), Task>);

impl TaskSet {
    /// Adds a task and gives its hash.
    pub fn insert(&mut self, task: Task) -> String {
        let hash = task.content_hash();
        self.0.insert((task.name().into(), hash.clone()), task);
        hash
    }

    /// Names, hashes and tasks, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Task)> {
        let entries = self.0.iter();
        entries.map(|((name, hash), task)| (name.as_str(), hash.as_str(), task))
    }
}

impl FromIterator<Task> for TaskSet {
    fn from_iter<I: IntoIterator<Item = Task>>(tasks: I) -> Self {
        let mut set = Self::default();
        for task in tasks {
            set.insert(task);
        }
        set
    }
}

impl KnownTasks for TaskSet {
    fn task(&self, name: &str, hash: &str) -> Option<&Task> {
        self.0.get(&(name.to_string(), hash.to_string()))
    }
}

/// What becomes of tasks that a board does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTasks {
    /// They are taken as self-reported.
    SelfReported,
    /// They are refused.
    Refused,
}

/// What a board brings to a check.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The board's id.
    pub board: &'a str,
    /// Seconds since 1970, UTC.
    pub now: i64,
    /// Tasks that it knows.
    pub tasks: &'a dyn KnownTasks,
    /// What becomes of others.
    pub unknown_tasks: UnknownTasks,
    /// Resamples for standard errors that have no formula, as [`jeoul_eval::RunOptions::bootstrap_iters`]. At 0 these are left out
    /// and not compared: a hundred thousand take a second, which a server does not spend on every post.
    pub bootstrap_iters: u32,
}

impl<'a> Context<'a> {
    /// What an author brings before they post to `board`: the tasks at hand, and no resampling.
    pub fn author(board: &'a str, now: i64, tasks: &'a TaskSet) -> Self {
        Self {
            board,
            now,
            tasks,
            unknown_tasks: UnknownTasks::SelfReported,
            bootstrap_iters: 0,
        }
    }
}

/// A submission that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Checked {
    /// Idempotency key: SHA-256 of the signed bytes, 64 hexadecimal digits.
    pub key: String,
    /// When it says it was made, in seconds since 1970, UTC.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub created: i64,
    /// Lowest label of its tasks.
    pub label: TrustLabel,
    /// The tasks, in the envelope's order.
    pub tasks: Vec<CheckedTask>,
}

/// A task of a submission that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct CheckedTask {
    /// Name.
    pub name: String,
    /// Content hash.
    pub hash: String,
    /// Lowest label of its metrics.
    pub label: TrustLabel,
    /// Its metrics: in the task's order where the task is known, else in the envelope's.
    pub metrics: Vec<CheckedMetric>,
}

/// A metric of a task, as a board shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct CheckedMetric {
    /// Name.
    pub name: String,
    /// Filter of the answers.
    pub filter: String,
    /// The figure, recomputed where `source` is not `claim`; `None` where it is not defined (NaN or infinite).
    pub value: Option<f64>,
    /// Its standard error; `None` where there is none or it was not computed.
    pub stderr: Option<f64>,
    /// Whether more is better; `None` for tasks that are not known.
    pub higher_is_better: Option<bool>,
    /// What guessing gives, where it gives anything.
    pub chance: Option<f64>,
    /// What the figure rests on.
    pub source: MetricSource,
}

/// What a figure rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum MetricSource {
    /// The model's answers, scored against the board's own copy of the task.
    Answers,
    /// What the author says each document counts.
    Values,
    /// The author's word.
    Claim,
}

/// Checks a submission, byte for byte as it came.
pub fn check(bytes: &[u8], context: &Context<'_>) -> Result<(SignedEnvelope, Checked), Refusal> {
    let signed = parse::signed(bytes)?;
    let envelope = &signed.envelope;
    let root = Pointer::default();
    let refusal = |error: SignatureError| {
        let (code, field) = match error {
            SignatureError::Key => (RefusalCode::BadKey, "public_key"),
            SignatureError::PublicKeyHex => (RefusalCode::BadHex, "public_key"),
            SignatureError::SignatureHex => (RefusalCode::BadHex, "signature"),
            SignatureError::Signature => (RefusalCode::BadSignature, "signature"),
        };
        root.field(field).refuse(code, error.to_string())
    };
    let author = signature::author_id(&signed.public_key).map_err(refusal)?;
    let payload = parse::payload(bytes, &signed);
    signature::verify(&signed.public_key, payload, &signed.signature).map_err(refusal)?;
    if author != envelope.author {
        return Err(root.field("envelope").field("author").refuse(
            RefusalCode::WrongAuthor,
            "the author is not the first 16 bytes of the key's SHA-256",
        ));
    }
    let checked = judge(envelope, payload, context)?;
    Ok((signed, checked))
}

/// Checks an envelope before it is signed: what [`check()`] would say of it, with the same pointers.
pub fn check_envelope(envelope: &Envelope, context: &Context<'_>) -> Result<Checked, Refusal> {
    judge(envelope, &signature::payload(envelope)?, context)
}

fn judge(envelope: &Envelope, payload: &[u8], context: &Context<'_>) -> Result<Checked, Refusal> {
    let created = shape::check(envelope, context)?;
    let at = Pointer::default().field("envelope").field("tasks");
    let mut tasks = Vec::with_capacity(envelope.tasks.len());
    for (index, record) in envelope.tasks.iter().enumerate() {
        let at = at.item(index);
        let task = context.tasks.task(&record.name, &record.hash);
        if task.is_none() && context.unknown_tasks == UnknownTasks::Refused {
            return Err(at.field("hash").refuse(
                RefusalCode::UnknownTask,
                "this board knows no task with this name and hash",
            ));
        }
        let results = documents::check(envelope, record, task, &at)?;
        tasks.push(metrics::check(record, task, &results, context, &at)?);
    }
    Ok(Checked {
        key: canonical::sha256(payload),
        created,
        label: lowest(tasks.iter().map(|task| task.label)),
        tasks,
    })
}

/// The lowest of some labels: a chain holds as much as its weakest link.
fn lowest(labels: impl Iterator<Item = TrustLabel>) -> TrustLabel {
    labels.min().unwrap_or(TrustLabel::SelfReported)
}
