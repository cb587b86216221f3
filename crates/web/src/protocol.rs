//! Messages between the page and its worker. The page's TypeScript types are generated from these.
//!
//! The page sends [`Command`]s inside an envelope `{ id, command, file? }`; the worker answers with [`Event`]s inside
//! `{ id, event }`, the same `id`. The last event of a command is one for which [`Event::is_last`] holds.
//! One command runs at a time; [`Command::Cancel`] is the one that may come in between, and it stops the other.

use jeoul_eval::group::GroupScore;
use jeoul_eval::metrics::Comparison;
use jeoul_eval::results::{DocumentResult, GroupCard, TaskCard, TaskScore};
use jeoul_record::envelope::{Adapter, ModelType};
use jeoul_record::spot::Drawn;
use jeoul_record::{PrivacyLevel, Refusal, TrustLabel};
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
    /// Adds a task file of the person's own, the envelope's `file`: answered by [`Event::Tasks`].
    AddTask,
    /// Gives a task documents of the person's own, the envelope's `file`: answered by [`Event::Tasks`].
    UseFile {
        /// Name of the task.
        task: String,
        /// What they are for.
        role: DocumentsRole,
    },
    /// Gives a task the documents of the Hugging Face hub: answered by [`Event::Tasks`].
    UseHub {
        /// Name of the task.
        task: String,
        /// Whether the few-shot split is fetched too.
        examples: bool,
    },
    /// Gives a task its sample documents back: answered by [`Event::Tasks`].
    UseSamples {
        /// Name of the task.
        task: String,
    },
    /// Counts the tokens a run would take, with the loaded checkpoint's tokenizer.
    Plan {
        /// What would run.
        tasks: Vec<TaskRequest>,
        /// How.
        settings: RunSettings,
    },
    /// Scores the loaded checkpoint.
    Run {
        /// What to run, in order.
        tasks: Vec<TaskRequest>,
        /// How.
        settings: RunSettings,
    },
    /// Writes the last run, also one that was cancelled, as files that lm-evaluation-harness reads: answered by
    /// [`Event::Exported`].
    Export,
    /// Writes the last run as the bytes that its owner signs to post it, and checks them as the board will: answered by
    /// [`Event::Envelope`] or [`Event::Refused`].
    Envelope {
        /// What is posted, and where.
        posting: Posting,
    },
    /// Puts a signature to these bytes, and checks the whole as the board will: answered by [`Event::Sealed`] or
    /// [`Event::Refused`].
    Seal {
        /// What [`Event::Envelope`] gave.
        payload: String,
        /// Ed25519 public key: 64 hexadecimal digits.
        public_key: String,
        /// Its signature over `payload` in UTF-8: 128 hexadecimal digits.
        signature: String,
    },
    /// Computes drawn documents of somebody's run again with the loaded checkpoint: answered by [`Event::Checked`] or
    /// [`Event::Uncheckable`].
    Check {
        /// The run: a signed envelope, as a board stores it.
        record: String,
        /// The documents.
        drawn: Vec<Drawn>,
    },
    /// Compares two runs on the same documents: answered by [`Event::Compared`].
    Compare {
        /// Values of one metric under the first run, document by document.
        first: Vec<f64>,
        /// The same documents' values under the second.
        second: Vec<f64>,
    },
    /// Measures the loaded checkpoint's speed: answered by [`Event::Measured`].
    Measure {
        /// Tokens of the prompt, at least 1.
        prompt: u16,
        /// Tokens generated after it, at least 1.
        generate: u16,
        /// Measurements, each with another prompt; one more before them warms up.
        repeats: u16,
    },
    /// Stops the running command within a second; it then ends with [`Event::Cancelled`].
    Cancel,
}

/// Why drawn documents cannot be computed again here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
#[serde(rename_all = "camelCase")]
pub enum CheckLack {
    /// Another checkpoint is loaded than the run's.
    Checkpoint,
    /// The run was computed by another version.
    Version,
    /// The run had settings that its record does not tell whole.
    Settings,
    /// A task, or its documents, are others here.
    Task,
}

/// What a file of documents is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
#[serde(rename_all = "camelCase")]
pub enum DocumentsRole {
    /// To be scored.
    Documents,
    /// To be examples.
    Examples,
}

/// One task, or one group of tasks, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct TaskRequest {
    /// Name of a task or a group.
    pub task: String,
    /// Examples before each question; what the task says if null.
    pub num_fewshot: Option<u32>,
    /// Documents to score, of each task of a group; all if null.
    pub limit: Option<u32>,
}

/// Settings of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct RunSettings {
    /// Seed of the few-shot sampler.
    pub seed: u32,
    /// Whether prompts are conversations in the checkpoint's own chat template.
    pub apply_chat_template: bool,
    /// Whether examples are turns of their own in a conversation.
    pub fewshot_as_multiturn: bool,
    /// What stands before everything else; null for nothing.
    pub system_instruction: Option<String>,
}

impl Default for RunSettings {
    /// The harness's: plain text, few-shot seed 1234.
    fn default() -> Self {
        Self {
            seed: 1234,
            apply_chat_template: false,
            fewshot_as_multiturn: false,
            system_instruction: None,
        }
    }
}

/// What the owner of the last run says about posting it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Posting {
    /// The board, or the room's id.
    pub board: String,
    /// Key that will sign: 64 hexadecimal digits.
    pub public_key: String,
    /// Tasks to post, by name.
    pub tasks: Vec<String>,
    /// How much of each.
    pub level: PrivacyLevel,
    /// Whether what a model wrote about documents of the person's own may go too, if `level` lets it.
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
    /// Kind of GPU; null on the CPU.
    pub adapter: Option<Adapter>,
}

/// A file for the person to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct ExportFile {
    /// Name, as lm-evaluation-harness names it.
    pub name: String,
    /// Contents.
    pub text: String,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
        /// Tasks that can be run.
        tasks: Vec<TaskCard>,
        /// Groups of them.
        groups: Vec<GroupCard>,
    },
    /// The tasks that can be run, after one of them changed.
    Tasks {
        /// Name of the task that changed.
        changed: String,
        /// All of them.
        tasks: Vec<TaskCard>,
        /// Groups of them.
        groups: Vec<GroupCard>,
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
        /// Most tokens that generations add.
        tokens_generated: u32,
        /// Smallest difference of two accuracies (0 to 1) that the task with the fewest documents can show, if the models are
        /// right half the time; null if it can show none.
        detectable: Option<f64>,
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
        /// Groups of tasks, children before parents.
        groups: Vec<GroupScore>,
        /// Tokens computed.
        tokens_computed: u32,
        /// Milliseconds the run took.
        elapsed_ms: f64,
    },
    /// The last run as files.
    Exported {
        /// Results, samples of each task, and the table as Markdown and as CSV.
        files: Vec<ExportFile>,
    },
    /// A run as the bytes to sign.
    Envelope {
        /// The bytes, which are UTF-8.
        payload: String,
    },
    /// A run as the bytes to post.
    Sealed {
        /// The bytes, which are UTF-8: exactly these are sent.
        text: String,
        /// The run's id on a board, which is also its idempotency key.
        key: String,
        /// The trust label it has on a board that knows the same tasks.
        label: TrustLabel,
    },
    /// A board would refuse it.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// What a spot check found, as the bytes to send.
    Checked {
        /// The bytes, which are UTF-8: exactly these are sent.
        text: String,
    },
    /// The drawn documents cannot be computed again here.
    Uncheckable {
        /// What is missing.
        lack: CheckLack,
        /// The hash of the file that is needed, or the typed error's own sentence.
        detail: String,
    },
    /// How two runs differ.
    Compared {
        /// The comparison.
        comparison: Comparison,
    },
    /// How fast the loaded checkpoint is, measurement by measurement.
    Measured {
        /// Prompt tokens a second.
        prefill: Vec<f64>,
        /// Generated tokens a second.
        decode: Vec<f64>,
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
    /// Whether it has a chat template.
    pub chat: bool,
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
    /// Why the CPU has one thread only; null if it has more, and on the GPU.
    pub thread_lack: Option<ThreadLack>,
}

/// Why there is one thread only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
#[serde(rename_all = "camelCase")]
pub enum ThreadLack {
    /// The page shares its process with others: it came without the headers that isolate it.
    NotIsolated,
    /// The machine has one core.
    OneCore,
    /// The module with threads is not there.
    NoModule,
    /// The threads did not start.
    Failed,
}
