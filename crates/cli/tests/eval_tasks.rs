//! `jeoul eval` on tasks and documents of one's own: every kind of output, every source, and every way to be wrong.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Done, TINY, folder, jeoul, json};

const GENERATE: &str = "task: gen\ntest_split: test\noutput_type: generate_until\ndoc_to_text: \"{{q}} =\"\ndoc_to_target: \"{{a}}\"\n\
                        generation_kwargs: {until: [\"\\n\"], max_gen_toks: 4}\n\
                        metric_list: [{metric: exact_match, ignore_case: true}]\n\
                        filter_list: [{name: number, filter: [{function: regex, regex_pattern: \"[0-9]+\"}, {function: take_first}]}]\n";
const CHOOSE: &str = "task: own\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n";
const DOCUMENTS: &str = "{\"q\": \"1+1=\", \"a\": 1, \"c\": [\"1\", \"2\"]}\n{\"q\": \"2+2=\", \"a\": 0, \"c\": [\"4\", \"5\"]}\n";

/// Writes a task file and its documents, and evaluates it.
fn eval(folder: &Path, task: &str, documents: &[u8], more: &[&str]) -> Done {
    fs::write(folder.join("own.yaml"), task).unwrap();
    fs::write(folder.join("documents.jsonl"), documents).unwrap();
    let path = folder.join("own.yaml");
    let mut arguments = vec!["eval", "--model", TINY, "--tasks", path.to_str().unwrap()];
    arguments.extend(more);
    jeoul(&arguments)
}

/// The lines of the one `samples_*.jsonl` below a folder.
fn samples(folder: &Path) -> Vec<Value> {
    let model = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let names = fs::read_dir(model)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = names
        .into_iter()
        .find(|path| path.display().to_string().contains("samples_"))
        .unwrap();
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(json)
        .collect()
}

#[test]
fn a_generating_task_is_filtered_and_compared() {
    let place = folder("generating");
    let out = place.join("out");
    let documents = "{\"q\": \"1+1\", \"a\": \"2\"}\n{\"q\": \"2+2\", \"a\": \"4\"}\n";
    let more = ["--output_path", out.to_str().unwrap(), "--log_samples"];
    let done = eval(&place, GENERATE, documents.as_bytes(), &more);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stdout
            .contains("|gen  |Yaml   |number|     0|exact_match|"),
        "{}",
        done.stdout
    );
    let samples = samples(&out);
    assert_eq!(samples.len(), 2);
    let first = &samples[0];
    assert_eq!(first["arguments"]["gen_args_0"]["arg_0"], "1+1 =");
    assert_eq!(first["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"], 4);
    assert!(
        first["resps"][0][0].is_string() && first["filtered_resps"][0].is_string(),
        "{first}"
    );
    assert_eq!(first["filter"], "number");
}

#[test]
fn settings_of_generations_can_be_given() {
    let place = folder("gen_kwargs");
    let out = place.join("out");
    let more = [
        "--gen_kwargs",
        "max_gen_toks=2,temperature=0.5,do_sample=True,seed=7",
        "--output_path",
        out.to_str().unwrap(),
        "--log_samples",
    ];
    let done = eval(&place, GENERATE, b"{\"q\": \"1+1\", \"a\": \"2\"}\n", &more);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let settings = &samples(&out)[0]["arguments"]["gen_args_0"]["arg_1"];
    assert_eq!(
        (&settings["max_gen_toks"], &settings["do_sample"]),
        (&Value::from(2), &Value::from(true))
    );
    let done = eval(
        &place,
        GENERATE,
        b"{\"q\": \"1+1\", \"a\": \"2\"}\n",
        &["--gen_kwargs", "beams=2"],
    );
    assert!(
        done.stderr
            .contains("`generation_kwargs.beams` is not supported"),
        "{}",
        done.stderr
    );
}

#[test]
fn prompts_can_be_conversations() {
    let place = folder("chat");
    let out = place.join("out");
    let more = [
        "--apply_chat_template",
        "--system_instruction",
        "Be brief.",
        "--output_path",
        out.to_str().unwrap(),
        "--log_samples",
    ];
    let done = eval(&place, CHOOSE, DOCUMENTS.as_bytes(), &more);
    if done.code == Some(2) {
        // The tiny checkpoint may have no template: that is said before anything is scored.
        assert!(
            done.stderr.contains("has no chat template"),
            "{}",
            done.stderr
        );
        return;
    }
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let prompt = samples(&out)[0]["arguments"]["gen_args_0"]["arg_0"].to_string();
    assert!(
        prompt.contains("Be brief.") && prompt.contains("1+1="),
        "{prompt}"
    );
}

#[test]
fn documents_come_from_a_folder_in_every_format() {
    let place = folder("data_dir");
    fs::write(
        place.join("own.yaml"),
        CHOOSE.replace("doc_to_choice: c", "doc_to_choice: \"{{[x, y]}}\""),
    )
    .unwrap();
    let task = place.join("own.yaml");
    let data = place.join("data");
    fs::create_dir_all(&data).unwrap();
    let rows = [
        (
            "test.jsonl",
            "{\"q\": \"1+1=\", \"a\": 1, \"x\": \"1\", \"y\": \"2\"}\r\n\r\n",
        ),
        (
            "own.test.json",
            "\u{feff}[{\"q\": \"1+1=\", \"a\": 1, \"x\": \"1\", \"y\": \"2\"}]",
        ),
        ("test.csv", "q,a,x,y\n1+1=,1,one,two\n"),
    ];
    for (name, text) in rows {
        _ = fs::remove_file(data.join("own.test.json"));
        _ = fs::remove_file(data.join("test.jsonl"));
        fs::write(data.join(name), text).unwrap();
        let done = jeoul(&[
            "eval",
            "--model",
            TINY,
            "--tasks",
            task.to_str().unwrap(),
            "--data_dir",
            data.to_str().unwrap(),
            "--json",
        ]);
        assert_eq!(done.code, Some(0), "{name}: {}", done.stderr);
        let results = json(&done.stdout);
        assert_eq!(results["n-samples"]["own"]["original"], 1, "{name}");
        let file = &results["datasets"]["own"]["files"][0];
        assert!(
            file["name"].as_str().unwrap().ends_with(name)
                && file["sha256"].as_str().unwrap().len() == 64
        );
        _ = fs::remove_file(data.join(name));
    }
    let done = jeoul(&[
        "eval",
        "--model",
        TINY,
        "--tasks",
        task.to_str().unwrap(),
        "--data_dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr
            .contains("has no documents of `own` for the split `test`; looked for `own.test.*`"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_hub_that_cannot_be_reached_is_said_with_what_works_offline() {
    let place = folder("offline");
    let mut command = support::command(&[
        "eval", "--model", TINY, "--tasks", "arc_easy", "--limit", "1",
    ]);
    let output = command
        .env("HF_ENDPOINT", "http://127.0.0.1:1")
        .env("JEOUL_CACHE", place.join("cache"))
        .output()
        .unwrap();
    let done = support::done(&output);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.starts_with("error: documents of `arc_easy`: `http://127.0.0.1:1/api/datasets/allenai/ai2_arc/parquet` cannot be reached: "), "{}", done.stderr);
    assert!(
        done.stderr
            .ends_with("`--sample_documents` the bundled samples\n"),
        "{}",
        done.stderr
    );
    let done = jeoul(&[
        "eval",
        "--model",
        TINY,
        "--tasks",
        "arc_easy",
        "--limit",
        "2",
        "--sample_documents",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn bad_tasks_and_documents_name_file_line_and_field() {
    let place = folder("bad");
    let fails = |task: &str, documents: &[u8], message: &str| {
        let done = eval(&place, task, documents, &[]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(1), ""),
            "{}",
            done.stderr
        );
        let found = done.stderr.replace(&format!("{}/", place.display()), "");
        assert!(
            found.contains(message),
            "expected: {message}\nfound: {found}"
        );
    };
    let good = DOCUMENTS.as_bytes();
    fails(
        &format!("{CHOOSE}colour: red\n"),
        good,
        "`own.yaml` line 7: `colour` is not supported; allowed: task,",
    );
    fails(
        &CHOOSE.replace("doc_to_text: q", "doc_to_text: \"{{q\""),
        good,
        "`own.yaml` line 4: the template `doc_to_text` cannot be read",
    );
    fails(
        &CHOOSE.replace("doc_to_text: q", "doc_to_text: \"{{why}}\""),
        good,
        "`documents.jsonl` line 1: the template `doc_to_text` fails",
    );
    let endless = "doc_to_text: \"{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}\"";
    fails(
        &CHOOSE.replace("doc_to_text: q", endless),
        good,
        "line 1: the template `doc_to_text` does not end within 1000000 steps",
    );
    fails(
        &CHOOSE.replace("doc_to_text: q", "doc_to_text: !function utils.f"),
        good,
        "`own.yaml` line 4: `doc_to_text` is `!function utils.f`; allowed:",
    );
    fails(
        CHOOSE,
        b"{\"q\": \"x\", \"a\": 2, \"c\": [\"1\", \"2\"]}",
        "`documents.jsonl` line 1: `doc_to_target` gives 2; allowed: 0 to 1",
    );
    fails(
        CHOOSE,
        b"{\"q\": \"x\", \"a\": 0, \"c\": [\"1\", \"\"]}",
        "`documents.jsonl` line 1: choice 1 of `doc_to_choice` is empty",
    );
    fails(
        CHOOSE,
        b"{\"id\": 7, \"q\": \"x\", \"a\": 0, \"c\": [\"1\", \"2\"]}\r\n{\"id\": 7}\r\n",
        "`documents.jsonl` line 2: `id` 7 was already used in line 1",
    );
    fails(
        CHOOSE,
        b"{\"q\": \"x\", \"a\": 0, \"c\": [\"1\"",
        "`documents.jsonl` line 1 column 28 is no JSON",
    );
    fails(
        CHOOSE,
        b"\xef\xbb\xbf",
        "`documents.jsonl` holds no documents; at least 1 is needed",
    );
    fails(
        CHOOSE,
        b"{\"q\": \"\xb0\xa1\"}\n",
        "`documents.jsonl` line 1 is not UTF-8 at byte 7; it looks like EUC-KR (CP949)",
    );
    fails(
        CHOOSE,
        b"{\"q\": \"x\", \"a\": 0, \"c\": [\"1\", \"2\"]}\n{\"q\": \"y\", \"c\": [\"1\", \"2\"]}\n",
        "`documents.jsonl` line 2: the field `a`, which `doc_to_target` reads, is missing",
    );
    // Where no document has such a field it is a text, as in the harness.
    fails(
        CHOOSE,
        b"{\"q\": \"x\", \"c\": [\"1\", \"2\"]}",
        "`documents.jsonl` line 1: `doc_to_target` gives a; allowed: 0 to 1, or the text of a choice",
    );
}

#[test]
fn two_runs_are_compared_on_the_same_documents() {
    let place = folder("compared");
    let run = |name: &str, seed: &str| {
        let out = place.join(name);
        let more = [
            "--num_fewshot",
            "1",
            "--seed",
            seed,
            "--output_path",
            out.to_str().unwrap(),
            "--log_samples",
        ];
        let documents: String = (0..12)
            .map(|i| {
                format!(
                    "{{\"q\": \"{i}+1=\", \"a\": {}, \"c\": [\"{i}\", \"{}\"]}}\n",
                    i % 2,
                    i + 1
                )
            })
            .collect();
        let done = eval(&place, CHOOSE, documents.as_bytes(), &more);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let model = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        let mut files = fs::read_dir(model)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .find(|path| path.display().to_string().contains("samples_"))
            .unwrap()
            .display()
            .to_string()
    };
    let (first, second) = (run("a", "1"), run("b", "2"));
    let done = jeoul(&["compare", &first, &second, "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let compared = json(&done.stdout);
    let acc = &compared[0];
    assert_eq!(
        (&acc["metric"], &acc["documents"], &acc["test"]),
        (&"acc".into(), &12.into(), &"mcnemar".into())
    );
    let number = |key: &str| acc[key].as_f64().unwrap();
    assert!((number("first") - number("second") - number("difference")).abs() < 1e-12);
    assert!(number("low") <= number("difference") && number("difference") <= number("high"));
    assert!((0.0..=1.0).contains(&number("p_value")));
}
