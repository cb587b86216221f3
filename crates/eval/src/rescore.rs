//! From answers to metrics, without a model: what a run does with answers, for those that somebody else got.
//!
//! [`crate::run`] scores with these functions, and so does whoever checks a run.

use crate::error::TaskError;
use crate::metric::Metric;
use crate::metrics::{Aggregation, Item};
use crate::results::{Answer, DocumentResult, MetricResult, RequestResult, TaskScore};
use crate::scoring;
use crate::task::{Document, Task};

/// How much is computed beside the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What is worth computing after each document: standard errors of means; no metrics of whole corpora.
    Running,
    /// Standard errors that have a formula.
    Formulas,
    /// Also those found by so many resamples; with 0 there are no standard errors at all, as in the harness.
    Bootstrap(u32),
}

/// A document's result from the answers to its requests, in the order in which they are asked; prompts stay empty.
///
/// As many answers as [`crate::request::request_count`] says are for the caller to see to.
pub fn rescore(
    task: &Task,
    doc_id: u32,
    answers: Vec<Answer>,
) -> Result<DocumentResult, TaskError> {
    let document = task
        .documents()
        .get(doc_id as usize)
        .ok_or_else(|| TaskError::Results {
            task: task.name().into(),
            filter: "none".into(),
            reason: format!("there is no document {doc_id}"),
        })?;
    let request = |answer| RequestResult {
        context: None,
        continuation: None,
        answer,
    };
    let requests = answers.into_iter().map(request).collect();
    document_result(task, document, doc_id, requests)
}

/// A document's result but for its prompt and its tokens.
pub(crate) fn document_result(
    task: &Task,
    document: &Document,
    doc_id: u32,
    requests: Vec<RequestResult>,
) -> Result<DocumentResult, TaskError> {
    let scored = scoring::score(task, document, &requests)?;
    let place = |pick: Option<usize>| pick.map(|pick| pick as u32);
    Ok(DocumentResult {
        doc_id,
        fewshot_context: String::new(),
        prompt: String::new(),
        requests,
        choices: document.choices.clone(),
        gold: document.gold.iter().map(|&gold| gold as u32).collect(),
        pick: place(scored.pick),
        pick_norm: place(scored.pick_norm),
        target: document.printed_target(),
        filtered: scored.filtered,
        metrics: scored.metrics,
        tokens_asked: 0,
    })
}

/// The score of some documents of a task; `total` is how many the run scores, `num_fewshot` the examples before each.
pub fn task_score(
    task: &Task,
    num_fewshot: u32,
    total: usize,
    documents: &[DocumentResult],
    effort: Effort,
) -> Result<TaskScore, TaskError> {
    let mut metrics = Vec::new();
    for filter in &task.config.filters {
        for (name, known) in names(task, documents, &filter.name) {
            let aggregation = known.map_or(Aggregation::Mean, |metric| metric.aggregation);
            if effort == Effort::Running && aggregation.reads_all_texts() {
                continue;
            }
            let items = items(documents, &name, &filter.name);
            let value = match items.is_empty() {
                true => 0.0,
                false => aggregation
                    .value(&items)
                    .map_err(|error| TaskError::Results {
                        task: task.name().into(),
                        filter: filter.name.clone(),
                        reason: format!("{name}: {error}"),
                    })?,
            };
            let stderr = match effort {
                Effort::Bootstrap(iterations) => aggregation.stderr(&items, iterations),
                _ if aggregation == Aggregation::Mean => aggregation.stderr(&items, 1),
                _ => None,
            };
            metrics.push(MetricResult {
                chance: chance(&name, task, total),
                filter: filter.name.clone(),
                higher_is_better: known.is_none_or(|metric| metric.higher_is_better),
                name,
                value,
                stderr,
            });
        }
    }
    Ok(TaskScore {
        task: task.name().into(),
        version: task.version(),
        num_fewshot,
        documents: documents.len() as u32,
        documents_total: total as u32,
        metrics,
    })
}

/// Names and filters of the metrics that the task file lists, in the order of the results.
pub fn metric_names(task: &Task) -> impl Iterator<Item = (&str, &str)> {
    let filters = task.config.filters.iter();
    filters.flat_map(|filter| {
        let metrics = task.config.metrics.iter();
        metrics.map(|metric| (metric.name.as_str(), filter.name.as_str()))
    })
}

/// Whether more is better of a metric that the task file lists.
pub fn higher_is_better(task: &Task, name: &str) -> Option<bool> {
    let mut metrics = task.config.metrics.iter();
    let metric = metrics.find(|metric| metric.name == name)?;
    Some(metric.higher_is_better)
}

/// Metrics under a filter: those of the task file, or what its own `process_results` gives.
fn names<'a>(
    task: &'a Task,
    documents: &[DocumentResult],
    filter: &str,
) -> Vec<(String, Option<&'a Metric>)> {
    let metrics = &task.config.metrics;
    let listed = |metric: &'_ Metric| metric.name.clone();
    match (task.config.process_results, documents.first()) {
        (Some(_), Some(first)) => {
            let under = first
                .metrics
                .iter()
                .filter(|metric| metric.filter == filter);
            let known = |name: &str| metrics.iter().find(|metric| metric.name == name);
            under
                .map(|metric| (metric.name.clone(), known(&metric.name)))
                .collect()
        }
        _ => metrics
            .iter()
            .map(|metric| (listed(metric), Some(metric)))
            .collect(),
    }
}

fn items(documents: &[DocumentResult], name: &str, filter: &str) -> Vec<Item> {
    documents
        .iter()
        .flat_map(|document| &document.metrics)
        .filter(|metric| metric.name == name && metric.filter == filter)
        .map(|metric| metric.item.clone())
        .collect()
}

/// What guessing gives: only the share of right picks has such a figure.
fn chance(name: &str, task: &Task, documents: usize) -> Option<f64> {
    let picks = ["acc", "acc_norm", "acc_bytes", "acc_mutual_info"].contains(&name);
    let picks = picks && task.config.process_results.is_none();
    picks.then(|| task.chance(documents)).flatten()
}
