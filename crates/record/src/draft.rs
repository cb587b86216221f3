//! A finished run before it is posted: all that is known of it, and what its owner makes of that.
//!
//! A [`Draft`] holds every task with every outcome and text. Its owner says in a [`Post`] where it goes and how much of it; the
//! [`Envelope`] that comes out holds no more. Page and command post through here, so that what stays with a person is decided once.
//!
//! The command keeps drafts as files ([`Draft::bytes`], [`Draft::read`]): they lie on the owner's disk and are not sent.

use jeoul_eval::origin::OriginKind;
use jeoul_eval::{RunOptions, Task, TaskRun};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical::{self, hex};
use crate::check::{Checked, Context, TaskSet, check};
use crate::envelope::{
    DocumentOutcome, Engine, Envelope, Lane, Model, ModelType, PrivacyLevel, SCHEMA, Settings,
    TaskRecord,
};
use crate::from_run;
use crate::reduce::{preview, reduce_task};
use crate::refusal::{Refusal, RefusalCode};
use crate::signature::seal;

/// Value of [`Draft::schema`].
pub const DRAFT_SCHEMA: &str = "jeoul-draft/1";

/// Why there is no draft.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DraftError {
    /// Nothing to post.
    #[error("no task was finished")]
    Empty,
    /// One envelope has one limit.
    #[error("these tasks were run with several limits of documents; post them one by one")]
    Limits,
    /// A log-likelihood that JSON does not have.
    #[error("document {doc_id} of `{task}` has a log-likelihood that is no number")]
    NotFinite {
        /// The task.
        task: String,
        /// The document's place in its split, from 0.
        doc_id: u32,
    },
    /// Not what [`Draft::bytes`] writes.
    #[error("it is no recorded run: {0}")]
    Form(String),
    /// Written by another version.
    #[error("it is a recorded run of the form `{0}`, and `{DRAFT_SCHEMA}` is read")]
    Schema(String),
    /// A task that was not run.
    #[error("it has no task `{0}`")]
    Task(String),
}

/// A finished run with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What computed.
    pub engine: Engine,
    /// Where it was computed.
    pub lane: Lane,
    /// Form of the draft: [`DRAFT_SCHEMA`].
    pub schema: String,
    /// Settings of the run.
    pub settings: Settings,
    /// The tasks, in the order in which they were run.
    pub tasks: Vec<DraftTask>,
}

/// A task of a draft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftTask {
    /// Whether its documents are the owner's own.
    pub is_local: bool,
    /// What came out, at the level `outputs`.
    pub record: TaskRecord,
}

/// What a checkpoint's file says and is; the fields are those of [`Model`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Architecture as the file names it.
    pub architecture: String,
    /// Hash of the chat template, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template_sha256: Option<String>,
    /// Number of weights.
    pub parameters: u64,
    /// Type of most weights, such as `Q4_0`.
    pub quantization: String,
    /// Hash of the file.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Hash of the tokenizer.
    pub tokenizer_sha256: String,
}

/// What the owner of a run says about posting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Author id of the key that will sign.
    pub author: String,
    /// The board, or the room's id.
    pub board: String,
    /// Most of each task that goes.
    pub level: PrivacyLevel,
    /// Whether texts that a model wrote about documents of the owner's own may go too, if `level` lets them.
    pub local_texts: bool,
    /// Name of the model.
    pub name: String,
    /// Its licence, if it is known.
    pub licence: Option<String>,
    /// How it was trained.
    pub kind: ModelType,
    /// Whether it was merged from several models.
    pub merged: bool,
    /// Whether it can be had on the Hugging Face hub.
    pub on_hub: bool,
}

impl Draft {
    /// A draft of some tasks, each with its run and the milliseconds it took; `max_length` in tokens.
    pub fn new(
        checkpoint: Checkpoint,
        engine: Engine,
        lane: Lane,
        options: &RunOptions,
        max_length: u32,
        tasks: &[(&Task, &TaskRun, u64)],
    ) -> Result<Self, DraftError> {
        if tasks.is_empty() {
            return Err(DraftError::Empty);
        }
        let runs: Vec<(&Task, &TaskRun)> =
            tasks.iter().map(|(task, run, _)| (*task, *run)).collect();
        let limit = from_run::limit(&runs).ok_or(DraftError::Limits)?;
        let drafted = |(task, run, elapsed_ms): &(&Task, &TaskRun, u64)| DraftTask {
            is_local: task.origin().kind == OriginKind::Local,
            record: from_run::task_record(task, run, PrivacyLevel::Outputs, *elapsed_ms),
        };
        Ok(Self {
            checkpoint,
            engine,
            lane,
            schema: DRAFT_SCHEMA.into(),
            settings: from_run::settings(options, limit, max_length),
            tasks: tasks.iter().map(drafted).collect(),
        })
    }

    /// As a file holds it: canonical JSON.
    pub fn bytes(&self) -> Result<Vec<u8>, DraftError> {
        for DraftTask { record, .. } in &self.tasks {
            let finite = |document: &&DocumentOutcome| {
                document.loglikelihoods.iter().all(|sum| sum.is_finite())
            };
            if let Some(document) = record.documents.iter().find(|document| !finite(document)) {
                return Err(DraftError::NotFinite {
                    task: record.name.clone(),
                    doc_id: document.doc_id,
                });
            }
        }
        canonical::bytes(self).map_err(DraftError::Form)
    }

    /// Reads what [`Self::bytes`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Self, DraftError> {
        let form = |error: serde_json::Error| DraftError::Form(error.to_string());
        // Another form may have other fields: its name is looked at first.
        #[derive(Deserialize)]
        struct Form {
            schema: String,
        }
        let Form { schema } = serde_json::from_slice(bytes).map_err(form)?;
        if schema != DRAFT_SCHEMA {
            return Err(DraftError::Schema(schema));
        }
        serde_json::from_slice(bytes).map_err(form)
    }

    /// The same with these tasks alone.
    pub fn only(mut self, names: &[String]) -> Result<Self, DraftError> {
        let has = |name: &&String| self.tasks.iter().any(|task| task.record.name == **name);
        if let Some(name) = names.iter().find(|name| !has(name)) {
            return Err(DraftError::Task(name.clone()));
        }
        self.tasks.retain(|task| names.contains(&task.record.name));
        Ok(self)
    }

    /// What is signed; `now` in seconds since 1970 UTC, `nonce` random.
    pub fn envelope(self, post: Post, nonce: &[u8; 16], now: i64) -> Envelope {
        let record = |task: DraftTask| {
            let mut record = task.record;
            reduce_task(&mut record, level(task.is_local, &post));
            record
        };
        let tasks = self.tasks.into_iter().map(record).collect();
        let checkpoint = self.checkpoint;
        Envelope {
            author: post.author,
            board: post.board,
            created: time(now),
            engine: self.engine,
            lane: self.lane,
            model: Model {
                architecture: checkpoint.architecture,
                chat_template_sha256: checkpoint.chat_template_sha256,
                licence: post.licence,
                merged: post.merged,
                name: post.name,
                on_hub: post.on_hub,
                parameters: checkpoint.parameters,
                precision: from_run::precision(&checkpoint.quantization),
                quantization: checkpoint.quantization,
                sha256: checkpoint.sha256,
                size_bytes: checkpoint.size_bytes,
                tokenizer_sha256: checkpoint.tokenizer_sha256,
                kind: post.kind,
            },
            nonce: hex(nonce),
            schema: SCHEMA.into(),
            settings: self.settings,
            tasks,
        }
    }
}

/// How much of a task goes: of documents of the owner's own no texts unless they say so.
fn level(is_local: bool, post: &Post) -> PrivacyLevel {
    if is_local && !post.local_texts {
        post.level.min(PrivacyLevel::Outcomes)
    } else {
        post.level
    }
}

/// `2026-11-25T22:59:07Z` of a time in seconds since 1970 UTC.
fn time(now: i64) -> String {
    jiff::Timestamp::from_second(now).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The bytes to send of a [`crate::signature::payload`] that was signed, checked as [`Context::author`] has it.
pub fn sealed(
    payload: &[u8],
    public_key: String,
    signature: String,
    tasks: &TaskSet,
    now: i64,
) -> Result<(Vec<u8>, Checked), Refusal> {
    let envelope: Envelope = serde_json::from_slice(payload)
        .map_err(|error| Refusal::new(RefusalCode::BadJson, "/envelope", error.to_string()))?;
    let board = envelope.board.clone();
    let bytes = preview(&seal(envelope, public_key, signature))?;
    let (_, checked) = check(&bytes, &Context::author(&board, now, tasks))?;
    Ok((bytes, checked))
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
