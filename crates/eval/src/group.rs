//! Groups of tasks and the scores they have together.
//!
//! As `lm_eval/config/group.py` and `Group.aggregate` (`lm_eval/api/group.py`).

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config::TaskConfig;
use crate::error::TaskError;
use crate::metrics::{aggregate_subtask_metrics, pooled_sample_stderr, unweighted_mean_stderr};
use crate::python;
use crate::results::{GroupCard, TaskScore};
use crate::yaml::Keys;

/// Keys of a group file; others are handed to its tasks.
pub(crate) const GROUP_KEYS: &[&str] = &[
    "group",
    "group_alias",
    "task",
    "tag",
    "aggregate_metric_list",
    "metadata",
];
/// Keys of an entry of `aggregate_metric_list`.
const AGGREGATE_KEYS: &[&str] = &["metric", "filter_list", "aggregation", "weight_by_size"];

/// A group of tasks, with its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name, as `--tasks` takes it.
    pub name: String,
    /// What tables call it.
    pub alias: String,
    /// `metadata.version`, or `N/A`.
    pub version: String,
    /// Its tasks and groups, in order.
    pub children: Vec<String>,
    /// Its tasks, and those of its groups.
    pub tasks: Vec<String>,
    /// Figures whose mean is the group's `Average`: `metadata.average`, with which leaderboards average different metrics.
    pub average: Vec<Figure>,
    pub(crate) aggregates: Vec<Aggregate>,
    title: Option<String>,
    title_ko: Option<String>,
}

/// One figure of a task or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Task or group.
    pub task: String,
    /// Metric.
    pub metric: String,
    /// Filter.
    pub filter: String,
}

/// One entry of `aggregate_metric_list`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    metric: String,
    /// Filters it holds for; all that its tasks have if `None`.
    filters: Option<Vec<String>>,
    weight_by_size: bool,
}

/// The score of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct GroupScore {
    /// Name of the group.
    pub group: String,
    /// Documents of all its tasks.
    pub documents: u32,
    /// Its metrics.
    pub metrics: Vec<GroupMetric>,
    /// Mean of the figures of [`Group::average`], if all are there.
    pub average: Option<f64>,
}

/// A metric of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct GroupMetric {
    /// Metric.
    pub name: String,
    /// Filter.
    pub filter: String,
    /// Mean over the tasks, weighted by their documents if the group says so.
    pub value: f64,
    /// Standard error; `None` if one of the tasks has none.
    pub stderr: Option<f64>,
    /// Documents of the tasks that have the metric.
    pub documents: u32,
}

impl Group {
    /// Reads the keys of a group file; its members are found by the catalog.
    pub(crate) fn parse(keys: &Keys, name: &str) -> Result<Self, TaskError> {
        let mut aggregates = Vec::new();
        for entry in keys.list("aggregate_metric_list")?.unwrap_or_default() {
            entry.only(AGGREGATE_KEYS)?;
            if !matches!(entry.text("aggregation")?.as_deref(), None | Some("mean")) {
                return Err(entry.wrong("aggregation", "mean"));
            }
            let text = |value: &Json| value.as_str().map(String::from);
            let filters = match entry.get("filter_list") {
                None => None,
                Some(Json::Array(names)) => names.iter().map(text).collect(),
                Some(name) => text(name).map(|name| vec![name]),
            };
            if filters.is_none() && entry.get("filter_list").is_some() {
                return Err(entry.wrong("filter_list", "a name or a list of names"));
            }
            aggregates.push(Aggregate {
                metric: entry
                    .text("metric")?
                    .ok_or_else(|| entry.wrong("metric", "the name of a metric"))?,
                filters,
                weight_by_size: entry.truth("weight_by_size")?.unwrap_or(true),
            });
        }
        let metadata = keys.under("metadata")?;
        let mut average = Vec::new();
        if let Some(metadata) = &metadata {
            for entry in metadata.list("average")?.unwrap_or_default() {
                entry.only(&["task", "metric"])?;
                let text = |key| {
                    let value = entry.text(key)?;
                    value.ok_or_else(|| entry.wrong(key, "a name"))
                };
                let metric = text("metric")?;
                let (metric, filter) = metric.split_once(',').unwrap_or((&metric, "none"));
                average.push(Figure {
                    task: text("task")?,
                    metric: metric.into(),
                    filter: filter.into(),
                });
            }
        }
        let text_of = |key: &str| {
            let value = metadata.as_ref().and_then(|metadata| metadata.get(key));
            value.and_then(Json::as_str).map(String::from)
        };
        let version = metadata
            .as_ref()
            .and_then(|metadata| metadata.get("version"));
        Ok(Self {
            alias: keys.text("group_alias")?.unwrap_or_else(|| name.into()),
            version: version.map_or("N/A".into(), python::str_of),
            name: name.into(),
            children: Vec::new(),
            tasks: Vec::new(),
            average,
            aggregates,
            title: text_of("title"),
            title_ko: text_of("title_ko"),
        })
    }

    /// What a person sees of the group before running it; `tasks` and `groups` are those of its selection.
    pub fn card(&self, tasks: &[TaskConfig], groups: &[Self]) -> GroupCard {
        let title = self.title.clone().unwrap_or_else(|| self.alias.clone());
        let shots = |name: &String| {
            let task = tasks.iter().find(|task| task.name() == name);
            task.map_or(0, |task| task.shots(None))
        };
        GroupCard {
            name: self.name.clone(),
            title_ko: self.title_ko.clone().unwrap_or_else(|| title.clone()),
            title,
            num_fewshot: self.tasks.iter().map(shots).collect(),
            tasks: self.tasks.clone(),
            inner: groups
                .iter()
                .any(|group| group.children.contains(&self.name)),
        }
    }

    /// Whether it has metrics of its own.
    pub fn aggregates(&self) -> bool {
        !self.aggregates.is_empty()
    }

    /// The group's score from those of its tasks; `groups` are those computed before, for [`Group::average`].
    pub fn score(&self, tasks: &[&TaskScore], groups: &[(&Group, GroupScore)]) -> GroupScore {
        let own: Vec<&TaskScore> = self
            .tasks
            .iter()
            .filter_map(|name| tasks.iter().find(|task| task.task == *name).copied())
            .collect();
        let mut metrics = Vec::new();
        for aggregate in &self.aggregates {
            let filters = match &aggregate.filters {
                Some(filters) => filters.clone(),
                None => filters_of(&own, &aggregate.metric),
            };
            let one = |filter: String| aggregate.score(&own, filter);
            metrics.extend(filters.into_iter().filter_map(one));
        }
        GroupScore {
            group: self.name.clone(),
            documents: own.iter().map(|task| task.documents).sum(),
            metrics,
            average: self.mean_of_figures(tasks, groups),
        }
    }

    fn mean_of_figures(
        &self,
        tasks: &[&TaskScore],
        groups: &[(&Group, GroupScore)],
    ) -> Option<f64> {
        let value = |figure: &Figure| {
            let of_task = tasks
                .iter()
                .find(|task| task.task == figure.task)
                .and_then(|task| task.metric(&figure.metric, &figure.filter))
                .map(|metric| metric.value);
            let of_group = || {
                let (_, score) = groups.iter().find(|(group, _)| group.name == figure.task)?;
                let mut metrics = score.metrics.iter();
                metrics
                    .find(|metric| metric.name == figure.metric && metric.filter == figure.filter)
                    .map(|metric| metric.value)
            };
            of_task.or_else(of_group)
        };
        let values: Vec<f64> = self.average.iter().map(value).collect::<Option<_>>()?;
        crate::metrics::mean(&values)
    }
}

impl Aggregate {
    fn score(&self, tasks: &[&TaskScore], filter: String) -> Option<GroupMetric> {
        let scores: Vec<_> = tasks
            .iter()
            .filter_map(|task| Some((task.metric(&self.metric, &filter)?, task.documents as usize)))
            .collect();
        let values: Vec<f64> = scores.iter().map(|(metric, _)| metric.value).collect();
        let sizes: Vec<usize> = scores.iter().map(|(_, size)| *size).collect();
        let stderrs: Option<Vec<f64>> = scores.iter().map(|(metric, _)| metric.stderr).collect();
        let stderr = stderrs.and_then(|stderrs| match self.weight_by_size {
            true => pooled_sample_stderr(&stderrs, &sizes),
            false => unweighted_mean_stderr(&stderrs),
        });
        Some(GroupMetric {
            value: aggregate_subtask_metrics(&values, &sizes, self.weight_by_size)?,
            name: self.metric.clone(),
            filter,
            stderr,
            documents: sizes.iter().sum::<usize>() as u32,
        })
    }
}

/// Filters under which some task has the metric, in the order of their names.
fn filters_of(tasks: &[&TaskScore], metric: &str) -> Vec<String> {
    let named = |task: &&TaskScore| {
        let metrics = task.metrics.iter().filter(|known| known.name == metric);
        metrics
            .map(|known| known.filter.clone())
            .collect::<Vec<_>>()
    };
    let mut filters: Vec<String> = tasks.iter().flat_map(named).collect();
    filters.sort();
    filters.dedup();
    filters
}

/// The scores of some groups, each computed after those it may rest on: children before parents.
pub fn group_scores<'a>(groups: &'a [Group], tasks: &[&TaskScore]) -> Vec<(&'a Group, GroupScore)> {
    let mut scores: Vec<(&Group, GroupScore)> = Vec::new();
    let children: Vec<&String> = groups.iter().flat_map(|group| &group.children).collect();
    let roots = groups
        .iter()
        .filter(|group| !children.contains(&&group.name));
    for root in roots {
        visit(root, groups, tasks, &mut scores);
    }
    scores
}

fn visit<'a>(
    group: &'a Group,
    groups: &'a [Group],
    tasks: &[&TaskScore],
    scores: &mut Vec<(&'a Group, GroupScore)>,
) {
    if scores.iter().any(|(known, _)| known.name == group.name) {
        return;
    }
    for child in &group.children {
        if let Some(child) = groups.iter().find(|group| group.name == *child) {
            visit(child, groups, tasks, scores);
        }
    }
    let score = group.score(tasks, scores);
    scores.push((group, score));
}
