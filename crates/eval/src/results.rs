//! What a run yields: per document, per task. These types are what the page shows and the command writes.

use serde::{Deserialize, Serialize};

use crate::metrics::Item;
use crate::origin::OriginKind;

/// What was asked once, and what the model answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct RequestResult {
    /// What the model read, where it is not `fewshot_context` and `prompt` of the document.
    pub context: Option<String>,
    /// Text whose probability was asked for; `None` for a generation.
    pub continuation: Option<String>,
    /// The answer.
    pub answer: Answer,
}

/// What a model answers to one request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum Answer {
    /// How probable a text is.
    Loglikelihood {
        /// Sum of the tokens' log-probabilities, in nats.
        sum: f64,
        /// Natural log-probability of each token.
        token_logprobs: Vec<f32>,
        /// Whether greedy decoding would have produced it.
        is_greedy: bool,
    },
    /// Generated texts, as many as the task's `repeats`.
    Texts {
        /// The texts, without what ended them.
        texts: Vec<String>,
    },
}

impl Answer {
    /// Log-likelihood (nats) and whether the text is greedy; `None` for generated texts.
    pub fn loglikelihood(&self) -> Option<(f64, bool)> {
        match self {
            Self::Loglikelihood { sum, is_greedy, .. } => Some((*sum, *is_greedy)),
            Self::Texts { .. } => None,
        }
    }
}

/// A generation after one of the task's filters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct FilteredAnswer {
    /// Name of the filter.
    pub filter: String,
    /// What is compared with the target; several texts where no step of the filter takes one.
    pub answer: Vec<String>,
}

/// What one document contributes to a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct DocumentMetric {
    /// Name of the metric.
    pub name: String,
    /// Name of the filter; `none` where the task has none.
    pub filter: String,
    /// The document's own value, where it has one: `acc` does, `f1` exists for many documents only.
    pub value: Option<f64>,
    /// What enters the aggregation.
    #[serde(skip)]
    #[cfg_attr(feature = "typescript", ts(skip))]
    pub item: Item,
}

/// One document, scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct DocumentResult {
    /// Place of the document in its split, from 0.
    pub doc_id: u32,
    /// The exact few-shot part of the prompt (instruction, description and examples). Empty at zero shots, and in chat form,
    /// where `prompt` holds the whole conversation.
    pub fewshot_context: String,
    /// The document's own part of the prompt, which follows `fewshot_context` directly.
    pub prompt: String,
    /// What was asked, in order: one request for each choice, or a single one.
    pub requests: Vec<RequestResult>,
    /// The choices in the task's order; empty for tasks without.
    pub choices: Vec<String>,
    /// Indices of the right choices; empty for tasks without.
    pub gold: Vec<u32>,
    /// Choice with the highest log-likelihood.
    pub pick: Option<u32>,
    /// Choice with the highest log-likelihood per character.
    pub pick_norm: Option<u32>,
    /// What the task calls right, as text.
    pub target: String,
    /// Generations after the task's filters; empty for log-likelihoods.
    pub filtered: Vec<FilteredAnswer>,
    /// What it contributes to each metric, filter by filter.
    pub metrics: Vec<DocumentMetric>,
    /// Prompt and continuation tokens of all requests of the document, counted as asked.
    pub tokens_asked: u32,
}

impl DocumentResult {
    /// The document's own value of a metric under its first filter.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.iter().find(|metric| metric.name == name)?;
        metric.value
    }
}

/// A score with its standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct MetricResult {
    /// Name, such as `acc`.
    pub name: String,
    /// Filter of the answers it is computed from; `none` where the task has none.
    pub filter: String,
    /// Aggregated over the documents. NaN where it is not defined for them.
    pub value: f64,
    /// Standard error; `None` below two documents and where the harness has no formula.
    pub stderr: Option<f64>,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// What guessing at random would give; `None` where guessing gives nothing.
    pub chance: Option<f64>,
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

impl TaskScore {
    /// A metric of the task under one of its filters.
    pub fn metric(&self, name: &str, filter: &str) -> Option<&MetricResult> {
        let mut metrics = self.metrics.iter();
        metrics.find(|metric| metric.name == name && metric.filter == filter)
    }
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
    /// What guessing gives, 0 to 1 (mean over documents of right choices / choices); `None` for tasks without choices.
    pub chance: Option<f64>,
    /// Where the documents come from: samples written for Jeoul are not the benchmark itself.
    pub origin: OriginKind,
    /// Whether the model writes its answers, which takes longer than scoring given ones.
    pub generates: bool,
    /// What people should know of its shots, in English; empty for most.
    pub note: String,
    /// The same in Korean.
    pub note_ko: String,
}

/// What a person sees of a group of tasks before running it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct GroupCard {
    /// Name, as `--tasks` takes it.
    pub name: String,
    /// One line for people, in English.
    pub title: String,
    /// One line for people, in Korean.
    pub title_ko: String,
    /// Its tasks, those of its groups too.
    pub tasks: Vec<String>,
    /// Shots of each of them unless told otherwise.
    pub num_fewshot: Vec<u32>,
    /// Whether it belongs to another group and is seldom run alone.
    pub inner: bool,
}
