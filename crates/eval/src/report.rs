//! Result files with the fields of lm-evaluation-harness, so that its own tooling opens them.
//!
//! As `lm_eval/evaluator.py`, `evaluator_utils.py` and `loggers/evaluation_tracker.py`. Pure functions: date, names and
//! times are passed in.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::python;
use crate::results::DocumentResult;
use crate::run::TaskRun;
use crate::task::Task;

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
    /// `--limit`.
    pub limit: Option<u32>,
    /// Few-shot seed.
    pub seed: u64,
    /// Seconds since 1970 at which the run began.
    pub started_s: f64,
    /// Seconds the run took.
    pub elapsed_s: f64,
    /// Version of Jeoul.
    pub version: String,
}

/// `results_*.json`: one JSON object, indented.
pub fn results(info: &RunInfo, runs: &[(&Task, &TaskRun)]) -> String {
    python::json_indented(&Json::Object(results_map(info, runs)))
}

fn results_map(info: &RunInfo, runs: &[(&Task, &TaskRun)]) -> Map<String, Json> {
    let mut sorted = runs.to_vec();
    sorted.sort_by_key(|(task, _)| task.name());
    let by_task = |runs: &[(&Task, &TaskRun)], value: &dyn Fn(&Task, &TaskRun) -> Json| -> Json {
        Json::Object(
            runs.iter()
                .map(|(task, run)| (task.name().into(), value(task, run)))
                .collect(),
        )
    };
    let mut results = Map::new();
    let mut put = |key: &str, value: Json| _ = results.insert(key.into(), value);
    put("results", by_task(runs, &task_metrics));
    put("group_subtasks", json!({}));
    put(
        "configs",
        by_task(&sorted, &|task, run| config(task, run.score.num_fewshot)),
    );
    put(
        "versions",
        by_task(&sorted, &|task, _| task.config.version()),
    );
    put(
        "n-shot",
        by_task(&sorted, &|_, run| run.score.num_fewshot.into()),
    );
    put(
        "higher_is_better",
        by_task(&sorted, &|task, _| higher_is_better(task)),
    );
    put(
        "n-samples",
        by_task(
            runs,
            &|task, run| json!({"original": task.documents().len(), "effective": run.documents.len()}),
        ),
    );
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
            "limit": info.limit,
            "bootstrap_iters": 0,
            "gen_kwargs": null,
            "fewshot_seed": info.seed,
        }),
    );
    put("date", info.started_s.into());
    put("jeoul_version", info.version.as_str().into());
    put("max_length", info.max_length.into());
    put(
        "task_hashes",
        by_task(runs, &|task, run| task_hash(task, run).into()),
    );
    put("model_source", "jeoul".into());
    put("model_name", info.model_name.as_str().into());
    put(
        "model_name_sanitized",
        sanitize_model_name(&info.model_name).into(),
    );
    put("system_instruction", Json::Null);
    put("system_instruction_sha", Json::Null);
    put("fewshot_as_multiturn", false.into());
    put("chat_template", Json::Null);
    put("chat_template_sha", Json::Null);
    put(
        "total_evaluation_time_seconds",
        python::float(info.elapsed_s).into(),
    );
    results
}

/// `samples_*.jsonl`: one line per document.
pub fn samples(task: &Task, run: &TaskRun) -> String {
    let rows = run
        .documents
        .iter()
        .map(|result| python::json(&sample(task, result)) + "\n");
    rows.collect()
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
    let alias = task
        .config
        .json
        .get("task_alias")
        .filter(|alias| !alias.is_null());
    let mut map = Map::new();
    map.insert("name".into(), task.name().into());
    map.insert(
        "alias".into(),
        alias.cloned().unwrap_or_else(|| task.name().into()),
    );
    map.insert("sample_len".into(), run.documents.len().into());
    for metric in &run.score.metrics {
        map.insert(format!("{},none", metric.name), metric.value.into());
        map.insert(
            format!("{}_stderr,none", metric.name),
            metric.stderr.map_or("N/A".into(), Json::from),
        );
    }
    Json::Object(map)
}

fn higher_is_better(task: &Task) -> Json {
    let metrics = task.config.metrics.iter();
    Json::Object(
        metrics
            .map(|(metric, higher)| (metric.name().into(), (*higher).into()))
            .collect(),
    )
}

/// The task file with the harness's defaults filled in, in the order of its `TaskConfig`.
fn config(task: &Task, shots: u32) -> Json {
    let file = &task.config.json;
    let rule = |key: &str| file.get(key).cloned().unwrap_or(Json::Null);
    let fewshot = json!({
        "sampler": match task.config.sampler {
            crate::config::Sampler::Default => "default",
            crate::config::Sampler::FirstN => "first_n",
        },
        "split": task.config.fewshot_split,
        "process_docs": null,
        "fewshot_indices": null,
        "samples": null,
        "doc_to_text": rule("doc_to_text"),
        "doc_to_choice": rule("doc_to_choice"),
        "doc_to_target": rule("doc_to_target"),
        "gen_prefix": null,
        "fewshot_delimiter": task.config.fewshot_delimiter,
        "target_delimiter": task.config.target_delimiter,
    });
    let mut map = Map::new();
    for key in [
        "task",
        "task_alias",
        "tag",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "training_split",
        "validation_split",
        "test_split",
        "fewshot_split",
        "doc_to_text",
        "doc_to_target",
        "unsafe_code",
        "doc_to_choice",
        "description",
        "target_delimiter",
        "fewshot_delimiter",
        "fewshot_config",
        "num_fewshot",
        "metric_list",
        "output_type",
        "repeats",
        "should_decontaminate",
        "doc_to_decontamination_query",
        "metadata",
    ] {
        let value = match key {
            "unsafe_code" => false.into(),
            "description" => task.config.description.as_str().into(),
            "target_delimiter" => task.config.target_delimiter.as_str().into(),
            "fewshot_delimiter" => task.config.fewshot_delimiter.as_str().into(),
            "fewshot_config" => fewshot.clone(),
            "num_fewshot" => shots.into(),
            "repeats" => 1.into(),
            "should_decontaminate" => file.get(key).cloned().unwrap_or(false.into()),
            _ => rule(key),
        };
        if !value.is_null() {
            map.insert(key.into(), value);
        }
    }
    Json::Object(map)
}

fn sample(task: &Task, result: &DocumentResult) -> Json {
    let document = &task.documents()[result.doc_id as usize];
    let context = format!("{}{}", result.fewshot_context, result.prompt);
    let mut arguments = Map::new();
    let mut resps = Vec::new();
    let mut filtered = Vec::new();
    for (index, choice) in result.choices.iter().enumerate() {
        let continuation = format!("{}{}", result.target_delimiter, choice.text);
        arguments.insert(
            format!("gen_args_{index}"),
            json!({"arg_0": context, "arg_1": continuation}),
        );
        // The harness turns numbers and truths into text here.
        let answer = json!([
            python::float(choice.loglikelihood),
            python::str_of(&choice.is_greedy.into())
        ]);
        resps.push(json!([answer]));
        filtered.push(answer);
    }
    let mut map = Map::new();
    let mut put = |key: &str, value: Json| _ = map.insert(key.into(), value);
    put("doc_id", result.doc_id.into());
    put("doc", Json::Object(document.fields.clone()));
    put("target", document.target.as_str().into());
    put("arguments", Json::Object(arguments));
    put("resps", resps.into());
    put("filtered_resps", filtered.into());
    put("filter", "none".into());
    put(
        "metrics",
        task.metrics()
            .map(|metric| metric.name())
            .collect::<Vec<_>>()
            .into(),
    );
    let hashes = hashes(task, result);
    for (key, hash) in ["doc_hash", "prompt_hash", "target_hash"]
        .into_iter()
        .zip(hashes)
    {
        put(key, hash.into());
    }
    for metric in task.metrics() {
        put(metric.name(), metric.of(result).into());
    }
    Json::Object(map)
}

/// Hashes of document, prompt and target.
fn hashes(task: &Task, result: &DocumentResult) -> [String; 3] {
    let document = &task.documents()[result.doc_id as usize];
    [
        sha256(&python::json_indented(&Json::Object(
            document.fields.clone(),
        ))),
        sha256(&format!("{}{}", result.fewshot_context, result.prompt)),
        sha256(&document.target),
    ]
}

/// Hash over the hashes of a task's documents.
fn task_hash(task: &Task, run: &TaskRun) -> String {
    sha256(
        &run.documents
            .iter()
            .map(|result| hashes(task, result).concat())
            .collect::<String>(),
    )
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{ChoiceResult, MetricResult, TaskScore};
    use crate::task::Source;

    const TASK: &str = "task: t\noutput_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\"\ndoc_to_target: a\n\
                        doc_to_choice: options\nmetric_list:\n  - metric: acc\nmetadata:\n  version: 1.0\n";
    const DOCUMENT: &str =
        r#"{"q": "하늘은?", "options": ["파랑", "a \"b\""], "a": 0, "x": 1.5e-7}"#;

    fn run() -> (Task, TaskRun) {
        let source = |text| Source { name: "t", text };
        let task = Task::from_files(source(TASK), source(DOCUMENT), None).unwrap();
        let choice = |text: &str, loglikelihood: f64, is_greedy| ChoiceResult {
            text: text.into(),
            loglikelihood,
            token_logprobs: vec![loglikelihood as f32],
            is_greedy,
        };
        let document = DocumentResult {
            doc_id: 0,
            fewshot_context: String::new(),
            prompt: "Q: 하늘은?".into(),
            target_delimiter: " ".into(),
            choices: vec![choice("파랑", -1.5, true), choice("a \"b\"", -2e-5, false)],
            gold: 0,
            pick: 1,
            pick_norm: 1,
            acc: 0.0,
            acc_norm: 0.0,
            tokens_asked: 8,
        };
        let metric = MetricResult {
            name: "acc".into(),
            value: 0.0,
            stderr: None,
            chance: 0.5,
        };
        let score = TaskScore {
            task: "t".into(),
            version: "1.0".into(),
            num_fewshot: 0,
            documents: 1,
            documents_total: 1,
            metrics: vec![metric],
        };
        (
            task,
            TaskRun {
                score,
                documents: vec![document],
            },
        )
    }

    #[test]
    fn a_sample_is_the_line_the_harness_writes() {
        let (task, run) = run();
        // Hashes: hashlib over json.dumps(doc, indent=2, ensure_ascii=False), the prompt and "0", Python 3.11.
        let expected = r#"{"doc_id": 0, "doc": {"q": "하늘은?", "options": ["파랑", "a \"b\""], "a": 0, "x": 1.5e-07}, "target": "0", "arguments": {"gen_args_0": {"arg_0": "Q: 하늘은?", "arg_1": " 파랑"}, "gen_args_1": {"arg_0": "Q: 하늘은?", "arg_1": " a \"b\""}}, "resps": [[["-1.5", "True"]], [["-2e-05", "False"]]], "filtered_resps": [["-1.5", "True"], ["-2e-05", "False"]], "filter": "none", "metrics": ["acc"], "doc_hash": "9da551c18e03b652df324e8c22b2854e582332c34d2fd4c4f9d4641dc34422d0", "prompt_hash": "a10310afaffd990b055a7d3a784e4d8295b5b68b25b15726e657f47b05c72ff5", "target_hash": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9", "acc": 0.0}"#;
        assert_eq!(samples(&task, &run), format!("{expected}\n"));
    }

    #[test]
    fn results_have_the_fields_of_the_harness() {
        let (task, run) = run();
        let info = RunInfo {
            model_name: "/models/a.gguf".into(),
            model_args: "pretrained=/models/a.gguf,lane=cpu".into(),
            parameters: 7,
            dtype: "Q4_1".into(),
            device: "cpu".into(),
            max_length: 2048,
            limit: Some(1),
            seed: 1234,
            started_s: 1.5,
            elapsed_s: 2.25,
            version: "0.1.0".into(),
        };
        let results: Json = serde_json::from_str(&results(&info, &[(&task, &run)])).unwrap();
        let metrics = json!({"name": "t", "alias": "t", "sample_len": 1, "acc,none": 0.0, "acc_stderr,none": "N/A"});
        assert_eq!(results["results"]["t"], metrics);
        assert_eq!(
            results["n-samples"]["t"],
            json!({"original": 1, "effective": 1})
        );
        assert_eq!(results["higher_is_better"]["t"], json!({"acc": true}));
        assert_eq!(
            (&results["versions"]["t"], &results["n-shot"]["t"]),
            (&json!(1.0), &json!(0))
        );
        assert_eq!(results["configs"]["t"]["fewshot_delimiter"], "\n\n");
        assert_eq!(results["config"]["fewshot_seed"], 1234);
        assert_eq!(results["model_name_sanitized"], "__models__a.gguf");
        assert_eq!(results["total_evaluation_time_seconds"], "2.25");
        let hashes = &hashes(&task, &run.documents[0]).concat();
        assert_eq!(results["task_hashes"]["t"], sha256(hashes).as_str());
    }

    #[test]
    fn names_lose_what_a_file_system_refuses() {
        assert_eq!(sanitize_model_name("a//b?*c.gguf"), "a__b__c.gguf");
        assert_eq!(sanitize_model_name("plain-name_1"), "plain-name_1");
    }
}
