//! What the author claims beside what follows from the documents.

use jeoul_eval::Task;
use jeoul_eval::rescore::{Effort, higher_is_better, metric_names, task_score};
use jeoul_eval::results::{DocumentResult, MetricResult};

use super::documents::close;
use super::{CheckedMetric, CheckedTask, Context, MetricSource, lowest};
use crate::envelope::{ClaimedMetric, TaskRecord, TrustLabel};
use crate::from_run::number;
use crate::refusal::{Pointer, Refusal, RefusalCode};

/// The metrics of a task as a board shows them; `results` are its documents, scored.
pub(super) fn check(
    record: &TaskRecord,
    task: Option<&Task>,
    results: &[DocumentResult],
    context: &Context<'_>,
    at: &Pointer,
) -> Result<CheckedTask, Refusal> {
    let at = at.field("metrics");
    let metrics = match task {
        None => claims(record, None, &at)?,
        Some(task) if results.is_empty() => {
            expect(record, metric_names(task), &at)?;
            claims(record, Some(task), &at)?
        }
        Some(task) => recompute(record, task, results, context, &at)?,
    };
    let label = |metric: &CheckedMetric| match metric.source {
        MetricSource::Claim => TrustLabel::SelfReported,
        MetricSource::Answers | MetricSource::Values => TrustLabel::Consistent,
    };
    Ok(CheckedTask {
        name: record.name.clone(),
        hash: record.hash.clone(),
        label: lowest(metrics.iter().map(label)),
        metrics,
    })
}

/// Whether these metrics are claimed and no others.
fn expect<'a>(
    record: &TaskRecord,
    expected: impl Iterator<Item = (&'a str, &'a str)>,
    at: &Pointer,
) -> Result<(), Refusal> {
    let expected: Vec<(&str, &str)> = expected.collect();
    for (index, claim) in record.metrics.iter().enumerate() {
        if !expected.contains(&(&claim.name, &claim.filter)) {
            let detail = "the task has no such metric under this filter";
            return Err(at.item(index).refuse(RefusalCode::UnknownMetric, detail));
        }
    }
    for (name, filter) in expected {
        if claim(record, name, filter).is_none() {
            let detail = format!("{name} of the filter {filter} is missing");
            return Err(at.refuse(RefusalCode::MissingMetric, detail));
        }
    }
    Ok(())
}

fn claim<'a>(
    record: &'a TaskRecord,
    name: &str,
    filter: &str,
) -> Option<(usize, &'a ClaimedMetric)> {
    let mut claims = record.metrics.iter().enumerate();
    claims.find(|(_, claim)| claim.name == name && claim.filter == filter)
}

/// The author's word, as far as it is possible at all.
fn claims(
    record: &TaskRecord,
    task: Option<&Task>,
    at: &Pointer,
) -> Result<Vec<CheckedMetric>, Refusal> {
    let mut metrics = Vec::with_capacity(record.metrics.len());
    for (index, claim) in record.metrics.iter().enumerate() {
        let share = claim.name == "exact_match" || claim.name.starts_with("acc");
        if share
            && claim
                .value
                .is_some_and(|value| !(0.0..=1.0).contains(&value))
        {
            let at = at.item(index).field("value");
            return Err(at.refuse(RefusalCode::ImpossibleValue, "expected 0 to 1"));
        }
        metrics.push(CheckedMetric {
            name: claim.name.clone(),
            filter: claim.filter.clone(),
            value: claim.value,
            stderr: claim.stderr,
            higher_is_better: task.and_then(|task| higher_is_better(task, &claim.name)),
            chance: None,
            source: MetricSource::Claim,
        });
    }
    Ok(metrics)
}

/// The metrics as they follow from the documents.
fn recompute(
    record: &TaskRecord,
    task: &Task,
    results: &[DocumentResult],
    context: &Context<'_>,
    at: &Pointer,
) -> Result<Vec<CheckedMetric>, Refusal> {
    let effort = match context.bootstrap_iters {
        0 => Effort::Formulas,
        iterations => Effort::Bootstrap(iterations),
    };
    let score = task_score(task, record.num_fewshot, results.len(), results, effort)
        .map_err(|_| at.refuse(RefusalCode::Unscorable, "the documents make no such figure"))?;
    // Of values the task file says which metrics there are: they name none by themselves.
    let from_answers = results.iter().all(|result| !result.requests.is_empty());
    let named = |metric: &'_ MetricResult| (metric.name.clone(), metric.filter.clone());
    let names: Vec<(String, String)> = match from_answers {
        true => score.metrics.iter().map(named).collect(),
        false => metric_names(task)
            .map(|(name, filter)| (name.into(), filter.into()))
            .collect(),
    };
    expect(
        record,
        names
            .iter()
            .map(|(name, filter)| (name.as_str(), filter.as_str())),
        at,
    )?;
    let mut metrics = Vec::with_capacity(names.len());
    for (name, filter) in &names {
        let Some((index, claim)) = claim(record, name, filter) else {
            continue;
        };
        let known = score.metric(name, filter);
        let has_values = record
            .documents
            .iter()
            .all(|document| matches!(document.values.get(index), Some(Some(_))));
        let source = match (known, from_answers, has_values) {
            (Some(_), true, _) => MetricSource::Answers,
            (Some(_), false, true) => MetricSource::Values,
            (_, _, _) => MetricSource::Claim,
        };
        let mut metric = CheckedMetric {
            name: name.clone(),
            filter: filter.clone(),
            value: claim.value,
            stderr: claim.stderr,
            higher_is_better: known.map_or_else(
                || higher_is_better(task, name),
                |known| Some(known.higher_is_better),
            ),
            chance: known.and_then(|known| known.chance),
            source,
        };
        if let Some(known) = known.filter(|_| source != MetricSource::Claim) {
            compare(claim, known, results.len(), effort, &at.item(index))?;
            metric.value = number(known.value);
            metric.stderr = known.stderr.and_then(number);
        }
        metrics.push(metric);
    }
    Ok(metrics)
}

/// Whether a claim is what was recomputed.
fn compare(
    claim: &ClaimedMetric,
    known: &MetricResult,
    documents: usize,
    effort: Effort,
    at: &Pointer,
) -> Result<(), Refusal> {
    let value = number(known.value);
    let shown = |value: Option<f64>| value.map_or("none".into(), |value| value.to_string());
    if !close(claim.value, value) {
        let (found, right) = (shown(claim.value), shown(value));
        let detail = format!("{found}; the documents give {right}");
        return Err(at
            .field("value")
            .refuse(RefusalCode::AggregateDiffers, detail));
    }
    let stderr = known.stderr.and_then(number);
    // One that needs resamples was not computed with `Formulas`, and a run may leave them all out.
    let unknown = stderr.is_none() && documents > 1 && effort == Effort::Formulas;
    if claim.stderr.is_none() || unknown || close(claim.stderr, stderr) {
        return Ok(());
    }
    let (found, right) = (shown(claim.stderr), shown(stderr));
    let detail = format!("{found}; the documents give {right}");
    Err(at
        .field("stderr")
        .refuse(RefusalCode::StderrDiffers, detail))
}
