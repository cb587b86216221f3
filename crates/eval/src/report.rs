//! Result files with the fields of lm-evaluation-harness, so that its own tooling opens them.
//!
//! As `lm_eval/evaluator.py`, `evaluator_utils.py` and `loggers/evaluation_tracker.py`. Pure functions: date, names and
//! times are passed in.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::config::{OutputType, Sampler, TaskConfig};
use crate::group::{Group, GroupScore, group_scores};
use crate::metrics::Item;
use crate::python;
use crate::results::{Answer, DocumentMetric, DocumentResult};
use crate::run::{RunOptions, TaskRun};
use crate::task::Task;

/// Tasks that were run, with the groups they were selected by.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    /// Tasks and what they yielded, in the order in which they were run.
    pub tasks: &'a [(&'a Task, &'a TaskRun)],
    /// Groups, parents before children.
    pub groups: &'a [Group],
}

impl<'a> Runs<'a> {
    /// Scores of the groups, children before parents.
    pub(crate) fn group_scores(&self) -> Vec<(&'a Group, GroupScore)> {
        let scores: Vec<_> = self.tasks.iter().map(|(_, run)| &run.score).collect();
        group_scores(self.groups, &scores)
    }

    /// Whether more is better, by task or group and metric; null where a group's children disagree.
    ///
    /// As in the harness, groups are filled in one pass, parents first: one that holds only groups learns nothing from them.
    pub(crate) fn higher_is_better(&self) -> BTreeMap<&'a str, Map<String, Json>> {
        let of_task = |(task, _): &(&'a Task, _)| {
            let metrics = task.config.metrics.iter();
            let directions =
                metrics.map(|metric| (metric.name.clone(), metric.higher_is_better.into()));
            (task.name(), directions.collect())
        };
        let mut all: BTreeMap<&str, Map<String, Json>> = self.tasks.iter().map(of_task).collect();
        for group in self.groups {
            let mut directions = Map::new();
            let children = group
                .children
                .iter()
                .filter_map(|child| all.get(child.as_str()));
            for (metric, higher) in children.flatten() {
                match directions.get(metric) {
                    Some(known) if known != higher => {
                        _ = directions.insert(metric.clone(), Json::Null)
                    }
                    _ => _ = directions.insert(metric.clone(), higher.clone()),
                }
            }
            if !directions.is_empty() {
                all.insert(&group.name, directions);
            }
        }
        all
    }

    /// Shots of tasks, and of groups whose children all have as many; groups are filled as in [`Self::higher_is_better`].
    pub(crate) fn shots(&self) -> BTreeMap<&'a str, u32> {
        let of_task = |(task, run): &(&'a Task, &TaskRun)| (task.name(), run.score.num_fewshot);
        let mut all: BTreeMap<&str, u32> = self.tasks.iter().map(of_task).collect();
        for group in self.groups {
            let mut children = group
                .children
                .iter()
                .filter_map(|child| all.get(child.as_str()).copied());
            if let Some(first) = children.next()
                && children.all(|other| other == first)
            {
                all.insert(&group.name, first);
            }
        }
        all
    }
}

/// What a result file says beyond the scores.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// Where the model comes from, such as a path; also names the folder of the results.
    pub model_name: String,
    /// Settings of the model, as `key=value,key=value`.
    pub model_args: String,
    /// Number of weights.
    pub parameters: u64,
    /// Type of most weights.
    pub dtype: String,
    /// Lane that computed.
    pub device: String,
    /// Longest sequence the model reads, in tokens.
    pub max_length: u32,
    /// Settings of the run.
    pub options: RunOptions,
    /// The checkpoint's own chat template, where prompts were conversations.
    pub chat_template: Option<String>,
    /// `--gen_kwargs`.
    pub gen_kwargs: Map<String, Json>,
    /// Seconds since 1970 at which the run began.
    pub started_s: f64,
    /// Seconds the run took.
    pub elapsed_s: f64,
    /// Version of Jeoul.
    pub version: String,
}

/// `results_*.json`: one JSON object, indented.
pub fn results(info: &RunInfo, runs: Runs<'_>) -> String {
    python::json_indented(&Json::Object(results_map(info, runs)))
}

fn results_map(info: &RunInfo, runs: Runs<'_>) -> Map<String, Json> {
    let groups = runs.group_scores();
    let mut sorted = runs.tasks.to_vec();
    sorted.sort_by_key(|(task, _)| task.name());
    let by_task = |tasks: &[(&Task, &TaskRun)], value: &dyn Fn(&Task, &TaskRun) -> Json| {
        let entries = tasks.iter();
        entries
            .map(|(task, run)| (task.name().to_string(), value(task, run)))
            .collect::<Map<String, Json>>()
    };
    // Tasks and groups together, in the order of their names.
    let by_name = |value: &dyn Fn(&str) -> Option<Json>| {
        let mut names: Vec<&str> = runs.tasks.iter().map(|(task, _)| task.name()).collect();
        names.extend(runs.groups.iter().map(|group| group.name.as_str()));
        names.sort_unstable();
        let entries = names.into_iter();
        entries
            .filter_map(|name| Some((name.to_string(), value(name)?)))
            .collect::<Map<String, Json>>()
    };
    let mut results = Map::new();
    let mut put = |key: &str, value: Json| _ = results.insert(key.into(), value);
    let mut figures = by_task(runs.tasks, &task_metrics);
    for (group, score) in &groups {
        figures.insert(group.name.clone(), group_metrics(group, score));
    }
    put("results", figures.into());
    let aggregated: Map<String, Json> = groups
        .iter()
        .filter(|(group, _)| group.aggregates())
        .map(|(group, score)| (group.name.clone(), group_metrics(group, score)))
        .collect();
    if !aggregated.is_empty() {
        put("groups", aggregated.into());
    }
    let children = |group: &Group| (group.name.clone(), Json::from(group.children.clone()));
    put(
        "group_subtasks",
        Json::Object(runs.groups.iter().map(children).collect()),
    );
    put("configs", by_task(&sorted, &config).into());
    let version = |name: &str| {
        let task = runs.tasks.iter().find(|(task, _)| task.name() == name);
        let group = runs.groups.iter().find(|group| group.name == name);
        task.map(|(task, _)| task.config.version())
            .or_else(|| group.map(|group| group.version.clone().into()))
    };
    put("versions", by_name(&version).into());
    put("n-shot", json!(runs.shots()));
    put("higher_is_better", json!(runs.higher_is_better()));
    put(
        "n-samples",
        by_task(
            runs.tasks,
            &|task, run| json!({"original": task.documents().len(), "effective": run.documents.len()}),
        )
        .into(),
    );
    let options = &info.options;
    put(
        "config",
        json!({
            "model": "jeoul",
            "model_args": info.model_args,
            "model_num_parameters": info.parameters,
            "model_dtype": info.dtype,
            "batch_size": 1,
            "batch_sizes": [],
            "device": info.device,
            "use_cache": null,
            "limit": options.limit,
            "bootstrap_iters": options.bootstrap_iters,
            "gen_kwargs": match info.gen_kwargs.is_empty() {
                true => Json::Null,
                false => Json::Object(info.gen_kwargs.clone()),
            },
            "fewshot_seed": options.seed,
        }),
    );
    put("date", info.started_s.into());
    put("jeoul_version", info.version.as_str().into());
    put("max_length", info.max_length.into());
    put(
        "datasets",
        by_task(runs.tasks, &|task, _| task.origin.json()).into(),
    );
    put(
        "task_hashes",
        by_task(runs.tasks, &|task, run| task_hash(task, run).into()).into(),
    );
    put("model_source", "jeoul".into());
    put("model_name", info.model_name.as_str().into());
    put(
        "model_name_sanitized",
        sanitize_model_name(&info.model_name).into(),
    );
    let hash = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(sha256);
    put(
        "system_instruction",
        options.system_instruction.clone().into(),
    );
    put(
        "system_instruction_sha",
        hash(&options.system_instruction).into(),
    );
    put("fewshot_as_multiturn", options.fewshot_as_multiturn.into());
    put("chat_template", info.chat_template.clone().into());
    put("chat_template_sha", hash(&info.chat_template).into());
    put(
        "total_evaluation_time_seconds",
        python::float(info.elapsed_s).into(),
    );
    results
}

/// `samples_*.jsonl`: one line per filter and document.
pub fn samples(task: &Task, run: &TaskRun) -> String {
    let mut lines = String::new();
    for filter in &task.config.filters {
        for result in &run.documents {
            lines += &python::json(&sample(task, result, &filter.name));
            lines.push('\n');
        }
    }
    lines
}

/// The name of a model as the name of a folder: what a file system might refuse becomes `__`.
pub fn sanitize_model_name(name: &str) -> String {
    let refused = |c: char| "\"<>:/|\\?*[]".contains(c);
    let mut sanitized = String::new();
    for (index, part) in name.split(refused).enumerate() {
        // A run of refused characters is replaced once.
        if index > 0 && !sanitized.ends_with("\0") {
            sanitized.push('\0');
        }
        sanitized.push_str(part);
    }
    sanitized.replace('\0', "__")
}

fn task_metrics(task: &Task, run: &TaskRun) -> Json {
    let alias = task.config.file.get("task_alias").cloned();
    let mut map = Map::new();
    map.insert("name".into(), task.name().into());
    map.insert("alias".into(), alias.unwrap_or_else(|| task.name().into()));
    map.insert("sample_len".into(), run.documents.len().into());
    for metric in &run.score.metrics {
        put_metric(
            &mut map,
            &metric.name,
            &metric.filter,
            metric.value,
            metric.stderr,
        );
    }
    Json::Object(map)
}

fn group_metrics(group: &Group, score: &GroupScore) -> Json {
    let mut map = Map::new();
    map.insert("alias".into(), group.alias.as_str().into());
    map.insert("name".into(), group.name.as_str().into());
    if group.aggregates() {
        map.insert("sample_len".into(), score.documents.into());
    }
    for metric in &score.metrics {
        put_metric(
            &mut map,
            &metric.name,
            &metric.filter,
            metric.value,
            metric.stderr,
        );
    }
    if let Some(average) = score.average {
        map.insert("average,none".into(), average.into());
    }
    let counts = score.metrics.iter();
    let counts: Map<String, Json> = counts
        .map(|metric| {
            let key = format!("{},{}", metric.name, metric.filter);
            (key, metric.documents.into())
        })
        .collect();
    if !counts.is_empty() {
        map.insert("sample_count".into(), counts.into());
    }
    Json::Object(map)
}

fn put_metric(
    map: &mut Map<String, Json>,
    name: &str,
    filter: &str,
    value: f64,
    stderr: Option<f64>,
) {
    map.insert(format!("{name},{filter}"), value.into());
    map.insert(
        format!("{name}_stderr,{filter}"),
        stderr.map_or("N/A".into(), Json::from),
    );
}

/// The task file with the harness's defaults filled in, in the order of its `TaskConfig`.
fn config(task: &Task, run: &TaskRun) -> Json {
    let config = &task.config;
    let file = |key: &str| config.file.get(key).cloned().unwrap_or(Json::Null);
    let mut map = Map::new();
    for key in [
        "task",
        "task_alias",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "training_split",
        "validation_split",
        "test_split",
        "fewshot_split",
        "process_docs",
        "doc_to_text",
        "doc_to_target",
        "unsafe_code",
        "doc_to_choice",
        "process_results",
        "description",
        "target_delimiter",
        "fewshot_delimiter",
        "fewshot_config",
        "num_fewshot",
        "metric_list",
        "output_type",
        "generation_kwargs",
        "repeats",
        "filter_list",
        "should_decontaminate",
        "doc_to_decontamination_query",
        "gen_prefix",
        "metadata",
    ] {
        let value = match key {
            "unsafe_code" => false.into(),
            "description" => config.description.as_str().into(),
            "target_delimiter" => config.form.target_delimiter.as_str().into(),
            "fewshot_delimiter" => config.form.fewshot_delimiter.as_str().into(),
            "fewshot_config" => fewshot_config(config),
            "num_fewshot" => run.score.num_fewshot.into(),
            "generation_kwargs" => match &config.generation {
                Some(settings) => settings.json.clone().into(),
                None => Json::Null,
            },
            "output_type" if file(key).is_null() => "generate_until".into(),
            "repeats" => config.repeats.into(),
            "should_decontaminate" if file(key).is_null() => false.into(),
            _ => file(key),
        };
        if !value.is_null() {
            map.insert(key.into(), value);
        }
    }
    Json::Object(map)
}

fn fewshot_config(config: &TaskConfig) -> Json {
    let own = config.file.get("fewshot_config");
    let file = |key: &str| {
        let own = own.and_then(|own| own.get(key));
        own.or_else(|| config.file.get(key))
            .cloned()
            .unwrap_or(Json::Null)
    };
    json!({
        "sampler": match config.sampler {
            Sampler::Default => "default",
            Sampler::FirstN => "first_n",
        },
        "split": config.fewshot_split,
        "process_docs": file("process_docs"),
        "fewshot_indices": null,
        "samples": own.and_then(|own| own.get("samples")).cloned(),
        "doc_to_text": file("doc_to_text"),
        "doc_to_choice": file("doc_to_choice"),
        "doc_to_target": file("doc_to_target"),
        "gen_prefix": file("gen_prefix"),
        "fewshot_delimiter": config.fewshot_form.fewshot_delimiter,
        "target_delimiter": config.fewshot_form.target_delimiter,
    })
}

/// What was asked about a document: the first two arguments of the harness's requests.
fn arguments(task: &Task, result: &DocumentResult) -> Vec<(Json, Option<Json>)> {
    let whole = format!("{}{}", result.fewshot_context, result.prompt);
    let settings = task
        .config
        .generation
        .as_ref()
        .map(|settings| settings.json.clone());
    result
        .requests
        .iter()
        .map(|request| {
            let context = Json::from(request.context.clone().unwrap_or_else(|| whole.clone()));
            match (&request.continuation, task.config.output_type) {
                (Some(text), OutputType::LoglikelihoodRolling) => (text.as_str().into(), None),
                (Some(text), _) => (context, Some(text.as_str().into())),
                (None, _) => (context, settings.clone().map(Json::Object)),
            }
        })
        .collect()
}

fn sample(task: &Task, result: &DocumentResult, filter: &str) -> Json {
    let document = &task.documents()[result.doc_id as usize];
    let mut names = Map::new();
    for (index, (first, second)) in arguments(task, result).into_iter().enumerate() {
        let mut one = Map::from_iter([("arg_0".to_string(), first)]);
        if let Some(second) = second {
            one.insert("arg_1".into(), second);
        }
        names.insert(format!("gen_args_{index}"), one.into());
    }
    let mut resps = Vec::new();
    let mut filtered = Vec::new();
    for request in &result.requests {
        // The harness turns numbers and truths into text here.
        match &request.answer {
            Answer::Loglikelihood { sum, .. }
                if task.config.output_type == OutputType::LoglikelihoodRolling =>
            {
                resps.push(json!([python::float(*sum)]));
                filtered.push(python::float(*sum).into());
            }
            Answer::Loglikelihood { sum, is_greedy, .. } => {
                let answer = json!([python::float(*sum), python::str_of(&(*is_greedy).into())]);
                resps.push(json!([answer]));
                filtered.push(answer);
            }
            Answer::Texts { texts } => {
                resps.push(texts.clone().into());
                let after = result.filtered.iter().find(|known| known.filter == filter);
                filtered.extend(after.map(|known| match known.answer.as_slice() {
                    [one] => one.as_str().into(),
                    several => Json::from(several.to_vec()),
                }));
            }
        }
    }
    let metrics: Vec<&DocumentMetric> = result
        .metrics
        .iter()
        .filter(|metric| metric.filter == filter)
        .collect();
    let mut map = Map::new();
    let mut put = |key: &str, value: Json| _ = map.insert(key.into(), value);
    put("doc_id", result.doc_id.into());
    put("doc", Json::Object(document.fields.clone()));
    put("target", document.printed_target().into());
    put("arguments", Json::Object(names));
    put("resps", resps.into());
    put("filtered_resps", filtered.into());
    put("filter", filter.into());
    let listed: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    put("metrics", listed.into());
    let hashes = hashes(task, result);
    for (key, hash) in ["doc_hash", "prompt_hash", "target_hash"]
        .into_iter()
        .zip(hashes)
    {
        put(key, hash.into());
    }
    for metric in metrics {
        put(&metric.name, item(task, metric));
    }
    Json::Object(map)
}

/// What a document contributes to a metric, as the harness logs it.
fn item(task: &Task, metric: &DocumentMetric) -> Json {
    let whole = match task.config.output_type {
        OutputType::Loglikelihood => metric.name == "acc",
        OutputType::MultipleChoice => metric.name == "exact_match",
        _ => false,
    };
    match &metric.item {
        // A truth counts as a whole number here.
        Item::Number(value) if whole => (*value as i64).into(),
        Item::Number(value) => (*value).into(),
        Item::Classes { gold, predicted } => json!([gold, predicted]),
        Item::Weighted { nats, weight } => json!([nats, *weight as u64]),
        Item::Probabilities {
            gold,
            probabilities,
        } => json!([gold, probabilities]),
        Item::Texts {
            references,
            prediction,
        } => json!([references.first(), prediction]),
        Item::Numbers { gold, predicted } => json!([gold, predicted]),
    }
}

/// Hashes of document, prompt and target.
fn hashes(task: &Task, result: &DocumentResult) -> [String; 3] {
    let document = &task.documents()[result.doc_id as usize];
    let arguments = arguments(task, result);
    let prompt = arguments.first().and_then(|(first, _)| first.as_str());
    [
        sha256(&python::json_indented(&Json::Object(
            document.fields.clone(),
        ))),
        sha256(prompt.unwrap_or_default()),
        sha256(&document.printed_target()),
    ]
}

/// Hash over the hashes of a task's documents, filter by filter.
fn task_hash(task: &Task, run: &TaskRun) -> String {
    let once: String = run
        .documents
        .iter()
        .map(|result| hashes(task, result).concat())
        .collect();
    sha256(&once.repeat(task.config.filters.len()))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
