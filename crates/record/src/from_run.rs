//! From a run to what is posted of it.

use jeoul_eval::results::{Answer, DocumentResult, MetricResult};
use jeoul_eval::{RunOptions, Task, TaskRun};

use crate::canonical::sha256;
use crate::envelope::{
    ClaimedMetric, DocumentOutcome, Precision, PrivacyLevel, Settings, TaskRecord,
};
use crate::reduce::reduce_task;

/// What is posted of a task's run; `elapsed_ms` is the time it took.
pub fn task_record(task: &Task, run: &TaskRun, level: PrivacyLevel, elapsed_ms: u64) -> TaskRecord {
    let tokens = run
        .documents
        .iter()
        .map(|document| u64::from(document.tokens_asked));
    let claim = |metric: &MetricResult| ClaimedMetric {
        name: metric.name.clone(),
        filter: metric.filter.clone(),
        value: number(metric.value),
        stderr: metric.stderr.and_then(number),
    };
    let outcome = |result: &DocumentResult| outcome(result, &run.score.metrics);
    let mut record = TaskRecord {
        name: task.name().into(),
        version: run.score.version.clone(),
        hash: task.content_hash(),
        num_fewshot: run.score.num_fewshot,
        level: PrivacyLevel::Outputs,
        document_count: run.score.documents,
        tokens: tokens.sum(),
        elapsed_ms: two_digits(elapsed_ms.max(1)),
        metrics: run.score.metrics.iter().map(claim).collect(),
        documents: run.documents.iter().map(outcome).collect(),
    };
    reduce_task(&mut record, level);
    record
}

/// The settings of a run; `limit` as [`limit`] gives it, `max_length` in tokens.
pub fn settings(options: &RunOptions, limit: Option<u32>, max_length: u32) -> Settings {
    let instruction = options.system_instruction.as_deref();
    Settings {
        apply_chat_template: options.apply_chat_template,
        fewshot_as_multiturn: options.fewshot_as_multiturn,
        fewshot_seed: options.seed,
        gen_kwargs: None,
        limit,
        max_length,
        system_instruction_sha256: instruction
            .filter(|text| !text.is_empty())
            .map(|text| sha256(text.as_bytes())),
    }
}

/// The one limit under which all these tasks were run; `None` inside for all documents, `None` outside if they were run under several,
/// which one envelope cannot say.
pub fn limit(tasks: &[(&Task, &TaskRun)]) -> Option<Option<u32>> {
    let scored = |run: &TaskRun| run.score.documents;
    let cut = |(task, run): &&(&Task, &TaskRun)| (scored(run) as usize) < task.count(None);
    let limit = tasks.iter().filter(cut).map(|(_, run)| scored(run)).max();
    let holds = |(task, run): &(&Task, &TaskRun)| scored(run) as usize == task.count(limit);
    tasks.iter().all(holds).then_some(limit)
}

/// Precision of a checkpoint whose most frequent weights are of this GGUF type: the nearest that a table shows.
pub fn precision(quantization: &str) -> Precision {
    match quantization {
        "F32" => Precision::F32,
        "F16" => Precision::F16,
        "BF16" => Precision::BF16,
        other if other.starts_with("Q8") || other.starts_with("Q6") => Precision::Bits8,
        _ => Precision::Bits4,
    }
}

/// What the model answered about a document; `metrics` are those of the task's score.
pub fn outcome(result: &DocumentResult, metrics: &[MetricResult]) -> DocumentOutcome {
    let mut outcome = DocumentOutcome {
        doc_id: result.doc_id,
        tokens: result.tokens_asked,
        pick: result.pick,
        pick_norm: result.pick_norm,
        ..DocumentOutcome::default()
    };
    for request in &result.requests {
        match &request.answer {
            Answer::Loglikelihood { sum, is_greedy, .. } => {
                outcome.loglikelihoods.push(positive_zero(*sum));
                outcome.is_greedy.push(*is_greedy);
            }
            Answer::Texts { texts } => outcome.texts.extend(texts.iter().cloned()),
        }
    }
    if outcome.loglikelihoods.is_empty() {
        let value = |metric: &MetricResult| own_value(result, &metric.name, &metric.filter);
        outcome.values = metrics.iter().map(value).collect();
    }
    outcome
}

/// The document's own value of a metric, where it has one.
pub(crate) fn own_value(result: &DocumentResult, name: &str, filter: &str) -> Option<f64> {
    let mut metrics = result.metrics.iter();
    let metric = metrics.find(|metric| metric.name == name && metric.filter == filter)?;
    metric.value.and_then(number)
}

/// A number that JSON can hold.
pub(crate) fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(positive_zero(value))
}

/// RFC 8785 writes -0 as 0, so that it is 0 from the start.
fn positive_zero(value: f64) -> f64 {
    value + 0.0
}

/// A count with its two leading digits, rounded half up.
pub(crate) fn two_digits(count: u64) -> u64 {
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    let digits = count / unit + u64::from(count % unit >= unit.div_ceil(2) && unit > 1);
    digits.saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_two_digits() {
        for (count, rounded) in [
            (0, 0),
            (7, 7),
            (99, 99),
            (104, 100),
            (105, 110),
            (994, 990),
            (995, 1000),
            (12_499, 12_000),
            (12_500, 13_000),
        ] {
            assert_eq!(two_digits(count), rounded, "{count}");
            assert_eq!(two_digits(rounded), rounded);
        }
        assert!(two_digits(u64::MAX) >= u64::MAX / 100);
    }

    /// A task of as many documents, and its run over some of them.
    fn run(documents: usize, scored: u32) -> (Task, TaskRun) {
        let source = |name, text| jeoul_eval::task::Source { name, text };
        let text = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: 0\ndoc_to_choice: [a, b]\n";
        let rows = "{\"q\": \"?\"}\n".repeat(documents);
        let task =
            Task::from_files(source("t.yaml", text), source("d.jsonl", &rows), None).unwrap();
        let score = jeoul_eval::results::TaskScore {
            task: "t".into(),
            version: "1".into(),
            num_fewshot: 0,
            documents: scored,
            documents_total: scored,
            metrics: Vec::new(),
        };
        let documents = Vec::new();
        (task, TaskRun { score, documents })
    }

    #[test]
    fn tasks_share_a_limit_or_cannot_go_together() {
        let limit_of = |counts: &[(usize, u32)]| {
            let runs: Vec<_> = counts
                .iter()
                .map(|(all, scored)| run(*all, *scored))
                .collect();
            let pairs: Vec<_> = runs.iter().map(|(task, run)| (task, run)).collect();
            limit(&pairs)
        };
        assert_eq!(limit_of(&[(6, 6), (3, 3)]), Some(None));
        assert_eq!(limit_of(&[(6, 4), (3, 3), (9, 4)]), Some(Some(4)));
        assert_eq!(limit_of(&[(6, 4), (6, 5)]), None);
        // Under a limit of 4 the second would have had 4.
        assert_eq!(limit_of(&[(6, 4), (6, 6)]), None);
    }

    #[test]
    fn an_instruction_leaves_its_hash_alone() {
        let options = RunOptions {
            system_instruction: Some("abc".into()),
            ..RunOptions::default()
        };
        let settings = settings(&options, Some(3), 2048);
        // FIPS 180-2, B.1.
        assert_eq!(
            settings.system_instruction_sha256.as_deref(),
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert_eq!((settings.limit, settings.max_length), (Some(3), 2048));
        let empty = RunOptions {
            system_instruction: Some(String::new()),
            ..RunOptions::default()
        };
        assert_eq!(
            super::settings(&empty, None, 1).system_instruction_sha256,
            None
        );
    }

    #[test]
    fn precisions_are_the_nearest_of_a_table() {
        for (quantization, nearest) in [
            ("F16", Precision::F16),
            ("Q8_0", Precision::Bits8),
            ("Q6_K", Precision::Bits8),
            ("Q4_1", Precision::Bits4),
        ] {
            assert_eq!(precision(quantization), nearest);
        }
    }
}
