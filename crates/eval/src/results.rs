//! What a run yields: per document, per task. These types are what the page shows and the command writes.

use serde::{Deserialize, Serialize};

/// One choice of a multiple-choice document, scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct ChoiceResult {
    /// The choice as the task gives it, without the delimiter before it.
    pub text: String,
    /// Sum of its tokens' log-probabilities, in nats.
    pub loglikelihood: f64,
    /// Natural log-probability of each of its tokens.
    pub token_logprobs: Vec<f32>,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
}

/// One document, scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct DocumentResult {
    /// Place of the document in its split, from 0.
    pub doc_id: u32,
    /// The exact few-shot part of the prompt (description and examples); empty at zero shots.
    pub fewshot_context: String,
    /// The document's own part of the prompt, which follows `fewshot_context` directly.
    pub prompt: String,
    /// What stands between prompt and choice.
    pub target_delimiter: String,
    /// The choices in the task's order.
    pub choices: Vec<ChoiceResult>,
    /// Index of the right choice.
    pub gold: u32,
    /// Choice with the highest log-likelihood.
    pub pick: u32,
    /// Choice with the highest log-likelihood per character.
    pub pick_norm: u32,
    /// 1 if `pick` is `gold`, else 0.
    pub acc: f64,
    /// 1 if `pick_norm` is `gold`, else 0.
    pub acc_norm: f64,
    /// Prompt and continuation tokens of all requests of the document, counted as asked.
    pub tokens_asked: u32,
}

/// A score with its standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct MetricResult {
    /// `acc` or `acc_norm`.
    pub name: String,
    /// Mean over the documents.
    pub value: f64,
    /// Standard error of the mean, `None` below two documents.
    pub stderr: Option<f64>,
    /// What guessing at random would give.
    pub chance: f64,
}

/// The state of a task after some of its documents, or all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct TaskScore {
    /// Name of the task.
    pub task: String,
    /// `metadata.version` of the task file.
    pub version: String,
    /// Examples before each question.
    pub num_fewshot: u32,
    /// Documents scored so far.
    pub documents: u32,
    /// Documents the run will score.
    pub documents_total: u32,
    /// Metrics in the order of the task file.
    pub metrics: Vec<MetricResult>,
}

/// What a person sees of a task before running it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct TaskCard {
    /// Name, as `--tasks` takes it.
    pub name: String,
    /// One line for people, in English.
    pub title: String,
    /// One line for people, in Korean.
    pub title_ko: String,
    /// Language of the documents, as a BCP 47 tag.
    pub language: String,
    /// Documents it holds.
    pub documents: u32,
    /// Shots it runs with unless told otherwise.
    pub num_fewshot: u32,
    /// Most shots its few-shot split can give.
    pub max_fewshot: u32,
    /// What guessing gives, 0 to 1 (mean over documents of 1 / choices).
    pub chance: f64,
    /// Whether the documents are samples written for Jeoul and not the benchmark itself.
    pub sample: bool,
}
