//! The command from outside: arguments in; exit code, stdout and stderr out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a command did.
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn jeoul(arguments: &[&str]) -> Done {
    let output = command(arguments).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    Done {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeoul"));
    command
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1");
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("stdout is JSON")
}

const TINY: &str = "models/tiny.gguf";

#[test]
fn tasks_are_listed_for_people_and_programs() {
    let done = jeoul(&["tasks"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(
        done.stdout.contains("jeoul_science") && done.stdout.contains("samples, not the benchmark")
    );
    let names = json(&jeoul(&["tasks", "--json"]).stdout);
    let names: Vec<&str> = names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|card| card["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["jeoul_science", "jeoul_commonsense", "jeoul_boolq_ko"]
    );
}

#[test]
fn eval_prints_the_table_of_the_harness() {
    let done = jeoul(&[
        "eval",
        "--model",
        TINY,
        "--tasks",
        "jeoul_science,jeoul_boolq_ko",
        "--limit",
        "2",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(
        lines[0].contains("Tasks") && lines[0].contains("|Version|Filter|n-shot|"),
        "{}",
        lines[0]
    );
    assert!(lines[2].starts_with("|jeoul_boolq_ko|"), "{}", lines[2]);
    assert_eq!(lines.len(), 5);
    assert!(
        done.stderr.contains(" tokens/s on the cpu lane"),
        "{}",
        done.stderr
    );
}

#[test]
fn eval_writes_results_and_samples() {
    let out = folder("results");
    let path = out.to_str().expect("the target folder has a UTF-8 name");
    let arguments = [
        "eval",
        "--model",
        TINY,
        "--tasks",
        "jeoul_science",
        "--limit",
        "3",
        "--num-fewshot",
        "0",
    ];
    let done = jeoul(
        &[
            &arguments[..],
            &["--output-path", path, "--log-samples", "--json"],
        ]
        .concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let results = json(&done.stdout);
    assert_eq!(results["n-samples"]["jeoul_science"]["effective"], 3);
    let folder = out.join("models__tiny.gguf");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("it is there")
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name(&files[0]).starts_with("results_") && name(&files[0]).ends_with(".json"));
    assert!(
        name(&files[1]).starts_with("samples_jeoul_science_")
            && name(&files[1]).ends_with(".jsonl")
    );
    assert_eq!(json(&fs::read_to_string(&files[0]).unwrap()), results);
    assert_eq!(
        fs::read_to_string(&files[1])
            .unwrap()
            .lines()
            .map(json)
            .count(),
        3
    );
}

#[test]
fn eval_gives_the_same_bits_twice() {
    let run = || {
        jeoul(&[
            "eval",
            "--model",
            TINY,
            "--tasks",
            "jeoul_boolq_ko",
            "--limit",
            "4",
            "--json",
        ])
    };
    let (first, second) = (json(&run().stdout), json(&run().stdout));
    assert_eq!(first["results"], second["results"]);
    assert_eq!(first["task_hashes"], second["task_hashes"]);
}

#[test]
fn eval_reads_a_task_of_ones_own() {
    let folder = folder("own");
    let task = "task: own\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n";
    fs::write(folder.join("own.yaml"), task).unwrap();
    fs::write(
        folder.join("documents.jsonl"),
        "{\"q\": \"1+1=\", \"a\": 1, \"c\": [\"1\", \"2\"]}\n",
    )
    .unwrap();
    let path = folder.join("own.yaml");
    let path = path.to_str().unwrap();
    let done = jeoul(&["eval", "--model", TINY, "--tasks", path]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("|own  |"), "{}", done.stdout);

    let done = jeoul(&[
        "eval",
        "--model",
        TINY,
        "--tasks",
        path,
        "--num_fewshot",
        "1",
    ]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        done.stderr,
        "error: task `own` has 0 few-shot examples; 1 were asked for\n"
    );

    fs::write(
        folder.join("documents.jsonl"),
        "{\"q\": \"1+1=\", \"a\": 7, \"c\": [\"1\", \"2\"]}\n",
    )
    .unwrap();
    let done = jeoul(&["eval", "--model", TINY, "--tasks", path]);
    assert_eq!(done.code, Some(1));
    let message = "line 1: `doc_to_target` gives 7; allowed: 0 to 1, or the text of a choice\n";
    assert!(done.stderr.ends_with(message), "{}", done.stderr);

    fs::write(folder.join("documents.jsonl"), b"{}\n\xff\n").unwrap();
    let done = jeoul(&["eval", "--model", TINY, "--tasks", path]);
    assert!(
        done.stderr.contains("line 2 is not UTF-8 at byte 3"),
        "{}",
        done.stderr
    );
}

#[test]
fn an_unknown_task_is_wrong_usage_with_a_hint() {
    let done = jeoul(&["eval", "--model", TINY, "--tasks", "arc_hard"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    let expected = "error: there is no task `arc_hard`; bundled: jeoul_science, jeoul_commonsense, jeoul_boolq_ko\n\n\
                    hint: a task of your own is named by the path of its .yaml file\n";
    assert_eq!(done.stderr, expected);
}

#[test]
fn wrong_arguments_are_wrong_usage() {
    for arguments in [
        &["eval", "--model", TINY][..],
        &[
            "eval",
            "--model",
            TINY,
            "--tasks",
            "jeoul_science",
            "--limit",
            "0",
        ],
        &[
            "eval",
            "--model",
            TINY,
            "--tasks",
            "jeoul_science",
            "--lane",
            "tpu",
        ],
        &[
            "eval",
            "--model",
            TINY,
            "--tasks",
            "jeoul_science",
            "--log_samples",
        ],
        &["weigh"],
        &[],
    ] {
        let done = jeoul(arguments);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(!done.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_no_checkpoint_is_named() {
    for verb in [
        &["inspect", "Cargo.toml"][..],
        &["eval", "--model", "Cargo.toml", "--tasks", "jeoul_science"],
    ] {
        let done = jeoul(verb);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{verb:?}");
        assert!(
            done.stderr.starts_with("error: ") && done.stderr.contains("Cargo.toml"),
            "{}",
            done.stderr
        );
    }
    let done = jeoul(&["inspect", "no/such.gguf"]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("no/such.gguf") && done.stderr.contains("\nhint: "),
        "{}",
        done.stderr
    );
}

#[test]
fn score_prints_what_it_was_given_with_tokens_and_log_probabilities() {
    let folder = folder("score");
    let pairs = folder.join("pairs.json");
    fs::write(&pairs, r#"[{"context": "a b", "continuation": " c d", "note": 1}, {"context": "", "continuation": "x"}]"#)
        .unwrap();
    for lane in ["cpu", "reference"] {
        let done = jeoul(&[
            "score",
            "--model",
            TINY,
            "--pairs",
            pairs.to_str().unwrap(),
            "--lane",
            lane,
        ]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let scored = json(&done.stdout);
        assert_eq!(
            (&scored[0]["context"], &scored[0]["continuation"]),
            (&"a b".into(), &" c d".into())
        );
        for pair in scored.as_array().unwrap() {
            let logprobs: Vec<f64> =
                serde_json::from_value(pair["token_logprobs"].clone()).unwrap();
            assert_eq!(
                logprobs.len(),
                pair["continuation_ids"].as_array().unwrap().len()
            );
            let sum: f64 = logprobs.iter().sum();
            assert!(sum < 0.0 && (sum - pair["logprob"].as_f64().unwrap()).abs() < 1e-5);
            assert!(
                !pair["context_ids"].as_array().unwrap().is_empty()
                    && pair["is_greedy"].is_boolean()
            );
        }
    }
}

#[test]
fn score_names_the_place_of_a_bad_pair() {
    let folder = folder("bad-pairs");
    let pairs = folder.join("pairs.json");
    let run = |text: &str| {
        fs::write(&pairs, text).unwrap();
        jeoul(&["score", "--model", TINY, "--pairs", pairs.to_str().unwrap()])
    };
    let done = run("[{\"context\": \"a\"}]");
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr
            .contains("missing field `continuation` at line 1 column 17"),
        "{}",
        done.stderr
    );
    let done = run("[{\"context\": \"a\", \"continuation\": \"\"}]");
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr
            .contains("pair 0: the continuation \"\" adds no token"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = command(&["inspect", TINY, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Gone before the file is read.
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
