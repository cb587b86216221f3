//! Honest runs: every bundled task, every privacy level, and what a board makes of them.

mod support;

use std::collections::BTreeSet;

use jeoul_eval::bundled;
use jeoul_eval::results::MetricResult;
use jeoul_record::check::{MetricSource, TaskSet, UnknownTasks};
use jeoul_record::envelope::{Adapter, GenKwargs, Lane, LaneKind};
use jeoul_record::from_run::task_record;
use jeoul_record::{PrivacyLevel, RefusalCode, TrustLabel, check, check_envelope, reduce};
use support::{LIMIT, context, envelope, forged, honest, key, posted, run, tasks};

#[test]
fn every_bundled_task_holds_at_every_level() {
    let catalog = bundled::catalog().unwrap();
    let names: Vec<String> = catalog.tasks().map(String::from).collect();
    assert!(names.len() > 100, "{}", names.len());
    let mut corpora = 0;
    for name in &names {
        let task = support::bundled_task(name);
        let run = run(&task, 2);
        let full = task_record(&task, &run, PrivacyLevel::Outputs, 80);
        let set: TaskSet = [task].into_iter().collect();
        let mut envelope = envelope(vec![full]);
        envelope.settings.limit = Some(2);
        for level in [
            PrivacyLevel::Outputs,
            PrivacyLevel::Outcomes,
            PrivacyLevel::Scores,
        ] {
            let reduced = reduce(envelope.clone(), level);
            let checked = check_envelope(&reduced, &context(&set));
            let checked = checked.unwrap_or_else(|refusal| panic!("{name} {level:?}: {refusal}"));
            // A correlation has no value for one document, so that without the texts it stays the author's word.
            let by_document = |metric: &MetricResult| {
                let first = run.documents[0].metrics.iter();
                let mut own = first.filter(|own| own.name == metric.name && own.value.is_some());
                own.next().is_some()
            };
            let generates = !run.documents[0].filtered.is_empty();
            let kept = generates && !run.score.metrics.iter().all(by_document);
            corpora += u32::from(kept);
            let expected = match level {
                PrivacyLevel::Scores => TrustLabel::SelfReported,
                PrivacyLevel::Outcomes if kept => TrustLabel::SelfReported,
                _ => TrustLabel::Consistent,
            };
            assert_eq!(checked.label, expected, "{name} {level:?}");
            assert_eq!(
                checked.tasks[0].metrics.len(),
                run.score.metrics.len(),
                "{name}"
            );
            for (metric, own) in checked.tasks[0].metrics.iter().zip(&run.score.metrics) {
                assert_eq!(metric.name, own.name, "{name} {level:?}");
                let value = Some(own.value).filter(|value| value.is_finite());
                assert_eq!(metric.value, value, "{name} {level:?}");
                let higher = Some(own.higher_is_better);
                assert_eq!(metric.higher_is_better, higher, "{name} {level:?}");
            }
        }
    }
    assert_eq!(corpora, 3, "llm_kr_eval_sts at three levels");
}

#[test]
fn standard_errors_of_means_are_recomputed_and_others_where_asked() {
    let tasks = tasks();
    let full = honest(&tasks);
    let scores: Vec<_> = tasks.iter().map(|task| run(task, LIMIT).score).collect();
    let set: TaskSet = tasks.into_iter().collect();
    let without = check_envelope(&full, &context(&set)).unwrap();
    let mut with = context(&set);
    with.bootstrap_iters = 200;
    let with = check_envelope(&full, &with).unwrap();
    let mut bootstrapped = 0;
    for (index, score) in scores.iter().enumerate() {
        for (place, own) in score.metrics.iter().enumerate() {
            assert_eq!(with.tasks[index].metrics[place].stderr, own.stderr);
            let formula = without.tasks[index].metrics[place].stderr;
            assert!(formula.is_none() || formula == own.stderr);
            bootstrapped += u32::from(formula != own.stderr);
        }
    }
    assert!(bootstrapped >= 1, "no metric needs resamples");
}

#[test]
fn what_is_posted_is_the_preview_and_comes_back_whole() {
    let tasks = tasks();
    let full = honest(&tasks);
    let set: TaskSet = tasks.into_iter().collect();
    let bytes = posted(full.clone());
    let (signed, checked) = check(&bytes, &context(&set)).unwrap();
    assert_eq!(signed.envelope, full);
    assert_eq!(checked.label, TrustLabel::Consistent);
    assert_eq!(checked.created, support::NOW);
    let payload = jeoul_record::signature::payload(&full).unwrap();
    assert_eq!(checked.key, jeoul_record::canonical::sha256(&payload));
    // A program that knows nothing of our types, and sorts the keys itself, makes the same bytes.
    assert_eq!(forged(&serde_json::to_value(&full).unwrap()), bytes);
}

#[test]
fn each_level_holds_less_and_generations_say_what_they_rest_on() {
    let tasks = tasks();
    let full = honest(&tasks);
    let set: TaskSet = tasks.into_iter().collect();
    let text = |level| String::from_utf8(posted(reduce(full.clone(), level))).unwrap();
    let [outputs, outcomes, scores] = [
        PrivacyLevel::Outputs,
        PrivacyLevel::Outcomes,
        PrivacyLevel::Scores,
    ]
    .map(text);
    assert!(outputs.contains("texts") && !outcomes.contains("texts"));
    assert!(outcomes.contains("loglikelihoods") && !scores.contains("doc_id"));
    let reduced = reduce(full, PrivacyLevel::Outcomes);
    let checked = check_envelope(&reduced, &context(&set)).unwrap();
    let sources = |index: usize| {
        let metrics = checked.tasks[index].metrics.iter();
        metrics.map(|metric| metric.source).collect::<Vec<_>>()
    };
    use MetricSource::{Answers, Claim, Values};
    assert_eq!(sources(support::SCIENCE), [Answers; 2]);
    assert_eq!(sources(support::GSM8K), [Values; 2]);
    // Nobody but the author has the corpus that BLEU is computed over.
    assert_eq!(sources(support::WRITTEN), [Values, Claim]);
    assert_eq!(
        checked.tasks[support::WRITTEN].label,
        TrustLabel::SelfReported
    );
    assert_eq!(checked.tasks[support::GSM8K].label, TrustLabel::Consistent);
    assert_eq!(checked.label, TrustLabel::SelfReported);
}

#[test]
fn what_was_taken_out_does_not_come_back() {
    let full = honest(&tasks());
    for level in [PrivacyLevel::Scores, PrivacyLevel::Outcomes] {
        let reduced = reduce(full.clone(), level);
        assert!(reduced.tasks.iter().all(|task| task.level == level));
        assert_eq!(reduce(reduced.clone(), PrivacyLevel::Outputs), reduced);
        assert_eq!(reduce(reduced.clone(), level), reduced);
    }
}

#[test]
fn a_task_that_the_board_does_not_know_is_self_reported_or_refused() {
    let full = honest(&tasks());
    let set = TaskSet::default();
    let mut board = context(&set);
    let checked = check_envelope(&full, &board).unwrap();
    assert_eq!(checked.label, TrustLabel::SelfReported);
    board.unknown_tasks = UnknownTasks::Refused;
    let refusal = check_envelope(&full, &board).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::UnknownTask);
    assert_eq!(refusal.pointer, "/envelope/tasks/0/hash");
}

#[test]
fn every_field_there_is_stands_in_its_order() {
    let mut full = honest(&tasks());
    full.lane = Lane {
        kind: LaneKind::Gpu,
        adapter: Some(Adapter {
            vendor: "a".into(),
            architecture: "b".into(),
        }),
    };
    full.settings.system_instruction_sha256 = Some("5e".repeat(32));
    full.settings.gen_kwargs = Some(GenKwargs {
        until: Some(vec!["\n".into()]),
        max_gen_toks: Some(8),
        do_sample: Some(true),
        temperature: Some(0.7),
        top_p: Some(0.9),
        top_k: Some(50),
        seed: Some(9),
    });
    let text = posted(full.clone());
    assert_eq!(text, forged(&serde_json::to_value(&full).unwrap()));
    // A field that is new to the envelope must be new to this test as well.
    let names: BTreeSet<&str> = std::str::from_utf8(&text)
        .unwrap()
        .split('"')
        .zip(std::str::from_utf8(&text).unwrap().split('"').skip(1))
        .filter(|(_, next)| next.starts_with(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 63, "{names:?}");
}

#[test]
fn a_browser_signs_the_same_bytes() {
    // What WebCrypto gets, and what it gives back, are bytes in hexadecimal digits.
    let full = honest(&[support::own_task(support::CHOICES)]);
    let payload = jeoul_record::signature::payload(&full).unwrap();
    let signature = key().sign(&payload);
    let sealed = jeoul_record::signature::seal(full.clone(), key().public_key(), signature);
    assert_eq!(sealed, key().seal(full).unwrap());
}

#[test]
fn a_server_can_share_its_tasks_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TaskSet>();
    shared::<jeoul_record::Context<'static>>();
}
