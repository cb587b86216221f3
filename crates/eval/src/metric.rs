//! `metric_list`: which metrics a task has, and how each is aggregated.
//!
//! As `ConfigurableTask.__init__` (`lm_eval/api/task.py`) and the registry of `lm_eval/api/metrics.py`.

use serde_json::Value as Json;

use crate::builtin;
use crate::config::{OutputType, TaskConfig, function};
use crate::error::TaskError;
use crate::metrics::{Aggregation, ExactMatch};
use crate::yaml::{Function, Keys};

/// Keys of every entry of `metric_list`.
const KEYS: &[&str] = &["metric", "aggregation", "higher_is_better"];
/// Keys that `exact_match` takes besides.
const EXACT_MATCH_KEYS: &[&str] = &[
    "metric",
    "aggregation",
    "higher_is_better",
    "hf_evaluate",
    "ignore_case",
    "ignore_punctuation",
    "ignore_numbers",
    "regexes_to_ignore",
];
/// Keys that log-likelihood metrics may have; only the aggregation decides their value.
const PASSED_KEYS: &[&str] = &[
    "metric",
    "aggregation",
    "higher_is_better",
    "hf_evaluate",
    "average",
];

/// What a document is scored by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetricKind {
    Acc,
    AccNorm,
    AccBytes,
    AccMutualInfo,
    F1,
    Mcc,
    BrierScore,
    ExactMatch(ExactMatch),
    Bleu,
    Chrf,
    ChrfPlusPlus,
    Perplexity,
    WordPerplexity,
    BytePerplexity,
    BitsPerByte,
    /// What the task's own `process_results` gives under this name.
    Named,
}

impl MetricKind {
    /// Its place among the results of a document; generations keep the order of the task file.
    fn rank(&self) -> u8 {
        match self {
            Self::Perplexity | Self::WordPerplexity => 0,
            Self::Acc | Self::BytePerplexity => 1,
            Self::F1 | Self::BitsPerByte => 2,
            Self::Mcc => 3,
            Self::AccNorm => 4,
            Self::AccBytes => 5,
            Self::ExactMatch(_) | Self::Bleu | Self::Chrf | Self::ChrfPlusPlus => 6,
            Self::BrierScore => 7,
            Self::AccMutualInfo => 8,
            Self::Named => 0,
        }
    }
}

/// One entry of `metric_list`.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) kind: MetricKind,
    pub(crate) aggregation: Aggregation,
    pub(crate) higher_is_better: bool,
}

impl Metric {
    /// The metrics of a task; without the key, those the harness gives to its output type.
    pub(crate) fn list(task: &TaskConfig) -> Result<Vec<Self>, TaskError> {
        let Some(entries) = task.file.list("metric_list")? else {
            let names: &[&str] = match task.output_type {
                OutputType::MultipleChoice => &["acc", "acc_norm"],
                OutputType::Loglikelihood => &["perplexity", "acc"],
                OutputType::LoglikelihoodRolling => {
                    &["word_perplexity", "byte_perplexity", "bits_per_byte"]
                }
                OutputType::GenerateUntil => &["exact_match"],
            };
            let metric = |name: &&str| {
                let (kind, aggregation, higher_is_better) = known(name, task.output_type)?;
                Some(Self {
                    name: name.to_string(),
                    kind,
                    aggregation,
                    higher_is_better,
                })
            };
            return Ok(names.iter().filter_map(metric).collect());
        };
        let mut metrics: Vec<Self> = Vec::new();
        for entry in entries {
            let metric = Self::read(&entry, task)?;
            if metrics.iter().any(|known| known.name == metric.name) {
                return Err(entry.wrong("metric", "each metric once"));
            }
            metrics.push(metric);
        }
        if metrics.is_empty() {
            let allowed = "a list of mappings with `metric`";
            return Err(task.file.wrong("metric_list", allowed));
        }
        // The order of `process_results`, which result files keep.
        metrics.sort_by_key(|metric| metric.kind.rank());
        Ok(metrics)
    }

    fn read(entry: &Keys, task: &TaskConfig) -> Result<Self, TaskError> {
        let name = match entry.get("metric").and_then(Json::as_str) {
            Some(name) => name.to_string(),
            None => return Err(entry.wrong("metric", allowed(task.output_type))),
        };
        let known = known(&name, task.output_type);
        let (mut kind, default, higher) = match (task.process_results.is_some(), known) {
            (true, known) => {
                let (_, aggregation, higher) =
                    known.unwrap_or((MetricKind::Named, Aggregation::Mean, true));
                (MetricKind::Named, aggregation, higher)
            }
            (false, Some(known)) => known,
            (false, None) => return Err(entry.wrong("metric", allowed(task.output_type))),
        };
        match &mut kind {
            MetricKind::ExactMatch(options) => {
                entry.only(EXACT_MATCH_KEYS)?;
                *options = exact_match(entry)?;
            }
            _ if entry.get("hf_evaluate").is_some() => entry.only(PASSED_KEYS)?,
            _ => entry.only(KEYS)?,
        }
        let aggregation = match entry.get("aggregation") {
            None => default,
            Some(Json::String(name)) => Aggregation::from_name(name).ok_or_else(|| {
                entry.wrong(
                    "aggregation",
                    "mean, nanmean, median, perplexity, weighted_perplexity, bits_per_byte, f1, matthews_corrcoef, brier_score, bleu, chrf, chrf++, or a function that is built in",
                )
            })?,
            Some(value) if Function::of(value).is_some() => {
                function(entry, &task.file, "aggregation", builtin::aggregation)?
                    .unwrap_or(default)
            }
            Some(_) => return Err(entry.wrong("aggregation", "the name of an aggregation")),
        };
        Ok(Self {
            name,
            kind,
            aggregation,
            higher_is_better: entry.truth("higher_is_better")?.unwrap_or(higher),
        })
    }
}

/// Options of `exact_match`, as `exact_match_hf_evaluate` takes them.
fn exact_match(entry: &Keys) -> Result<ExactMatch, TaskError> {
    let patterns: Vec<String> = match entry.get("regexes_to_ignore") {
        None => Vec::new(),
        Some(Json::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(String::from))
            .collect::<Option<_>>()
            .ok_or_else(|| entry.wrong("regexes_to_ignore", "a list of texts"))?,
        Some(_) => return Err(entry.wrong("regexes_to_ignore", "a list of texts")),
    };
    ExactMatch::new(
        entry.truth("ignore_case")?.unwrap_or(false),
        entry.truth("ignore_punctuation")?.unwrap_or(false),
        entry.truth("ignore_numbers")?.unwrap_or(false),
        &patterns,
    )
    .map_err(|error| {
        let (file, line) = entry.place("regexes_to_ignore");
        TaskError::Pattern {
            file,
            line,
            key: "metric_list.regexes_to_ignore".into(),
            reason: error.to_string(),
        }
    })
}

/// Kind, default aggregation and direction of the metrics that a type of output has.
fn known(name: &str, output: OutputType) -> Option<(MetricKind, Aggregation, bool)> {
    use OutputType::{GenerateUntil, Loglikelihood, LoglikelihoodRolling, MultipleChoice};
    let metric = match (name, output) {
        ("acc", MultipleChoice | Loglikelihood) => (MetricKind::Acc, Aggregation::Mean, true),
        ("acc_norm", MultipleChoice) => (MetricKind::AccNorm, Aggregation::Mean, true),
        ("acc_bytes", MultipleChoice) => (MetricKind::AccBytes, Aggregation::Mean, true),
        ("acc_mutual_info", MultipleChoice) => (MetricKind::AccMutualInfo, Aggregation::Mean, true),
        ("exact_match", MultipleChoice | GenerateUntil) => (
            MetricKind::ExactMatch(ExactMatch::default()),
            Aggregation::Mean,
            true,
        ),
        ("f1", MultipleChoice) => (MetricKind::F1, Aggregation::F1, true),
        ("mcc", MultipleChoice) => (MetricKind::Mcc, Aggregation::Matthews, true),
        ("brier_score", MultipleChoice) => (MetricKind::BrierScore, Aggregation::Brier, false),
        ("perplexity", Loglikelihood) => (MetricKind::Perplexity, Aggregation::Perplexity, false),
        ("word_perplexity", LoglikelihoodRolling) => (
            MetricKind::WordPerplexity,
            Aggregation::WeightedPerplexity,
            false,
        ),
        ("byte_perplexity", LoglikelihoodRolling) => (
            MetricKind::BytePerplexity,
            Aggregation::WeightedPerplexity,
            false,
        ),
        ("bits_per_byte", LoglikelihoodRolling) => {
            (MetricKind::BitsPerByte, Aggregation::BitsPerByte, false)
        }
        ("bleu", GenerateUntil) => (MetricKind::Bleu, Aggregation::Bleu, true),
        ("chrf", GenerateUntil) => (MetricKind::Chrf, Aggregation::Chrf, true),
        ("chrf++", GenerateUntil) => (MetricKind::ChrfPlusPlus, Aggregation::ChrfPlusPlus, true),
        _ => return None,
    };
    Some(metric)
}

fn allowed(output: OutputType) -> &'static str {
    match output {
        OutputType::MultipleChoice => {
            "acc, acc_norm, acc_bytes, acc_mutual_info, exact_match, f1, mcc or brier_score"
        }
        OutputType::Loglikelihood => "perplexity or acc",
        OutputType::LoglikelihoodRolling => "word_perplexity, byte_perplexity or bits_per_byte",
        OutputType::GenerateUntil => "exact_match, bleu, chrf or chrf++",
    }
}
