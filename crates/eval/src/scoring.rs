//! From a model's answers to what a document contributes to each metric.
//!
//! As `ConfigurableTask.process_results` (`lm_eval/api/task.py`).

use serde_json::Value as Json;

use crate::builtin::Results;
use crate::config::OutputType;
use crate::documents::kind;
use crate::error::TaskError;
use crate::metric::{Metric, MetricKind};
use crate::metrics::{self, Item};
use crate::python;
use crate::results::{Answer, DocumentMetric, FilteredAnswer, RequestResult};
use crate::task::{Document, Task};

/// What the answers to a document's requests amount to.
pub(crate) struct Scored {
    pub(crate) filtered: Vec<FilteredAnswer>,
    pub(crate) metrics: Vec<DocumentMetric>,
    pub(crate) pick: Option<usize>,
    pub(crate) pick_norm: Option<usize>,
}

/// Scores the answers to the requests of `document`, filter by filter.
pub(crate) fn score(
    task: &Task,
    document: &Document,
    requests: &[RequestResult],
) -> Result<Scored, TaskError> {
    let mut scored = Scored {
        filtered: Vec::new(),
        metrics: Vec::new(),
        pick: None,
        pick_norm: None,
    };
    for filter in &task.config.filters {
        let answers = Answers {
            task,
            document,
            requests,
            filter: &filter.name,
        };
        let items = match task.config.output_type {
            OutputType::GenerateUntil => {
                let generated = requests.iter().find_map(|request| match &request.answer {
                    Answer::Texts { texts } => Some(texts.as_slice()),
                    Answer::Loglikelihood { .. } => None,
                });
                let texts = generated.unwrap_or_default();
                let filtered = filter
                    .apply(texts, &document.fields)
                    .map_err(|error| answers.wrong(error.to_string()))?;
                scored.filtered.push(FilteredAnswer {
                    filter: filter.name.clone(),
                    answer: match &filtered {
                        Json::Array(items) => items.iter().map(python::str_of).collect(),
                        one => vec![python::str_of(one)],
                    },
                });
                answers.generation(filtered)?
            }
            OutputType::MultipleChoice => {
                let choice = answers.choice();
                (scored.pick, scored.pick_norm) = (choice.pick, choice.pick_norm);
                answers.multiple_choice(&choice)?
            }
            OutputType::Loglikelihood => answers.loglikelihood()?,
            OutputType::LoglikelihoodRolling => answers.rolling()?,
        };
        for (name, item) in items {
            scored.metrics.push(DocumentMetric {
                value: item.value(),
                filter: filter.name.clone(),
                name,
                item,
            });
        }
    }
    Ok(scored)
}

/// Log-likelihoods of the choices and what they pick.
struct Choice {
    sums: Vec<f64>,
    greedy: Vec<bool>,
    /// Log-likelihoods without the context, for `acc_mutual_info`.
    unconditional: Vec<f64>,
    pick: Option<usize>,
    pick_norm: Option<usize>,
}

type Items = Vec<(String, Item)>;

/// The answers to a document's requests, as one filter sees them.
struct Answers<'a> {
    task: &'a Task,
    document: &'a Document,
    requests: &'a [RequestResult],
    filter: &'a str,
}

impl Answers<'_> {
    fn loglikelihoods(&self) -> Vec<(f64, bool)> {
        self.requests
            .iter()
            .filter_map(|request| request.answer.loglikelihood())
            .collect()
    }

    fn wrong(&self, reason: String) -> TaskError {
        TaskError::Results {
            task: self.task.name().into(),
            filter: self.filter.into(),
            reason,
        }
    }

    /// What the task's own `process_results` gives.
    fn own(&self, results: &Results<'_>) -> Option<Result<Items, TaskError>> {
        let call = self.task.config.process_results?;
        let items =
            call(&self.document.fields, results).map_err(|error| self.wrong(error.to_string()));
        Some(items.map(|items| {
            let named = |(name, item): (&str, Item)| (name.to_string(), item);
            items.into_iter().map(named).collect()
        }))
    }

    fn choice(&self) -> Choice {
        let (mut sums, mut greedy): (Vec<f64>, Vec<bool>) =
            self.loglikelihoods().into_iter().unzip();
        let choices = &self.document.choices;
        let unconditional = sums.split_off(choices.len().min(sums.len()));
        greedy.truncate(choices.len());
        let texts: Vec<&str> = choices.iter().map(String::as_str).collect();
        Choice {
            pick: metrics::pick(&sums),
            pick_norm: metrics::pick_norm(&sums, &texts),
            unconditional,
            sums,
            greedy,
        }
    }

    fn multiple_choice(&self, choice: &Choice) -> Result<Items, TaskError> {
        let pairs = self.loglikelihoods();
        if let Some(items) = self.own(&Results::Loglikelihoods(&pairs)) {
            return items;
        }
        let gold = &self.document.gold;
        let right = |pick: Option<usize>| {
            Item::Number(f64::from(u8::from(
                pick.is_some_and(|pick| gold.contains(&pick)),
            )))
        };
        let single = |metric: &Metric| match gold.as_slice() {
            [gold] => Ok(*gold),
            _ => Err(self.wrong(format!("{} needs exactly one right choice", metric.name))),
        };
        let texts: Vec<&str> = self.document.choices.iter().map(String::as_str).collect();
        let item = |metric: &Metric| -> Result<Item, TaskError> {
            Ok(match &metric.kind {
                MetricKind::Acc => right(choice.pick),
                MetricKind::AccNorm => right(choice.pick_norm),
                MetricKind::AccBytes => right(metrics::pick_bytes(&choice.sums, &texts)),
                MetricKind::AccMutualInfo => {
                    let sums = choice.sums.iter().zip(&choice.unconditional);
                    let gains: Vec<f64> = sums.map(|(with, without)| with - without).collect();
                    right(metrics::pick(&gains))
                }
                MetricKind::ExactMatch(_) => {
                    let greedy = gold
                        .iter()
                        .any(|&gold| choice.greedy.get(gold) == Some(&true));
                    Item::Number(f64::from(u8::from(greedy)))
                }
                MetricKind::F1 | MetricKind::Mcc => Item::Classes {
                    gold: single(metric)? as i64,
                    predicted: choice.pick.unwrap_or(0) as i64,
                },
                MetricKind::BrierScore => Item::Probabilities {
                    gold: single(metric)?,
                    probabilities: softmax(&choice.sums),
                },
                _ => return Err(self.wrong(format!("no {} for choices", metric.name))),
            })
        };
        self.each(item)
    }

    fn loglikelihood(&self) -> Result<Items, TaskError> {
        let pairs = self.loglikelihoods();
        if let Some(items) = self.own(&Results::Loglikelihoods(&pairs)) {
            return items;
        }
        let (sum, is_greedy) = pairs.first().copied().unwrap_or((f64::NAN, false));
        self.each(|metric| {
            Ok(match metric.kind {
                MetricKind::Perplexity => Item::Number(sum),
                MetricKind::Acc => Item::Number(f64::from(u8::from(is_greedy))),
                _ => return Err(self.wrong(format!("no {} for a continuation", metric.name))),
            })
        })
    }

    fn rolling(&self) -> Result<Items, TaskError> {
        let pairs = self.loglikelihoods();
        if let Some(items) = self.own(&Results::Loglikelihoods(&pairs)) {
            return items;
        }
        let nats = pairs.first().map_or(f64::NAN, |(sum, _)| *sum);
        let text = self.document.printed_target();
        self.each(|metric| {
            let weight = match metric.kind {
                MetricKind::WordPerplexity => words(&text),
                MetricKind::BytePerplexity | MetricKind::BitsPerByte => text.len(),
                _ => return Err(self.wrong(format!("no {} for a whole text", metric.name))),
            };
            Ok(Item::Weighted {
                nats,
                weight: weight as f64,
            })
        })
    }

    fn generation(&self, filtered: Json) -> Result<Items, TaskError> {
        if self.task.config.process_results.is_some() {
            let results = [filtered];
            if let Some(items) = self.own(&Results::Texts(&results)) {
                return items;
            }
            return Ok(Vec::new());
        }
        let prediction = match &filtered {
            Json::String(text) => text.clone(),
            Json::Array(_) => {
                let reason = "the filter leaves a list of answers; end it with take_first";
                return Err(self.wrong(reason.into()));
            }
            other => return Err(self.wrong(format!("the filter leaves {}", kind(other)))),
        };
        let document = self.document;
        let choice = document
            .gold
            .first()
            .and_then(|&gold| document.choices.get(gold));
        let references: Vec<String> = match (choice, &document.target) {
            (Some(choice), _) => vec![choice.clone()],
            (None, Json::Array(items)) => items.iter().map(python::str_of).collect(),
            (None, target) => vec![python::str_of(target)],
        };
        let several = matches!((choice, &document.target), (None, Json::Array(_)));
        self.each(|metric| {
            Ok(match &metric.kind {
                MetricKind::ExactMatch(options) => {
                    let mut right = false;
                    for reference in &references {
                        right |= options
                            .matches(&prediction, reference)
                            .map_err(|error| self.wrong(error.to_string()))?;
                    }
                    Item::Number(f64::from(u8::from(right)))
                }
                MetricKind::Bleu | MetricKind::Chrf | MetricKind::ChrfPlusPlus if !several => {
                    Item::Texts {
                        references: references.clone(),
                        prediction: prediction.clone(),
                    }
                }
                _ => {
                    let reason = format!("no {} for a generation with such targets", metric.name);
                    return Err(self.wrong(reason));
                }
            })
        })
    }

    fn each(&self, item: impl Fn(&Metric) -> Result<Item, TaskError>) -> Result<Items, TaskError> {
        let metrics = self.task.config.metrics.iter();
        metrics
            .map(|metric| Ok((metric.name.clone(), item(metric)?)))
            .collect()
    }
}

/// Probabilities of log-likelihoods among themselves, as `lm_eval.utils.softmax`.
fn softmax(sums: &[f64]) -> Vec<f64> {
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = sums.iter().map(|sum| (sum - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// `len(re.split(r"\s+", text))`: white space at an end parts off an empty word, which counts.
fn words(text: &str) -> usize {
    let mut words = 1;
    let mut space = false;
    for c in text.chars() {
        words += usize::from(python::is_space(c) && !space);
        space = python::is_space(c);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_python_splits_them() {
        // len(re.split(r"\s+", text)) in Python 3.11.
        for (text, count) in [("", 1), ("a", 1), ("a b", 2), (" a\n\tb ", 4), ("  ", 2)] {
            assert_eq!(words(text), count, "{text:?}");
        }
    }
}
