//! What is posted: one run of one model on some tasks, as JSON.
//!
//! Every envelope has one form, which [`crate::canonical`] writes and beside which [`mod@crate::check`] takes no other: fields stand
//! in the order of their names, and one that holds nothing is left out. Counts and seeds stay below 2^53, which JSON numbers hold in
//! every language.

mod model;

use serde::{Deserialize, Serialize};

pub use model::{Model, ModelType, Precision};

/// Value of [`Envelope::schema`].
pub const SCHEMA: &str = "jeoul-record/1";

/// An envelope, who made it, and the proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct SignedEnvelope {
    /// What is signed.
    pub envelope: Envelope,
    /// Ed25519 public key: 64 hexadecimal digits.
    pub public_key: String,
    /// Ed25519 signature over the canonical bytes of `envelope`: 128 hexadecimal digits.
    pub signature: String,
}

/// A run as it is posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Envelope {
    /// Author: see [`crate::signature::author_id`]. Part of what is signed, so that nobody can sign another's run as theirs.
    pub author: String,
    /// Board that it is meant for; on another it is refused.
    pub board: String,
    /// When it was made, to the second, UTC: `2026-11-25T22:59:07Z`.
    pub created: String,
    /// What computed.
    pub engine: Engine,
    /// Where it was computed.
    pub lane: Lane,
    /// The checkpoint.
    pub model: Model,
    /// 16 random bytes: 32 hexadecimal digits. A board takes each once.
    pub nonce: String,
    /// Form of the envelope: [`SCHEMA`].
    pub schema: String,
    /// Settings of the run.
    pub settings: Settings,
    /// The tasks, in the order in which they were run, each once.
    pub tasks: Vec<TaskRecord>,
}

/// What computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Engine {
    /// Hash of the wasm module or of the program: 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub module_sha256: Option<String>,
    /// Version of Jeoul.
    pub version: String,
}

/// Where it was computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Lane {
    /// Kind of GPU: on the lane `gpu`, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub adapter: Option<Adapter>,
    /// Which lane.
    pub kind: LaneKind,
}

/// A lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum LaneKind {
    /// The same bits on every machine.
    Cpu,
    /// Close to them.
    Gpu,
    /// The slow oracle.
    Reference,
}

/// A kind of GPU, no closer than WebGPU tells every page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Adapter {
    /// Family, such as `ampere`.
    pub architecture: String,
    /// Maker, such as `nvidia`.
    pub vendor: String,
}

/// Settings of a run, as [`jeoul_eval::RunOptions`] has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Settings {
    /// Whether prompts were conversations.
    pub apply_chat_template: bool,
    /// Whether examples were turns of their own.
    pub fewshot_as_multiturn: bool,
    /// Seed of the few-shot sampler.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub fewshot_seed: u64,
    /// What was asked of generations beside what the task files say: `--gen_kwargs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub gen_kwargs: Option<GenKwargs>,
    /// Documents of each task, from the first; all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub limit: Option<u32>,
    /// Longest sequence that the model read, in tokens.
    pub max_length: u32,
    /// Hash of what stood before everything else: 64 hexadecimal digits. The text itself is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub system_instruction_sha256: Option<String>,
}

/// `--gen_kwargs`, under the harness's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts", optional_fields)
)]
pub struct GenKwargs {
    /// Whether tokens are drawn instead of taking the most probable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// Most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gen_toks: Option<u32>,
    /// Seed of the draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub seed: Option<u64>,
    /// Temperature, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Tokens that are drawn from; 0 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Share of probability that is drawn from, above 0 and at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end a generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<String>>,
}

/// One task of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct TaskRecord {
    /// Documents that were scored.
    pub document_count: u32,
    /// The documents in order; none at the level `scores`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "typescript",
        ts(as = "Option<Vec<DocumentOutcome>>", optional)
    )]
    pub documents: Vec<DocumentOutcome>,
    /// Time it took, in milliseconds with two significant digits: a finer one could tell machines apart.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub elapsed_ms: u64,
    /// [`jeoul_eval::Task::content_hash`]: 64 hexadecimal digits.
    pub hash: String,
    /// How much of it is sent.
    pub level: PrivacyLevel,
    /// What the author says came out, filter by filter.
    pub metrics: Vec<ClaimedMetric>,
    /// Name, as `--tasks` takes it.
    pub name: String,
    /// Examples before each question.
    pub num_fewshot: u32,
    /// Prompt and continuation tokens of all documents, counted as asked.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub tokens: u64,
    /// `metadata.version` of the task file, as Python prints it.
    pub version: String,
}

/// How much of a task is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum PrivacyLevel {
    /// The metrics alone.
    Scores,
    /// Also the log-likelihoods of choices, and of generations whether each is right.
    Outcomes,
    /// Also the generated texts.
    Outputs,
}

/// A metric as its author states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct ClaimedMetric {
    /// Filter of the answers; `none` where the task has none.
    pub filter: String,
    /// Name, such as `acc`.
    pub name: String,
    /// Standard error; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub stderr: Option<f64>,
    /// Aggregated over the documents; left out where it is not defined for them (NaN or infinite).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub value: Option<f64>,
}

/// What a model answered about one document.
///
/// | task | `outcomes` | `outputs` |
/// | --- | --- | --- |
/// | asks for log-likelihoods | `loglikelihoods`, `is_greedy`, and the picks of choices | the same |
/// | asks for generations | `values` | also `texts` |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct DocumentOutcome {
    /// Place of the document in its split, from 0.
    pub doc_id: u32,
    /// Whether greedy decoding would have produced it, for each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<bool>>", optional))]
    pub is_greedy: Vec<bool>,
    /// Log-likelihood (nats) of each request, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<f64>>", optional))]
    pub loglikelihoods: Vec<f64>,
    /// Choice with the highest log-likelihood; for choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub pick: Option<u32>,
    /// Choice with the highest log-likelihood per character; for choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub pick_norm: Option<u32>,
    /// Generated texts, as many as the task's `repeats`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub texts: Vec<String>,
    /// Prompt and continuation tokens of all its requests, counted as asked.
    pub tokens: u32,
    /// The document's own value of each of the task's `metrics`, in their order; null where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Option<f64>>>", optional))]
    pub values: Vec<Option<f64>>,
}

/// How far a submission can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum TrustLabel {
    /// The author's word: no documents, or a task that the board does not know.
    SelfReported,
    /// Every metric follows from the documents.
    Consistent,
    /// Spot checks of two others agree.
    Reproduced,
    /// The board computed a sample again on the CPU lane and got the same bits.
    Verified,
}

impl TrustLabel {
    /// As JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfReported => "self-reported",
            Self::Consistent => "consistent",
            Self::Reproduced => "reproduced",
            Self::Verified => "verified",
        }
    }
}

#[cfg(all(test, feature = "typescript"))]
mod tests {
    use ts_rs::{Config, TS};

    use super::*;

    #[test]
    fn what_is_left_out_may_be_left_out_in_typescript() {
        let types = Config::default();
        let task = TaskRecord::decl(&types);
        assert!(
            task.contains("documents?: Array<DocumentOutcome>"),
            "{task}"
        );
        assert!(task.contains("tokens: number"), "{task}");
        let document = DocumentOutcome::decl(&types);
        assert!(
            document.contains("values?: Array<number | null>"),
            "{document}"
        );
        let model = Model::decl(&types);
        assert!(model.contains("type: ModelType"), "{model}");
        let kind = ModelType::decl(&types);
        assert!(kind.contains("\"rl-tuned\""), "{kind}");
    }
}
