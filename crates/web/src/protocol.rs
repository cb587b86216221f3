//! Messages between the page and its worker. The page's TypeScript types are generated from these.
//!
//! The page sends [`Command`]s inside an envelope `{ id, command, file? }`; the worker answers with [`Event`]s inside
//! `{ id, event }`, the same `id`. The last event of a command is one for which [`Event::is_last`] holds.
//! One command runs at a time; [`Command::Cancel`] is the one that may come in between, and it stops the other.

use jeoul_eval::results::{DocumentResult, TaskCard, TaskScore};
use serde::{Deserialize, Serialize};

/// Where tensors are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
#[serde(rename_all = "lowercase")]
pub enum LaneName {
    /// WebGPU.
    Gpu,
    /// SIMD in wasm.
    Cpu,
}

/// What the page asks of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export, export_to = "generated.ts")
)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Command {
    /// Asks what there is: answered by [`Event::Ready`].
    Hello,
    /// Brings a checkpoint of the registry into this browser's storage; goes on where an earlier one stopped.
    Fetch {
        /// Registry id.
        model: String,
    },
    /// Removes a stored checkpoint.
    Forget {
        /// Registry id.
        model: String,
    },
    /// Opens a checkpoint on a lane: the stored one of that id, or the envelope's `file` if `model` is null.
    Load {
        /// Registry id, or null for the dropped file.
        model: Option<String>,
        /// Where to compute.
        lane: LaneName,
    },
    /// Counts the tokens a run would take, with the loaded checkpoint's tokenizer.
    Plan {
        /// What would run.
        tasks: Vec<TaskRequest>,
    },
    /// Scores the loaded checkpoint.
    Run {
        /// What to run, in order.
        tasks: Vec<TaskRequest>,
    },
    /// Stops the running command within a second; it then ends with [`Event::Cancelled`].
    Cancel,
}

/// One task with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct TaskRequest {
    /// Name of a bundled task.
    pub task: String,
    /// Examples before each question.
    pub num_fewshot: u32,
    /// Documents to score; all if null.
    pub limit: Option<u32>,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export, export_to = "generated.ts")
)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Event {
    /// What there is.
    Ready {
        /// Version of the engine.
        version: String,
        /// Checkpoints of the registry.
        models: Vec<ModelCard>,
        /// Bundled tasks.
        tasks: Vec<TaskCard>,
    },
    /// Bytes of a download so far, those of an earlier attempt included.
    Fetching {
        /// Bytes stored.
        bytes: f64,
        /// Bytes of the whole file.
        total: f64,
    },
    /// The checkpoint is stored and its sha256 is right.
    Fetched,
    /// The checkpoint is no longer stored.
    Forgotten,
    /// Bytes of weights read into the lane's layout so far.
    Loading {
        /// Bytes read.
        bytes: f64,
        /// Bytes to read.
        total: f64,
    },
    /// The checkpoint can be scored.
    Loaded {
        /// What the file says of itself.
        checkpoint: CheckpointCard,
        /// Where it computes.
        lane: LaneCard,
    },
    /// What a run would take.
    Planned {
        /// Tokens of all requests.
        tokens_asked: u32,
        /// Tokens the engine will compute, shared prefixes counted once.
        tokens_computed: u32,
    },
    /// Tokens computed so far in this run; sent a few times a second.
    Progress {
        /// Task at work.
        task: String,
        /// Tokens computed since the run began.
        tokens_computed: u32,
        /// Milliseconds since the run began.
        elapsed_ms: f64,
    },
    /// One document is scored.
    Document {
        /// The document.
        document: Box<DocumentResult>,
        /// Its task's score so far.
        score: TaskScore,
    },
    /// All documents are scored.
    Done {
        /// One per task, in the order asked.
        scores: Vec<TaskScore>,
        /// Tokens computed.
        tokens_computed: u32,
        /// Milliseconds the run took.
        elapsed_ms: f64,
    },
    /// The command was stopped on request; what was scored before stays valid.
    Cancelled,
    /// The command failed.
    Failed {
        /// What went wrong.
        fault: Fault,
    },
}

impl Event {
    /// Whether no further event follows for this command.
    pub fn is_last(&self) -> bool {
        !matches!(
            self,
            Self::Fetching { .. }
                | Self::Loading { .. }
                | Self::Progress { .. }
                | Self::Document { .. }
        )
    }
}

/// A failure, as the page needs it to say what happened and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Fault {
    /// Kind, which the page maps to a sentence in both languages.
    pub kind: FaultKind,
    /// The typed error's own sentence: place, found, allowed. English.
    pub detail: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// The file is no checkpoint that Jeoul can read.
    BadCheckpoint,
    /// The download broke off or the server refused.
    Network,
    /// The downloaded bytes are not the registry's.
    Checksum,
    /// The browser's storage is full or not available.
    Storage,
    /// Not enough memory for this checkpoint.
    Memory,
    /// The GPU was lost, or refused.
    Gpu,
    /// The GPU computes something else than the CPU.
    GpuWrong,
    /// A task or its documents are wrong, or do not fit the settings.
    Task,
    /// The engine broke; the worker must be restarted.
    Engine,
    /// The page sent what the worker does not understand, or out of order.
    Protocol,
}

/// A checkpoint of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct ModelCard {
    /// Registry id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Bytes of the file.
    pub size: f64,
    /// Hex sha256 of the file.
    pub sha256: String,
    /// SPDX identifier.
    pub license: String,
    /// `general.architecture`.
    pub architecture: String,
    /// Such as `Q4_1`.
    pub quantization: String,
    /// Number of weights.
    pub parameters: f64,
    /// `pretrained`, `fine-tuned`, `instruction-tuned` or `rl-tuned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// Where it comes from, for people.
    pub homepage: String,
    /// Bytes of it stored in this browser.
    pub stored: f64,
    /// Whether it is stored whole and verified.
    pub ready: bool,
}

/// A loaded checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct CheckpointCard {
    /// `general.name`, or the file's name.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// Type of most weights.
    pub quantization: String,
    /// Number of weights.
    pub parameters: f64,
    /// Bytes of the file.
    pub size: f64,
    /// Longest sequence, in tokens.
    pub context_length: u32,
    /// Number of layers.
    pub layers: u32,
}

/// The lane at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct LaneCard {
    /// Which.
    pub lane: LaneName,
    /// GPU vendor and architecture; null on the CPU.
    pub adapter: Option<String>,
    /// Share of positions at which GPU and CPU agree in the known-answer test, 0 to 1; null on the CPU.
    pub agreement: Option<f64>,
    /// Threads at work.
    pub threads: u32,
}
