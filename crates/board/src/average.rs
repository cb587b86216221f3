//! What a table shows as the average of a run.
//!
//! A run of exactly the tasks of a bundled group has the group's own figure, as a result file has it: `metadata.average` where
//! the group names one (the Open LLM Leaderboard's six figures, of which MMLU is one and not 57), else the first metric that
//! all of its tasks have, weighted as the group says. Any other run has the plain mean of its tasks' main metrics.

use std::sync::LazyLock;

use jeoul_eval::bundled;
use jeoul_eval::group::{Group, GroupScore, group_scores};
use jeoul_eval::results::{MetricResult, TaskScore};
use serde_json::Map;

use crate::http::row::RowTask;

/// The groups that are bundled, each with the groups that lie in it, itself the first.
static GROUPS: LazyLock<Vec<Vec<Group>>> = LazyLock::new(|| {
    // The bundled files are tested to be readable; without groups averages are plain means.
    let Ok(catalog) = bundled::catalog() else {
        return Vec::new();
    };
    let select = |name: &str| {
        let selection = catalog.select(&[name.to_owned()], &Map::new()).ok()?;
        let mut groups = selection.groups;
        let own = groups.iter().position(|group| group.name == name)?;
        groups.swap(0, own);
        Some(groups)
    };
    catalog.groups().filter_map(select).collect()
});

/// The average of a run, from 0 to 1; `main` are the main metrics of the tasks that have one. `None` without any.
pub(crate) fn average(tasks: &[RowTask], main: &[(String, f64)]) -> Option<f64> {
    of_group(tasks).or_else(|| {
        let sum: f64 = main.iter().map(|(_, value)| value).sum();
        (!main.is_empty()).then(|| sum / main.len() as f64)
    })
}

fn of_group(tasks: &[RowTask]) -> Option<f64> {
    let scores: Vec<TaskScore> = tasks.iter().map(score).collect();
    let scores: Vec<&TaskScore> = scores.iter().collect();
    let holds_these = |group: &Group| {
        group.tasks.len() == tasks.len()
            && tasks
                .iter()
                .all(|task| group.tasks.contains(&task.checked.name))
    };
    let mut fitting = GROUPS
        .iter()
        .filter(|groups| groups.first().is_some_and(holds_these));
    fitting.find_map(|groups| {
        let own = groups.first()?;
        let of_all = group_scores(groups, &scores);
        let (_, score) = of_all.iter().find(|(group, _)| group.name == own.name)?;
        figure(score).filter(|value| (0.0..=1.0).contains(value))
    })
}

/// What stands for a group.
fn figure(score: &GroupScore) -> Option<f64> {
    let mut metrics = score.metrics.iter();
    score.average.or_else(|| {
        let whole = metrics.find(|metric| metric.documents == score.documents);
        whole.map(|metric| metric.value)
    })
}

/// A posted task as groups take it.
fn score(task: &RowTask) -> TaskScore {
    let metrics = task.checked.metrics.iter().filter_map(|metric| {
        Some(MetricResult {
            name: metric.name.clone(),
            filter: metric.filter.clone(),
            value: metric.value?,
            stderr: metric.stderr,
            higher_is_better: metric.higher_is_better.unwrap_or(true),
            chance: metric.chance,
        })
    });
    TaskScore {
        task: task.checked.name.clone(),
        version: task.version.clone(),
        num_fewshot: task.num_fewshot,
        documents: task.document_count,
        documents_total: task.document_count,
        metrics: metrics.collect(),
    }
}

#[cfg(test)]
mod tests {
    use jeoul_record::TrustLabel;
    use jeoul_record::check::{CheckedMetric, CheckedTask, MetricSource};

    use super::*;

    fn task(name: &str, metric: &str, filter: &str, value: f64, documents: u32) -> RowTask {
        RowTask {
            checked: CheckedTask {
                name: name.to_owned(),
                hash: String::new(),
                label: TrustLabel::SelfReported,
                metrics: vec![CheckedMetric {
                    name: metric.to_owned(),
                    filter: filter.to_owned(),
                    value: Some(value),
                    stderr: None,
                    higher_is_better: Some(true),
                    chance: None,
                    source: MetricSource::Claim,
                }],
            },
            version: "1".to_owned(),
            num_fewshot: 0,
            document_count: documents,
            main: Some(metric.to_owned()),
        }
    }

    fn plain(tasks: &[RowTask]) -> Vec<(String, f64)> {
        let value = |task: &RowTask| task.checked.metrics[0].value.unwrap();
        tasks
            .iter()
            .map(|task| (task.checked.name.clone(), value(task)))
            .collect()
    }

    /// The subjects of MMLU, the first with ten times the documents of each other.
    fn mmlu() -> Vec<RowTask> {
        let selection = bundled::catalog()
            .unwrap()
            .select(&["mmlu".to_owned()], &Map::new())
            .unwrap();
        let mut tasks = Vec::new();
        for config in &selection.tasks {
            let (value, documents) = if tasks.is_empty() {
                (1.0, 1000)
            } else {
                (0.25, 100)
            };
            tasks.push(task(config.name(), "acc", "none", value, documents));
        }
        tasks
    }

    #[test]
    fn a_group_s_tasks_are_weighted_as_the_group_says() {
        let tasks = mmlu();
        assert_eq!(tasks.len(), 57);
        // 1000 documents right, and a quarter of 5,600.
        let expected = (1000.0 + 0.25 * 5600.0) / 6600.0;
        let found = average(&tasks, &plain(&tasks)).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}");
        // Without one of its tasks it is no run of the group.
        let part = &tasks[1..];
        assert_eq!(average(part, &plain(part)), Some(0.25));
    }

    #[test]
    fn the_leaderboard_s_average_is_over_six_figures() {
        let mut tasks = mmlu();
        let of_mmlu = average(&tasks, &[]).unwrap();
        tasks.extend([
            task("arc_challenge", "acc_norm", "none", 0.5, 10),
            task("hellaswag", "acc_norm", "none", 0.6, 10),
            task("truthfulqa_mc2", "acc", "none", 0.4, 10),
            task("winogrande", "acc", "none", 0.7, 10),
            task("gsm8k", "exact_match", "strict-match", 0.1, 10),
        ]);
        let expected = (of_mmlu + 0.5 + 0.6 + 0.4 + 0.7 + 0.1) / 6.0;
        let found = average(&tasks, &plain(&tasks)).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}");
    }
}
