//! Tests of [`crate::run`], [`crate::rescore`] and [`crate::plan`] with a model that answers by hash.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::bundled;
use crate::fake::FakeModel;
use crate::plan::{BATCH_ROWS, Plan, Schedule, plan};
use crate::request::request_count;
use crate::rescore::{Effort, metric_names, rescore, task_score};
use crate::results::DocumentResult;
use crate::run::{RunError, RunOptions, TaskRun, run_documents, run_task};
use crate::task::{Source, Task};

const TASK: &str = "\
task: t
output_type: multiple_choice
doc_to_text: \"Question: {{q}}\\nAnswer:\"
doc_to_target: a
doc_to_choice: options
metadata: {version: 1.0}
";

fn task() -> Task {
    task_of("")
}

/// Six documents; `more` stands at the end of each question.
fn task_of(more: &str) -> Task {
    let documents: String = (0..6)
        .map(|i| format!("{{\"q\": \"what is {i}{more}\", \"options\": [\"one {i}\", \"two\", \"three\"], \"a\": {}}}\n", i % 3))
        .collect();
    Task::from_files(
        Source {
            name: "t.yaml",
            text: TASK,
        },
        Source {
            name: "d.jsonl",
            text: &documents,
        },
        None,
    )
    .unwrap()
}

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the fake model never waits"),
    }
}

fn run(
    model: &mut FakeModel,
    options: &RunOptions,
) -> Result<TaskRun, RunError<crate::fake::Stopped>> {
    now(run_task(model, &task(), options, &mut |_, _| {}))
}

/// Documents so long that each is asked alone.
fn run_long(
    model: &mut FakeModel,
    options: &RunOptions,
) -> Result<TaskRun, RunError<crate::fake::Stopped>> {
    let task = task_of(&" and so on".repeat(200));
    now(run_task(model, &task, options, &mut |_, _| {}))
}

#[test]
fn a_long_document_is_one_call_with_all_its_choices() {
    let mut model = FakeModel::new();
    run_long(&mut model, &RunOptions::default()).unwrap();
    let counts: Vec<usize> = model.asked.iter().map(Vec::len).collect();
    assert_eq!(counts, [3; 6]);
}

#[test]
fn short_documents_are_one_call() {
    let mut model = FakeModel::new();
    let run = run(&mut model, &RunOptions::default()).unwrap();
    assert_eq!(model.asked.len(), 1);
    assert_eq!(model.asked[0].len(), 6 * 3);
    let first = &model.asked[0][0];
    assert_eq!(
        model.decode(&first.context),
        ["Question:", " what", " is", " 0", "\nAnswer:"]
    );
    assert_eq!(model.decode(&first.continuation), [" one", " 0"]);
    assert_eq!(run.documents[0].tokens_asked, 7 + 6 + 6);
}

#[test]
fn scores_are_means_over_the_documents() {
    let run = run(&mut FakeModel::new(), &RunOptions::default()).unwrap();
    let accs: Vec<f64> = run
        .documents
        .iter()
        .filter_map(|document| document.metric("acc"))
        .collect();
    assert_eq!(accs.len(), 6);
    let metric = &run.score.metrics[0];
    assert_eq!(
        (metric.name.as_str(), run.score.metrics[1].name.as_str()),
        ("acc", "acc_norm")
    );
    assert_eq!(Some(metric.value), crate::metrics::mean(&accs));
    assert_eq!(metric.stderr, crate::metrics::mean_stderr(&accs));
    assert!((metric.chance.unwrap() - 1.0 / 3.0).abs() < 1e-15);
    for document in &run.documents {
        let sums: Vec<f64> = document
            .requests
            .iter()
            .filter_map(|request| Some(request.answer.loglikelihood()?.0))
            .collect();
        let best = sums.iter().copied().fold(f64::MIN, f64::max);
        let pick = document.pick.unwrap();
        assert_eq!(sums[pick as usize], best);
        let right = |pick: u32| Some(f64::from(u8::from(document.gold == [pick])));
        assert_eq!(document.metric("acc"), right(pick));
        assert_eq!(
            document.metric("acc_norm"),
            right(document.pick_norm.unwrap())
        );
    }
}

#[test]
fn each_document_is_reported_with_the_score_so_far() {
    let mut seen = Vec::new();
    let options = RunOptions {
        num_fewshot: Some(2),
        limit: Some(4),
        ..RunOptions::default()
    };
    let run = now(run_task(
        &mut FakeModel::new(),
        &task(),
        &options,
        &mut |document, score| {
            seen.push((
                document.doc_id,
                score.documents,
                score.documents_total,
                score.num_fewshot,
            ));
        },
    ));
    assert_eq!(
        seen,
        [(0, 1, 4, 2), (1, 2, 4, 2), (2, 3, 4, 2), (3, 4, 4, 2)]
    );
    assert_eq!(run.unwrap().documents.len(), 4);
}

#[test]
fn runs_share_nothing() {
    let options = RunOptions {
        num_fewshot: Some(2),
        ..RunOptions::default()
    };
    let mut model = FakeModel::new();
    let first = run(&mut model, &options).unwrap();
    assert_eq!(first, run(&mut model, &options).unwrap());
    let other = RunOptions {
        seed: 42,
        ..options
    };
    assert_ne!(
        first.documents[0].fewshot_context,
        run(&mut model, &other).unwrap().documents[0].fewshot_context
    );
}

#[test]
fn some_documents_asked_again_are_those_of_the_run() {
    let options = RunOptions {
        num_fewshot: Some(2),
        ..RunOptions::default()
    };
    let mut model = FakeModel::new();
    let whole = run(&mut model, &options).unwrap().documents;
    let task = task();
    let again = run_documents(&mut model, &task, &options, &[4, 1, 99]);
    let again = now(again).unwrap().documents;
    assert_eq!(again, [whole[1].clone(), whole[4].clone()]);
}

#[test]
fn a_cancelled_run_keeps_what_was_finished() {
    let mut model = FakeModel {
        calls_left: 2,
        ..FakeModel::new()
    };
    let error = run_long(&mut model, &RunOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "stopped after 2 of 6 documents");
    let RunError::Cancelled { run } = error else {
        panic!("{error}")
    };
    assert_eq!((run.documents.len(), run.score.documents), (2, 2));
}

#[test]
fn a_long_prompt_is_cut_from_the_left() {
    let mut model = FakeModel {
        max_length: 3,
        ..FakeModel::new()
    };
    run(&mut model, &RunOptions::default()).unwrap();
    assert_eq!(
        model.decode(&model.asked[0][0].context),
        [" 0", "\nAnswer:"]
    );
    assert_eq!(
        model.decode(&model.asked[0][1].context),
        [" is", " 0", "\nAnswer:"]
    );
    let mut model = FakeModel {
        max_length: 1,
        ..FakeModel::new()
    };
    let error = run(&mut model, &RunOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "task `t`, document 0, request 0: the continuation has 2 tokens; the model reads at most 1"
    );
}

#[test]
fn a_log_likelihood_that_is_no_number_is_no_score() {
    let mut model = FakeModel {
        shift: f32::NAN,
        ..FakeModel::new()
    };
    let error = run(&mut model, &RunOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "task `t`, document 0: the model gave NaN for request 0; expected finite log-probabilities"
    );
}

#[test]
fn a_plan_counts_what_a_run_asks_and_an_engine_computes() {
    for options in [
        RunOptions::default(),
        RunOptions {
            num_fewshot: Some(3),
            limit: Some(5),
            seed: 7,
            ..RunOptions::default()
        },
    ] {
        let mut model = FakeModel::new();
        let planned = plan(&model, &task(), &options).unwrap();
        let run = run(&mut model, &options).unwrap();
        let asked: u64 = run
            .documents
            .iter()
            .map(|document| u64::from(document.tokens_asked))
            .sum();
        let (mut path, mut computed) = (Vec::new(), 0);
        for pairs in &model.asked {
            let schedule = Schedule::new(&path, pairs, BATCH_ROWS);
            computed += schedule.tokens() as u64;
            path = schedule.path;
        }
        assert_eq!(
            planned,
            Plan {
                tokens_asked: asked,
                tokens_computed: computed,
                tokens_generated: 0,
            }
        );
        assert!(
            computed < asked / 2,
            "choices share their prompt: {computed} of {asked}"
        );
    }
}

/// Four choices after a question of 60 words, with 25 examples of as many words before it.
fn arc_shaped(same_examples: bool) -> (u64, u64) {
    let words = |i: usize| {
        (0..50)
            .map(|j| format!(" w{}", (i * 7919 + j * 31) % 997))
            .collect::<String>()
    };
    let document = |i: usize| {
        format!(
            "{{\"q\": \"{i}{}\", \"options\": [\"one {i} a b\", \"two c d\", \"three e\", \"four f g\"], \"a\": {}}}",
            words(i),
            i % 4
        )
    };
    let documents = |range: std::ops::Range<usize>| range.map(document).collect::<Vec<_>>();
    let config = match same_examples {
        true => format!(
            "fewshot_config: {{sampler: first_n, samples: [{}]}}\n",
            documents(60..85).join(", ")
        ),
        false => String::new(),
    };
    let yaml = format!("{TASK}num_fewshot: 25\n{config}");
    let documents = documents(0..60).join("\n");
    let source = |name, text| Source { name, text };
    let task =
        Task::from_files(source("t.yaml", &yaml), source("d.jsonl", &documents), None).unwrap();
    let plan = plan(&FakeModel::new(), &task, &RunOptions::default()).unwrap();
    (plan.tokens_asked, plan.tokens_computed)
}

#[test]
fn examples_that_are_the_same_for_all_documents_are_computed_once() {
    let (asked, computed) = arc_shaped(true);
    assert!(computed * 20 <= asked, "{computed} of {asked}");
}

#[test]
fn examples_drawn_for_each_document_are_computed_once_for_its_choices() {
    let (asked, computed) = arc_shaped(false);
    assert!(computed * 7 <= asked * 2, "{computed} of {asked}");
}

#[test]
fn answers_alone_give_every_bundled_task_the_same_results() {
    let options = RunOptions {
        limit: Some(2),
        bootstrap_iters: 20,
        ..RunOptions::default()
    };
    let catalog = bundled::catalog().unwrap();
    for name in catalog.tasks() {
        let task = bundled::task(catalog.task(name).unwrap()).unwrap();
        let mut model = FakeModel::new();
        let run = now(run_task(&mut model, &task, &options, &mut |_, _| {})).unwrap();
        let again: Vec<DocumentResult> = run
            .documents
            .iter()
            .map(|result| {
                let document = &task.documents()[result.doc_id as usize];
                assert_eq!(
                    result.requests.len(),
                    request_count(&task, document),
                    "{name}"
                );
                let answers = result.requests.iter().map(|request| request.answer.clone());
                let mut again = rescore(&task, result.doc_id, answers.collect()).unwrap();
                assert_eq!(again.metrics, result.metrics, "{name}");
                // What is asked and how is not known from the answers.
                again.requests = result.requests.clone();
                again.fewshot_context = result.fewshot_context.clone();
                again.prompt = result.prompt.clone();
                again.tokens_asked = result.tokens_asked;
                again
            })
            .collect();
        assert_eq!(again, run.documents, "{name}");
        let shots = task.shots(None);
        let score = |effort| task_score(&task, shots, again.len(), &again, effort).unwrap();
        assert_eq!(score(Effort::Bootstrap(20)), run.score, "{name}");
        let names = run
            .score
            .metrics
            .iter()
            .map(|metric| (&*metric.name, &*metric.filter));
        assert!(names.eq(metric_names(&task)), "{name}");
        for (formula, own) in score(Effort::Formulas)
            .metrics
            .iter()
            .zip(&run.score.metrics)
        {
            assert_eq!(formula.value.to_bits(), own.value.to_bits(), "{name}");
            assert!(
                formula.stderr.is_none() || formula.stderr == own.stderr,
                "{name}"
            );
        }
    }
}

#[test]
fn a_document_that_is_not_there_is_an_error() {
    let error = rescore(&task(), 6, Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("there is no document 6"),
        "{error}"
    );
}
