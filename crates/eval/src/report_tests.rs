//! Tests of [`crate::report`] against lines that the harness wrote.

use super::*;
use crate::results::{MetricResult, RequestResult, TaskScore};
use crate::task::Source;

const TASK: &str = "task: t\noutput_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\"\ndoc_to_target: a\n\
                    doc_to_choice: options\nmetric_list:\n  - metric: acc\nmetadata:\n  version: 1.0\n";
const DOCUMENT: &str = r#"{"q": "하늘은?", "options": ["파랑", "a \"b\""], "a": 0, "x": 1.5e-7}"#;

fn run() -> (Task, TaskRun) {
    let source = |text| Source { name: "t", text };
    let task = Task::from_files(source(TASK), source(DOCUMENT), None).unwrap();
    let request = |text: &str, sum: f64, is_greedy| RequestResult {
        context: None,
        continuation: Some(format!(" {text}")),
        answer: Answer::Loglikelihood {
            sum,
            token_logprobs: vec![sum as f32],
            is_greedy,
        },
    };
    let document = DocumentResult {
        doc_id: 0,
        fewshot_context: String::new(),
        prompt: "Q: 하늘은?".into(),
        requests: vec![
            request("파랑", -1.5, true),
            request("a \"b\"", -2e-5, false),
        ],
        choices: vec!["파랑".into(), "a \"b\"".into()],
        gold: vec![0],
        pick: Some(1),
        pick_norm: Some(1),
        target: "0".into(),
        filtered: Vec::new(),
        metrics: vec![DocumentMetric {
            name: "acc".into(),
            filter: "none".into(),
            value: Some(0.0),
            item: Item::Number(0.0),
        }],
        tokens_asked: 8,
    };
    let metric = MetricResult {
        name: "acc".into(),
        value: 0.0,
        filter: "none".into(),
        stderr: None,
        higher_is_better: true,
        chance: Some(0.5),
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
        options: RunOptions {
            limit: Some(1),
            ..RunOptions::default()
        },
        chat_template: None,
        gen_kwargs: Map::new(),
        started_s: 1.5,
        elapsed_s: 2.25,
        version: "0.1.0".into(),
    };
    let results: Json = serde_json::from_str(&results(
        &info,
        Runs {
            tasks: &[(&task, &run)],
            groups: &[],
        },
    ))
    .unwrap();
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
