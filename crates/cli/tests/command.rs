//! The command from outside: arguments in; exit code, stdout and stderr out.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use support::{TINY, command, folder, jeoul, json, with_stdin};

#[test]
fn tasks_are_listed_for_people_and_programs() {
    let done = jeoul(&["tasks"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    for word in ["jeoul_science", "kobest", "samples are Jeoul's own"] {
        assert!(done.stdout.contains(word), "{}", done.stdout);
    }
    let cards = json(&jeoul(&["tasks", "kobest_w", "--json"]).stdout);
    assert_eq!(cards["tasks"][0]["name"], "kobest_wic");
    assert_eq!(cards["groups"].as_array().map(Vec::len), Some(0));
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
        done.stderr.contains(" tokens/s on the cpu lane; ")
            && done.stderr.ends_with(" were asked for\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn eval_gives_the_same_bits_in_batches_of_any_size() {
    let run = |batch| {
        let mut arguments = vec!["eval", "--model", TINY, "--tasks", "jeoul_science"];
        arguments.extend(["--limit", "3", "--json", "--batch_size", batch]);
        let done = jeoul(&arguments);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        json(&done.stdout)["results"].clone()
    };
    assert_eq!(run("1"), run("64"));
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
    let start = "error: there is no task, group or tag `arc_hard`; did you mean arc_challenge, arc_easy?\n\nhint: ";
    assert!(done.stderr.starts_with(start), "{}", done.stderr);
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
            .contains("missing field `continuation` at line 1 column 18"),
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
fn score_adds_up_whole_texts_window_by_window() {
    let pairs = folder("rolling").join("pairs.json");
    // Longer than the 1,024 tokens that the model reads.
    let long = "저울은 무게를 답니다. ".repeat(150);
    let asked = serde_json::json!([
        {"text": "A scale weighs.", "rolling": true},
        {"text": ""},
        {"text": long},
        {"context": "", "continuation": "A scale weighs."},
    ]);
    fs::write(&pairs, asked.to_string()).unwrap();
    let done = jeoul(&["score", "--model", TINY, "--pairs", pairs.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let scored = json(&done.stdout);
    // A short text is one window: what an empty context and the text as its continuation give.
    assert_eq!(scored[0]["logprob"], scored[3]["logprob"]);
    assert_eq!(scored[0]["token_logprobs"], scored[3]["token_logprobs"]);
    assert_eq!(scored[0]["rolling"], true);
    assert_eq!(scored[1]["logprob"], 0.0);
    let ids = scored[2]["text_ids"].as_array().unwrap().len();
    assert!(ids > 1024, "{ids}");
    assert_eq!(scored[2]["token_logprobs"].as_array().unwrap().len(), ids);

    let refuse = |text: &str| {
        fs::write(&pairs, text).unwrap();
        let done = jeoul(&["score", "--model", TINY, "--pairs", pairs.to_str().unwrap()]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        done.stderr
    };
    assert!(refuse(r#"[{"rolling": true}]"#).contains("missing field `text`"));
    let both = refuse(r#"[{"text": "a", "continuation": "b"}]"#);
    assert!(both.contains("`text` stands alone"), "{both}");
}

#[test]
fn generate_streams_what_follows_a_prompt() {
    let arguments = ["generate", "--model", TINY, "--max_gen_toks", "12"];
    let done = jeoul(&[&arguments[..], &["--prompt", "A scale weighs"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.len() > 12 && done.stdout.ends_with('\n'));
    assert!(done.stderr.starts_with("12 tokens in ") && done.stderr.ends_with("ended by length\n"));

    let again = with_stdin(&arguments, "A scale weighs\n");
    assert_eq!(again.stdout, done.stdout, "stdin, less its last line break");
    let chat = jeoul(&[&arguments[..], &["--prompt", "A scale weighs", "--chat"]].concat());
    assert_eq!(chat.code, Some(0), "{}", chat.stderr);
    assert_ne!(chat.stdout, done.stdout);
    let drawn = |seed: &str| {
        let drawn = [
            "--prompt",
            "A",
            "--temperature",
            "1.5",
            "--top-k",
            "0",
            "--seed",
            seed,
        ];
        jeoul(&[&arguments[..], &drawn].concat()).stdout
    };
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
}

#[test]
fn generate_answers_requests_in_order() {
    let requests = serde_json::json!([
        {"context": "A scale weighs", "max_gen_toks": 12},
        {"context": "저울은", "max_gen_toks": 3, "until": "\n\n", "temperature": 0.7, "do_sample": false},
        {"context": "A scale weighs", "max_gen_toks": 12, "temperature": 0.7, "top_p": 0.9, "top_k": 9, "seed": 5},
        {"context": "", "max_gen_toks": 2},
    ]);
    let arguments = ["generate", "--model", TINY, "--json", "--requests", "-"];
    let run = |requests: &Value| {
        let done = with_stdin(&arguments, &requests.to_string());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        json(&done.stdout)
    };
    let answers = run(&requests);
    let count = |i: usize| answers[i]["tokens"].as_array().unwrap().len();
    assert_eq!([0, 1, 2, 3].map(count), [12, 3, 12, 2]);
    for (asked, answer) in requests
        .as_array()
        .unwrap()
        .iter()
        .zip(answers.as_array().unwrap())
    {
        assert_eq!(answer["context"], asked["context"]);
        assert_eq!(answer["finish"], "length");
    }
    assert_ne!(answers[0]["text"], answers[2]["text"]);

    // What was said before the stop, whichever way the list is written.
    let text = answers[0]["text"].as_str().unwrap();
    let stop: String = text.chars().skip(4).take(3).collect();
    for until in [serde_json::json!(stop), serde_json::json!(["never", stop])] {
        let asked =
            serde_json::json!([{"context": "A scale weighs", "max_gen_toks": 12, "until": until}]);
        let stopped = run(&asked);
        assert_eq!(stopped[0]["finish"], "stop");
        assert_eq!(stopped[0]["text"], text.split(&stop).next().unwrap());
    }
}

#[test]
fn generate_shortens_contexts_from_the_left() {
    let long = "저울은 무게를 답니다. ".repeat(150);
    let asked = |context: &str, max: u32| {
        let asked = serde_json::json!([{"context": context, "max_gen_toks": max}]);
        with_stdin(
            &["generate", "--model", TINY, "--json", "--requests", "-"],
            &asked.to_string(),
        )
    };
    let done = asked(&long, 4);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(json(&done.stdout)[0]["tokens"].as_array().unwrap().len(), 4);
    let done = asked("a", 1024);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        done.stderr,
        "error: `-` request 0: `max_gen_toks` is 1024; the model reads 1024 tokens, so that it must be below that\n"
    );
}

#[test]
fn generate_names_the_place_of_a_bad_request() {
    let run = |text: &str| {
        let done = with_stdin(
            &["generate", "--model", TINY, "--json", "--requests", "-"],
            text,
        );
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        done.stderr
    };
    let error = run(r#"[{"context": "a", "num_beams": 4}]"#);
    assert!(error.contains("unknown field `num_beams`"), "{error}");
    let error = run(r#"[{"context": "a", "until": 4}]"#);
    assert!(
        error.contains("`until` must be a text or a list of texts"),
        "{error}"
    );
    let error = run(r#"[{"context": "a"}, {"context": "a", "temperature": -1}]"#);
    assert_eq!(
        error,
        "error: `-` request 1: `temperature` is -1; it must be finite and above 0\n"
    );
    for wrong in [
        &["--json"][..],
        &["--requests", "-"],
        &["--json", "--requests", "-", "--prompt", "a"],
        &["--prompt", "a", "--system_instruction", "b"],
    ] {
        let done = jeoul(&[&["generate", "--model", TINY], wrong].concat());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{wrong:?}"
        );
    }
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

#[test]
fn bench_measures_as_often_as_it_is_told() {
    let sizes = ["--prompt", "20", "--generate", "3", "--repeats", "2"];
    let arguments = [&["bench", "--model", TINY], &sizes[..]].concat();
    let done = jeoul(&[&arguments[..], &["--json"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for name in ["prefill", "decode"] {
        let speeds = json(&done.stdout)[name].as_array().cloned().expect(name);
        assert_eq!(speeds.len(), 2);
        assert!(speeds.iter().all(|speed| speed.as_f64() > Some(0.0)));
    }
    let done = jeoul(&arguments);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("prefill    20 tokens"), "{}", lines[0]);
    assert!(lines[1].starts_with("decode      3 tokens"), "{}", lines[1]);

    let done = jeoul(&["bench", "--model", TINY, "--prompt", "2000"]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("reads at most 1024"),
        "{}",
        done.stderr
    );
}
