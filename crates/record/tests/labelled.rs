//! What no check can refuse: invented answers that fit together. The label says how little that proves, and spot checks find it.

mod support;

use jeoul_eval::metrics::pick;
use jeoul_eval::rescore::{Effort, rescore, task_score};
use jeoul_eval::results::{Answer, DocumentResult};
use jeoul_eval::task::Source;
use jeoul_eval::{Task, TaskRun};
use jeoul_record::check::{MetricSource, TaskSet};
use jeoul_record::envelope::LaneKind;
use jeoul_record::from_run::task_record;
use jeoul_record::spot::{Checker, Closeness, Report, Verdict, judge, label, population};
use jeoul_record::{
    Envelope, PrivacyLevel, RefusalCode, TrustLabel, check, check_envelope, reduce,
};
use support::{BOARD, GSM8K, LIMIT, SCIENCE, bundled_task, context, envelope, honest, key, posted};

/// A run in which every answer is right, made without a model.
fn invented(task: &Task) -> TaskRun {
    let document = |doc_id: u32| -> DocumentResult {
        let document = &task.documents()[doc_id as usize];
        let answer = |choice| Answer::Loglikelihood {
            sum: if document.gold.contains(&choice) {
                -1.0
            } else {
                -30.0
            },
            token_logprobs: Vec::new(),
            is_greedy: false,
        };
        let answers = (0..document.choices.len()).map(answer).collect();
        let mut result = rescore(task, doc_id, answers).unwrap();
        result.tokens_asked = 100;
        result
    };
    let documents: Vec<DocumentResult> = (0..LIMIT).map(document).collect();
    let score = task_score(
        task,
        task.shots(None),
        documents.len(),
        &documents,
        Effort::Formulas,
    );
    TaskRun {
        score: score.unwrap(),
        documents,
    }
}

#[track_caller]
fn labelled(envelope: Envelope, set: &TaskSet, expected: TrustLabel) {
    let (_, checked) = check(&posted(envelope), &context(set)).unwrap();
    assert_eq!(checked.label, expected);
}

#[test]
fn invented_answers_are_consistent_until_somebody_computes_them() {
    let task = bundled_task("jeoul_science");
    let set: TaskSet = [task.clone()].into_iter().collect();
    let forged = envelope(vec![task_record(
        &task,
        &invented(&task),
        PrivacyLevel::Outcomes,
        900,
    )]);
    labelled(forged.clone(), &set, TrustLabel::Consistent);
    let truth = honest(&[task]);
    let population = population(&forged, &set);
    let again = &truth.tasks[SCIENCE].documents;
    let comparison = judge(
        &forged,
        &set,
        &population,
        LaneKind::Cpu,
        again,
        &Closeness::default(),
    );
    assert_eq!(comparison.verdict, Verdict::Disagrees);
    assert_eq!(comparison.differing.len(), LIMIT as usize);
    let report = |checker| Report {
        checker,
        verdict: Verdict::Agrees,
    };
    // Praise by the author's own key, twice, is worth nothing.
    let own = [
        report(Checker::Author(key().author())),
        report(Checker::Author(key().author())),
    ];
    let earned = label(TrustLabel::Consistent, &key().author(), LaneKind::Cpu, &own);
    assert_eq!(earned.label, TrustLabel::Consistent);
}

#[test]
fn a_known_name_over_other_documents_is_another_task() {
    let real = bundled_task("jeoul_science");
    let set: TaskSet = [real].into_iter().collect();
    let easy = Task::from_files(
        Source {
            name: "t.yaml",
            text: "task: jeoul_science\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: [x, y]\n",
        },
        Source {
            name: "d.jsonl",
            text: "{\"q\": \"1\", \"a\": 0}\n{\"q\": \"2\", \"a\": 0}\n{\"q\": \"3\", \"a\": 0}\n{\"q\": \"4\", \"a\": 0}\n",
        },
        None,
    );
    let easy = easy.unwrap();
    let run = invented(&easy);
    let forged = envelope(vec![task_record(&easy, &run, PrivacyLevel::Outcomes, 900)]);
    labelled(forged.clone(), &set, TrustLabel::SelfReported);
    // Under the real task's hash its own gold labels count.
    let mut claimed = forged;
    claimed.tasks[0].hash = set.iter().next().unwrap().1.into();
    claimed.tasks[0].version = set.iter().next().unwrap().2.version();
    let refusal = check_envelope(&claimed, &context(&set)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WrongChoiceCount);
}

#[test]
fn a_score_without_documents_is_the_author_s_word() {
    let tasks = support::tasks();
    let mut scores = reduce(honest(&tasks), PrivacyLevel::Scores);
    let set: TaskSet = tasks.into_iter().collect();
    scores.tasks[SCIENCE].metrics[0].value = Some(0.99);
    labelled(scores, &set, TrustLabel::SelfReported);
}

#[test]
fn one_task_without_documents_lowers_the_run() {
    let tasks = support::tasks();
    let mut full = honest(&tasks);
    let set: TaskSet = tasks.into_iter().collect();
    labelled(full.clone(), &set, TrustLabel::Consistent);
    jeoul_record::reduce::reduce_task(&mut full.tasks[SCIENCE], PrivacyLevel::Scores);
    labelled(full, &set, TrustLabel::SelfReported);
}

#[test]
fn values_without_texts_are_said_to_be_values() {
    let tasks = support::tasks();
    let mut forged = reduce(honest(&tasks), PrivacyLevel::Outcomes);
    let set: TaskSet = tasks.into_iter().collect();
    let task = &mut forged.tasks[GSM8K];
    for document in &mut task.documents {
        document.values.fill(Some(1.0));
    }
    for metric in &mut task.metrics {
        (metric.value, metric.stderr) = (Some(1.0), Some(0.0));
    }
    let checked = check_envelope(&forged, &context(&set)).unwrap();
    let metrics = checked.tasks[GSM8K].metrics.iter();
    assert!(
        metrics
            .into_iter()
            .all(|metric| metric.source == MetricSource::Values)
    );
}

#[test]
fn picks_by_other_means_than_the_numbers_do_not_count() {
    // The forger keeps the honest numbers and says that every pick was right.
    let tasks = support::tasks();
    let mut forged = honest(&tasks);
    let set: TaskSet = tasks.iter().cloned().collect();
    for (document, own) in forged.tasks[SCIENCE]
        .documents
        .iter_mut()
        .zip(tasks[0].documents())
    {
        document.pick = Some(own.gold[0] as u32);
    }
    let wrong = honest(&tasks).tasks[SCIENCE]
        .documents
        .iter()
        .zip(tasks[0].documents())
        .position(|(document, own)| pick(&document.loglikelihoods) != Some(own.gold[0]));
    let refusal = check_envelope(&forged, &context(&set)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::ChoiceNotArgmax);
    assert_eq!(
        refusal.pointer,
        format!("/envelope/tasks/0/documents/{}/pick", wrong.unwrap())
    );
}

#[test]
fn an_answer_that_the_task_cannot_score_is_refused() {
    let task = support::own_task(
        "task: t\noutput_type: generate_until\ndoc_to_text: q\ndoc_to_target: t\nfilter_list: [{name: f, filter: [{function: regex, regex_pattern: '(?=(x+)+$)(x|xx)+\\1b'}, {function: take_first}]}]\n",
    );
    let mut forged = honest(std::slice::from_ref(&task));
    let set: TaskSet = [task].into_iter().collect();
    labelled(forged.clone(), &set, TrustLabel::Consistent);
    forged.tasks[0].documents[2].texts[0] = "x".repeat(60);
    let refusal = check_envelope(&forged, &context(&set)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Unscorable);
    assert_eq!(refusal.pointer, "/envelope/tasks/0/documents/2");
}

#[test]
fn what_is_no_number_is_named_before_it_is_signed() {
    let tasks = support::tasks();
    let full = honest(&tasks);
    let set: TaskSet = tasks.into_iter().collect();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut forged = full.clone();
        forged.tasks[SCIENCE].documents[1].loglikelihoods[2] = number;
        let refusal = check_envelope(&forged, &context(&set)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::NotFinite);
        assert_eq!(
            refusal.pointer,
            "/envelope/tasks/0/documents/1/loglikelihoods/2"
        );
        assert_eq!(key().seal(forged).unwrap_err(), refusal);
        let mut forged = full.clone();
        forged.tasks[SCIENCE].metrics[0].stderr = Some(number);
        let refusal = check_envelope(&forged, &context(&set)).unwrap_err();
        assert_eq!(refusal.pointer, "/envelope/tasks/0/metrics/0/stderr");
    }
}

#[test]
fn a_run_can_be_posted_to_its_board_alone() {
    let tasks = support::tasks();
    let full = honest(&tasks);
    let set: TaskSet = tasks.into_iter().collect();
    let mut other = context(&set);
    other.board = "room-7";
    assert_ne!(other.board, BOARD);
    assert_eq!(
        check(&posted(full), &other).unwrap_err().code,
        RefusalCode::WrongBoard
    );
}

#[test]
fn every_code_is_met_by_some_forgery() {
    let tests = [
        include_str!("forged.json"),
        include_str!("forged.rs"),
        include_str!("forged_bytes.rs"),
        include_str!("honest.rs"),
        include_str!("labelled.rs"),
    ];
    let met = |code: &RefusalCode| {
        let (name, variant) = (format!("\"{code}\""), format!("RefusalCode::{code:?}"));
        tests
            .iter()
            .any(|test| test.contains(&name) || test.contains(&variant))
    };
    let missing: Vec<_> = RefusalCode::ALL.iter().filter(|code| !met(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
