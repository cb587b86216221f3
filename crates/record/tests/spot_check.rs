//! Spot checks as a board runs them: a thousand forged submissions, honest ones, and lanes that differ.

mod support;

use jeoul_eval::metrics::{pick, pick_norm};
use jeoul_eval::rescore::{Effort, rescore, task_score};
use jeoul_eval::results::{Answer, DocumentResult};
use jeoul_eval::task::Source;
use jeoul_eval::{Task, TaskRun};
use jeoul_record::check::{TaskSet, check_envelope};
use jeoul_record::envelope::{Adapter, DocumentOutcome, LaneKind};
use jeoul_record::from_run::task_record;
use jeoul_record::spot::{
    Closeness, Comparison, DETECTION, Drawn, FORGED_SHARE, Verdict, documents_needed, judge,
    population, sample,
};
use jeoul_record::{Envelope, PrivacyLevel};
use support::{ROLLING, WRITES, bundled_task, context, envelope, honest, own_task, tasks};

/// Documents of the task.
const COUNT: u32 = 300;

/// Numbers that look random and are always the same (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        seed
    }
}

fn task() -> Task {
    let text = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: [one, two, three, four]\n";
    let documents: String = (0..COUNT)
        .map(|i| format!("{{\"q\": \"{i}\", \"a\": {}}}\n", i % 4))
        .collect();
    let source = |name, text| Source { name, text };
    Task::from_files(source("t.yaml", text), source("d.jsonl", &documents), None).unwrap()
}

/// What a model says of each document: four log-likelihoods.
type Sums = Vec<[f64; 4]>;

fn model(random: &mut Random) -> Sums {
    let mut sums = || std::array::from_fn(|_| -20.0 * random.unit());
    (0..COUNT).map(|_| sums()).collect()
}

/// An envelope whose metrics follow from its documents, as a forger's do too.
fn submission(task: &Task, sums: &Sums, lane: LaneKind) -> Envelope {
    let result = |(doc_id, sums): (u32, &[f64; 4])| -> DocumentResult {
        let answer = |&sum: &f64| Answer::Loglikelihood {
            sum,
            token_logprobs: Vec::new(),
            is_greedy: false,
        };
        let mut result = rescore(task, doc_id, sums.iter().map(answer).collect()).unwrap();
        result.tokens_asked = 40;
        result
    };
    let documents: Vec<DocumentResult> = (0..).zip(sums).map(result).collect();
    let score = task_score(task, 0, documents.len(), &documents, Effort::Formulas).unwrap();
    let run = TaskRun { score, documents };
    let mut envelope = envelope(vec![task_record(
        task,
        &run,
        PrivacyLevel::Outcomes,
        60_000,
    )]);
    envelope.settings.limit = None;
    envelope.lane.kind = lane;
    if lane == LaneKind::Gpu {
        envelope.lane.adapter = Some(Adapter {
            vendor: "a".into(),
            architecture: "b".into(),
        });
    }
    envelope
}

/// Turns `count` documents that were wrong into right ones.
fn forge(sums: &mut Sums, count: usize, random: &mut Random) {
    let right = |index: usize, sums: &[f64; 4]| pick(sums) == Some(index % 4);
    let mut wrong: Vec<usize> = (0..sums.len()).filter(|&i| !right(i, &sums[i])).collect();
    for _ in 0..count {
        let index = wrong.swap_remove(random.next() as usize % wrong.len());
        let pick = pick(&sums[index]).unwrap();
        sums[index].swap(pick, index % 4);
    }
}

/// What the board does: draws after the submission is stored, and compares with what the model really says.
fn checked(
    posted: &Envelope,
    truth: &Envelope,
    set: &TaskSet,
    lane: LaneKind,
    seed: [u8; 32],
) -> Comparison {
    let checked = check_envelope(posted, &context(set)).unwrap();
    let population = population(posted, set);
    let exact = (posted.lane.kind, lane) == (LaneKind::Cpu, LaneKind::Cpu);
    let closeness = Closeness::default();
    let drawn = sample(&seed, &checked.key, &population, exact, &closeness);
    let again =
        |drawn: &Drawn| truth.tasks[drawn.task as usize].documents[drawn.doc_id as usize].clone();
    let again: Vec<DocumentOutcome> = drawn.iter().map(again).collect();
    judge(posted, set, &drawn, lane, &again, &closeness)
}

#[test]
fn of_a_thousand_submissions_with_5_percent_forged_95_percent_are_found() {
    let task = task();
    let set: TaskSet = [task.clone()].into_iter().collect();
    let mut random = Random(5);
    let sums = model(&mut random);
    let truth = submission(&task, &sums, LaneKind::Cpu);
    let (mut found, mut honest) = (0, 0);
    for _ in 0..1000 {
        let mut forged = sums.clone();
        forge(&mut forged, COUNT as usize / 20, &mut random);
        let posted = submission(&task, &forged, LaneKind::Cpu);
        let comparison = checked(&posted, &truth, &set, LaneKind::Cpu, random.seed());
        assert_eq!(
            comparison.compared,
            documents_needed(COUNT, FORGED_SHARE, DETECTION)
        );
        found += u32::from(comparison.verdict == Verdict::Disagrees);
    }
    for _ in 0..100 {
        let comparison = checked(&truth, &truth, &set, LaneKind::Cpu, random.seed());
        honest += u32::from(comparison.verdict == Verdict::Agrees);
    }
    // 98 % are expected, with a standard deviation of 0.44 %.
    assert!(found >= 950, "{found} of 1000");
    assert_eq!(honest, 100);
    println!("{found} of 1000 forged submissions found");
}

#[test]
fn one_changed_bit_is_found_where_it_is_drawn() {
    let all = tasks();
    let full = honest(&all);
    let set: TaskSet = all.into_iter().collect();
    let population = population(&full, &set);
    let judge = |again: &[DocumentOutcome]| {
        let lane = LaneKind::Cpu;
        judge(&full, &set, &population, lane, again, &Closeness::default())
    };
    let documents = || full.tasks.iter().flat_map(|task| task.documents.clone());
    let honest: Vec<DocumentOutcome> = documents().collect();
    assert_eq!(judge(&honest).verdict, Verdict::Agrees);
    for (index, drawn) in population.iter().enumerate() {
        let mut again = honest.clone();
        let outcome = &mut again[index];
        match outcome.loglikelihoods.first_mut() {
            Some(sum) => *sum = f64::from_bits(sum.to_bits() ^ 1),
            None => outcome.texts[0].push('.'),
        }
        let comparison = judge(&again);
        assert_eq!(comparison.verdict, Verdict::Disagrees);
        assert_eq!(comparison.differing, [*drawn]);
    }
}

#[test]
fn whoever_leaves_out_documents_decides_nothing() {
    let all = tasks();
    let full = honest(&all);
    let set: TaskSet = all.into_iter().collect();
    let population = population(&full, &set);
    let judge = |again: &[DocumentOutcome]| {
        let lane = LaneKind::Cpu;
        judge(&full, &set, &population, lane, again, &Closeness::default())
    };
    assert_eq!(judge(&[]).verdict, Verdict::Undecided);
    let first = full.tasks[0].documents[0].clone();
    let comparison = judge(&[first]);
    assert_eq!(
        (comparison.verdict, comparison.compared),
        (Verdict::Undecided, 1)
    );
}

/// The same model on another lane: each sum moves a little.
fn on_another_lane(sums: &Sums, random: &mut Random) -> Sums {
    let mut moved = sums.clone();
    for sum in moved.iter_mut().flatten() {
        *sum = (*sum + 0.04 * (random.unit() - 0.5)).min(0.0);
    }
    moved
}

#[test]
fn between_lanes_close_choices_are_left_out_and_forged_ones_found() {
    let task = task();
    let set: TaskSet = [task.clone()].into_iter().collect();
    let mut random = Random(9);
    let sums = model(&mut random);
    let truth = submission(&task, &sums, LaneKind::Cpu);
    let (mut found, mut honest, mut undecided) = (0, 0, 0);
    for _ in 0..300 {
        let mut posted = on_another_lane(&sums, &mut random);
        let comparison = {
            let posted = submission(&task, &posted, LaneKind::Gpu);
            checked(&posted, &truth, &set, LaneKind::Cpu, random.seed())
        };
        assert!(comparison.allowed > 0);
        honest += u32::from(comparison.verdict != Verdict::Disagrees);
        undecided += u32::from(comparison.verdict == Verdict::Undecided);
        forge(&mut posted, COUNT as usize / 20, &mut random);
        let posted = submission(&task, &posted, LaneKind::Gpu);
        let comparison = checked(&posted, &truth, &set, LaneKind::Cpu, random.seed());
        found += u32::from(comparison.verdict == Verdict::Disagrees);
    }
    assert!(
        honest >= 295 && undecided == 0,
        "{honest} honest, {undecided} undecided"
    );
    assert!(found >= 285, "{found} of 300");
}

#[test]
fn choices_within_the_margin_are_not_compared() {
    let task = task();
    let set: TaskSet = [task.clone()].into_iter().collect();
    let mut sums: Sums = vec![[-1.0, -9.0, -9.0, -9.0]; COUNT as usize];
    sums[7] = [-1.0, -1.01, -9.0, -9.0];
    let truth = submission(&task, &sums, LaneKind::Cpu);
    sums[7] = [-1.02, -1.01, -9.0, -9.0];
    assert_eq!(
        pick_norm(&sums[7], &["one", "two", "three", "four"]),
        Some(1)
    );
    let posted = submission(&task, &sums, LaneKind::Gpu);
    let drawn = [Drawn { task: 0, doc_id: 7 }];
    let again = [truth.tasks[0].documents[7].clone()];
    let closeness = Closeness::default();
    let comparison = judge(&posted, &set, &drawn, LaneKind::Cpu, &again, &closeness);
    assert_eq!((comparison.too_close, comparison.compared), (1, 0));
}

#[test]
fn between_lanes_sums_may_move_a_little_and_values_not() {
    let all = [own_task(ROLLING), own_task(WRITES), bundled_task("gsm8k")];
    let mut full = honest(&all);
    full.lane.kind = LaneKind::Reference;
    let set: TaskSet = all.into_iter().collect();
    let closeness = Closeness::default();
    let differs = |task: u32, change: &dyn Fn(&mut DocumentOutcome)| {
        let drawn = [Drawn { task, doc_id: 1 }];
        let mut again = full.tasks[task as usize].documents[1].clone();
        change(&mut again);
        let lane = LaneKind::Cpu;
        let comparison = judge(&full, &set, &drawn, lane, &[again], &closeness);
        assert_eq!(comparison.compared, 1);
        !comparison.differing.is_empty()
    };
    let moved = |share: f64| {
        move |again: &mut DocumentOutcome| {
            let most = Closeness::default().token_nats * f64::from(again.tokens);
            again.loglikelihoods[0] -= share * most;
        }
    };
    let other_value = |again: &mut DocumentOutcome| {
        again.values[0] = again.values[0].map(|value| 1.0 - value);
    };
    let (rolling, writes, gsm8k) = (0, 1, 2);
    assert!(!differs(rolling, &|_| {}));
    assert!(!differs(rolling, &moved(0.9)));
    assert!(differs(rolling, &moved(1.1)));
    assert!(differs(rolling, &|again| again.loglikelihoods[0] = f64::NAN));
    assert!(differs(rolling, &|again| again.tokens += 1));
    assert!(differs(rolling, &|again| again.loglikelihoods.clear()));
    for generation in [writes, gsm8k] {
        assert!(!differs(generation, &|again| again.texts[0].push('.')));
        assert!(differs(generation, &other_value));
    }
}

/// Two tasks: one of 300 documents, one of 20.
fn large_and_small(random: &mut Random) -> (Vec<Task>, Envelope) {
    let large = task();
    let documents: String = (0..20)
        .map(|i| format!("{{\"q\": \"{i}\", \"a\": {}}}\n", i % 4))
        .collect();
    let source = |name, text| Source { name, text };
    let text = "task: small\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: [one, two, three, four]\n";
    let small =
        Task::from_files(source("s.yaml", text), source("s.jsonl", &documents), None).unwrap();
    let mut sums = model(random);
    let mut both = submission(&large, &sums, LaneKind::Cpu);
    sums.truncate(20);
    both.tasks
        .extend(submission(&small, &sums, LaneKind::Cpu).tasks);
    (vec![large, small], both)
}

#[test]
fn a_small_task_is_not_hidden_by_a_large_one() {
    let mut random = Random(3);
    let (tasks, truth) = large_and_small(&mut random);
    let set: TaskSet = tasks.iter().cloned().collect();
    let mut sums: Sums = truth.tasks[1]
        .documents
        .iter()
        .map(|document| document.loglikelihoods.clone().try_into().unwrap())
        .collect();
    // A single document of the small task: 5 % of it, 0.3 % of all.
    forge(&mut sums, 1, &mut random);
    let mut posted = truth.clone();
    posted.tasks[1] = submission(&tasks[1], &sums, LaneKind::Cpu).tasks.remove(0);
    let found = (0..200).filter(|_| {
        let comparison = checked(&posted, &truth, &set, LaneKind::Cpu, random.seed());
        comparison.verdict == Verdict::Disagrees
    });
    let found = found.count();
    assert!(found >= 190, "{found} of 200");
    let comparison = checked(&truth, &truth, &set, LaneKind::Cpu, random.seed());
    assert_eq!(comparison.verdict, Verdict::Agrees);
    assert_eq!(
        comparison.compared,
        documents_needed(300, FORGED_SHARE, DETECTION) + 20
    );
}

#[test]
fn a_task_that_was_not_looked_at_decides_nothing() {
    let mut random = Random(4);
    let (tasks, truth) = large_and_small(&mut random);
    let set: TaskSet = tasks.into_iter().collect();
    let mut drawn = population(&truth, &set);
    drawn.retain(|one| one.task == 0);
    let again = truth.tasks[0].documents.clone();
    let closeness = Closeness::default();
    let comparison = judge(&truth, &set, &drawn, LaneKind::Cpu, &again, &closeness);
    assert_eq!(comparison.verdict, Verdict::Undecided);
}

#[test]
fn between_lanes_no_task_may_stand_out() {
    let mut random = Random(6);
    let (tasks, truth) = large_and_small(&mut random);
    let set: TaskSet = tasks.iter().cloned().collect();
    let mut sums: Sums = truth.tasks[1]
        .documents
        .iter()
        .map(|document| document.loglikelihoods.clone().try_into().unwrap())
        .collect();
    forge(&mut sums, 4, &mut random);
    let mut posted = truth.clone();
    posted.lane.kind = LaneKind::Reference;
    let comparison = checked(&posted, &truth, &set, LaneKind::Cpu, random.seed());
    assert_eq!(comparison.verdict, Verdict::Agrees);
    posted.tasks[1] = submission(&tasks[1], &sums, LaneKind::Cpu).tasks.remove(0);
    let comparison = checked(&posted, &truth, &set, LaneKind::Cpu, random.seed());
    assert!(
        comparison.differing.len() <= comparison.allowed as usize,
        "{comparison:?}"
    );
    assert_eq!(comparison.verdict, Verdict::Disagrees);
}
