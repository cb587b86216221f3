//! A run: one model, one task, document by document.

use thiserror::Error;

use crate::config::Metric;
use crate::error::TaskError;
use crate::metrics;
use crate::model::{LanguageModel, Loglikelihood, ModelFailure, TokenPair};
use crate::results::{ChoiceResult, DocumentResult, MetricResult, TaskScore};
use crate::task::{Prompt, Task};
use crate::tokens::{EncodeError, encode_pair, truncate};

/// Settings of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Examples before each question; the task file's own number if `None`.
    pub num_fewshot: Option<u32>,
    /// Documents to score, from the first; all if `None` or 0.
    pub limit: Option<u32>,
    /// Seed of the few-shot sampler.
    pub seed: u64,
}

impl Default for RunOptions {
    /// The harness's settings: few-shot seed 1234.
    fn default() -> Self {
        Self {
            num_fewshot: None,
            limit: None,
            seed: 1234,
        }
    }
}

/// What a run yielded.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRun {
    /// The task's score.
    pub score: TaskScore,
    /// The documents it rests on, in order.
    pub documents: Vec<DocumentResult>,
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError<E: ModelFailure> {
    /// The task does not fit the settings.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A choice that cannot be scored.
    #[error("task `{task}`, document {doc_id}, choice {choice}: {source}")]
    Choice {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// Choice, from 0.
        choice: usize,
        /// What is wrong with it.
        source: EncodeError<E>,
    },
    /// The model failed.
    #[error("task `{task}`, document {doc_id}: {source}")]
    Model {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// The model's error.
        source: E,
    },
    /// The model's answers are no log-likelihoods of what was asked.
    #[error("task `{task}`, document {doc_id}: the model gave {found}; expected {expected}")]
    Answer {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// What came.
        found: String,
        /// What should have come.
        expected: String,
    },
    /// The person asked to stop; the run holds what was finished.
    #[error("stopped after {} of {} documents", run.score.documents, run.score.documents_total)]
    Cancelled {
        /// What was finished.
        run: Box<TaskRun>,
    },
}

/// Scores the documents of a task one after the other, with one call of the model for all choices of a document.
///
/// `on_document` sees each document as it is finished, with the score so far. Nothing is kept between runs.
pub async fn run_task<M: LanguageModel>(
    model: &mut M,
    task: &Task,
    options: &RunOptions,
    on_document: &mut dyn FnMut(&DocumentResult, &TaskScore),
) -> Result<TaskRun, RunError<M::Error>> {
    let shots = task.shots(options.num_fewshot);
    let total = task.count(options.limit);
    let mut documents: Vec<DocumentResult> = Vec::with_capacity(total);
    for prompt in task.prompts(shots, options.limit, options.seed) {
        let prompt = prompt?;
        let pairs = requests(model, task, &prompt)?;
        let answers = match model.loglikelihood(&pairs).await {
            Ok(answers) => answers,
            Err(error) if error.is_cancelled() => {
                let score = score(task, &documents, shots, total);
                return Err(RunError::Cancelled {
                    run: Box::new(TaskRun { score, documents }),
                });
            }
            Err(source) => {
                return Err(RunError::Model {
                    task: task.name().into(),
                    doc_id: prompt.doc_id,
                    source,
                });
            }
        };
        check(task, &prompt, &pairs, &answers)?;
        documents.push(document(task, prompt, &pairs, answers));
        if let Some(last) = documents.last() {
            on_document(last, &score(task, &documents, shots, total));
        }
    }
    Ok(TaskRun {
        score: score(task, &documents, shots, total),
        documents,
    })
}

/// The requests of one document, one per choice, truncated to what the model can read.
pub(crate) fn requests<M: LanguageModel>(
    model: &M,
    task: &Task,
    prompt: &Prompt<'_>,
) -> Result<Vec<TokenPair>, RunError<M::Error>> {
    let context = prompt.context();
    let pair = |(choice, text): (usize, &String)| {
        let continuation = format!("{}{text}", task.config.target_delimiter);
        encode_pair(model, &context, &continuation)
            .and_then(|pair| truncate(pair, model.max_length()))
            .map_err(|source| RunError::Choice {
                task: task.name().into(),
                doc_id: prompt.doc_id,
                choice,
                source,
            })
    };
    prompt
        .document
        .choices
        .iter()
        .enumerate()
        .map(pair)
        .collect()
}

/// A model that answers with too few numbers, or with NaN, must not become a score: `argmax` would pick the NaN.
fn check<E: ModelFailure>(
    task: &Task,
    prompt: &Prompt<'_>,
    pairs: &[TokenPair],
    answers: &[Loglikelihood],
) -> Result<(), RunError<E>> {
    let wrong = |found, expected| RunError::Answer {
        task: task.name().into(),
        doc_id: prompt.doc_id,
        found,
        expected,
    };
    if answers.len() != pairs.len() {
        return Err(wrong(
            format!("{} answers", answers.len()),
            format!("{}", pairs.len()),
        ));
    }
    for (choice, (pair, answer)) in pairs.iter().zip(answers).enumerate() {
        let (found, expected) = (answer.token_logprobs.len(), pair.continuation.len());
        if found != expected {
            return Err(wrong(
                format!("{found} tokens for choice {choice}"),
                format!("{expected}"),
            ));
        }
        if let Some(value) = answer
            .token_logprobs
            .iter()
            .find(|value| !value.is_finite())
        {
            return Err(wrong(
                format!("{value} for choice {choice}"),
                "finite log-probabilities".into(),
            ));
        }
    }
    Ok(())
}

fn document(
    task: &Task,
    prompt: Prompt<'_>,
    pairs: &[TokenPair],
    answers: Vec<Loglikelihood>,
) -> DocumentResult {
    let document = prompt.document;
    let sums: Vec<f64> = answers.iter().map(Loglikelihood::sum).collect();
    let texts: Vec<&str> = document.choices.iter().map(String::as_str).collect();
    // A task's documents have at least two choices, so both picks exist.
    let pick = metrics::pick(&sums).unwrap_or(0);
    let pick_norm = metrics::pick_norm(&sums, &texts).unwrap_or(0);
    let tokens: usize = pairs
        .iter()
        .map(|pair| pair.context.len() + pair.continuation.len())
        .sum();
    let choices = document.choices.iter().zip(sums).zip(answers);
    DocumentResult {
        doc_id: prompt.doc_id,
        fewshot_context: prompt.fewshot_context,
        prompt: document.text.clone(),
        target_delimiter: task.config.target_delimiter.clone(),
        choices: choices
            .map(|((text, loglikelihood), answer)| ChoiceResult {
                text: text.clone(),
                loglikelihood,
                token_logprobs: answer.token_logprobs,
                is_greedy: answer.is_greedy,
            })
            .collect(),
        gold: document.gold as u32,
        pick: pick as u32,
        pick_norm: pick_norm as u32,
        acc: f64::from(u8::from(pick == document.gold)),
        acc_norm: f64::from(u8::from(pick_norm == document.gold)),
        tokens_asked: tokens as u32,
    }
}

/// The score after `documents`, the first ones of the task; a mean of nothing is 0.
fn score(task: &Task, documents: &[DocumentResult], shots: u32, total: usize) -> TaskScore {
    let chance = task.chance(total);
    let metric = |metric: Metric| {
        let values: Vec<f64> = documents
            .iter()
            .map(|document| metric.of(document))
            .collect();
        MetricResult {
            name: metric.name().into(),
            value: metrics::mean(&values).unwrap_or(0.0),
            stderr: metrics::mean_stderr(&values),
            chance,
        }
    };
    TaskScore {
        task: task.name().into(),
        version: task.version(),
        num_fewshot: shots,
        documents: documents.len() as u32,
        documents_total: total as u32,
        metrics: task.metrics().map(metric).collect(),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
