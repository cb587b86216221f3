//! Drawn documents computed again: the same answers from the same checkpoint, and a reason where they cannot be.

mod support;

use jeoul_record::check::TaskSet;
use jeoul_record::envelope::{DocumentOutcome, GenKwargs, LaneKind};
use jeoul_record::spot::{Closeness, Drawn, RerunError, Verdict, judge, population, rerun};
use jeoul_record::{Envelope, PrivacyLevel, reduce};
use support::{Fake, Never, honest, now, tasks};

/// An honest run of all tasks, which the fake model can be asked about again.
fn honest_run() -> (Envelope, TaskSet, Vec<Drawn>) {
    let known: TaskSet = tasks().into_iter().collect();
    let run = honest(&tasks());
    let drawn = population(&run, &known);
    (run, known, drawn)
}

fn again(
    seed: u64,
    run: &Envelope,
    known: &TaskSet,
    drawn: &[Drawn],
) -> Result<Vec<DocumentOutcome>, RerunError<Never>> {
    let version = "0.1.0";
    now(rerun(&mut Fake { seed }, run, known, drawn, version))
}

#[test]
fn the_same_checkpoint_gives_the_same_bits_and_another_does_not() {
    let (run, known, drawn) = honest_run();
    for (seed, verdict) in [(1, Verdict::Agrees), (2, Verdict::Disagrees)] {
        let outcomes = again(seed, &run, &known, &drawn).unwrap();
        let closeness = Closeness::default();
        let comparison = judge(&run, &known, &drawn, LaneKind::Cpu, &outcomes, &closeness);
        assert_eq!(comparison.verdict, verdict, "{comparison:?}");
        assert_eq!(comparison.compared as usize, drawn.len());
    }
}

#[test]
fn some_documents_are_answered_in_the_order_of_the_draw() {
    let (run, known, drawn) = honest_run();
    let some: Vec<Drawn> = drawn.iter().copied().step_by(3).collect();
    let outcomes = again(1, &run, &known, &some).unwrap();
    let expected = some
        .iter()
        .map(|one| &run.tasks[one.task as usize].documents[one.doc_id as usize]);
    assert!(outcomes.iter().eq(expected));
}

#[test]
fn texts_go_only_where_the_run_sent_them() {
    let (run, known, drawn) = honest_run();
    assert!(
        again(1, &run, &known, &drawn)
            .unwrap()
            .iter()
            .any(|one| !one.texts.is_empty())
    );
    let run = reduce(run, PrivacyLevel::Outcomes);
    let outcomes = again(1, &run, &known, &drawn).unwrap();
    assert!(outcomes.iter().all(|one| one.texts.is_empty()));
}

#[test]
fn what_cannot_be_asked_as_the_run_asked_it_is_refused() {
    #[track_caller]
    fn refused(change: fn(&mut Envelope), reason: &str) {
        let (mut run, known, drawn) = honest_run();
        change(&mut run);
        let error = again(1, &run, &known, &drawn).unwrap_err();
        assert_eq!(
            error.to_string().replace(&run.tasks[0].hash, "HASH"),
            reason
        );
    }
    refused(
        |run| run.settings.system_instruction_sha256 = Some("5e".repeat(32)),
        "the run had a system instruction, which is not sent",
    );
    refused(
        |run| run.settings.gen_kwargs = Some(GenKwargs::default()),
        "the run's generations had settings beside those of the task",
    );
    refused(
        |run| run.settings.max_length = 2048,
        "the run read 2048 tokens at most; the checkpoint reads 4096",
    );
    refused(
        |run| run.settings.apply_chat_template = true,
        "the run was a conversation, and the checkpoint has no chat template",
    );
    refused(
        |run| run.engine.version = "0.0.9".into(),
        "the run was computed by version 0.0.9 of Jeoul; this is 0.1.0",
    );
    refused(
        |run| run.settings.limit = Some(2),
        "document 2 of task 0 was drawn, which the run does not have in this place",
    );
    refused(
        |run| run.tasks[0].name = "other".into(),
        "the run's task `other` with the hash HASH is not known here",
    );
}
