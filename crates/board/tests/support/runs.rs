//! Honest runs to post: one task of 200 documents with four choices, answered by a seed.

use std::sync::OnceLock;

use jeoul_eval::Task;
use jeoul_eval::task::Source;
use jeoul_record::check::TaskSet;
use jeoul_record::envelope::{
    ClaimedMetric, DocumentOutcome, Engine, Lane, LaneKind, Model, ModelType, Precision, SCHEMA,
    Settings, TaskRecord,
};
use jeoul_record::reduce::preview;
use jeoul_record::signature::Key;
use jeoul_record::{Envelope, PrivacyLevel};

/// Documents of the task.
pub(crate) const DOCUMENTS: u32 = 200;

/// All choices have as many characters, so that `acc_norm` equals `acc`.
const TASK: &str = "\
task: colours
output_type: multiple_choice
doc_to_text: q
doc_to_target: a
doc_to_choice: [\"rose\", \"blue\", \"gold\", \"grey\"]
metric_list: [{metric: acc}, {metric: acc_norm}]
metadata: {version: 1.0}
";

fn task() -> Task {
    let document = |i: u32| format!("{{\"q\": \"colour {i}?\", \"a\": {}}}\n", i % 4);
    let documents: String = (0..DOCUMENTS).map(document).collect();
    let source = |name, text| Source { name, text };
    Task::from_files(
        source("colours.yaml", TASK),
        source("d.jsonl", &documents),
        None,
    )
    .unwrap()
}

/// The tasks that the tests' boards know.
pub(crate) fn known_tasks() -> TaskSet {
    [task()].into_iter().collect()
}

/// A run before it is signed.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) envelope: Envelope,
}

impl Run {
    /// A run whose answers and nonce follow from `seed`, for the board `board`, made at `now_ms`.
    pub(crate) fn new(board: &str, seed: u64, now_ms: i64) -> Self {
        static HASH: OnceLock<String> = OnceLock::new();
        let hash = HASH.get_or_init(|| task().content_hash());
        let mut state = seed;
        let documents: Vec<DocumentOutcome> = (0..DOCUMENTS)
            .map(|doc_id| outcome(doc_id, &mut state))
            .collect();
        let right = documents
            .iter()
            .filter(|one| one.pick == Some(one.doc_id % 4))
            .count();
        let count = f64::from(DOCUMENTS);
        let share = right as f64 / count;
        let metric = |name: &str| ClaimedMetric {
            name: name.into(),
            filter: "none".into(),
            value: Some(share),
            stderr: Some((share * (1.0 - share) / (count - 1.0)).sqrt()),
        };
        let task = TaskRecord {
            name: "colours".into(),
            version: "1.0".into(),
            hash: hash.clone(),
            num_fewshot: 0,
            level: PrivacyLevel::Outcomes,
            document_count: DOCUMENTS,
            tokens: documents.iter().map(|one| u64::from(one.tokens)).sum(),
            elapsed_ms: 12_000,
            metrics: vec![metric("acc"), metric("acc_norm")],
            documents,
        };
        let created = jiff::Timestamp::from_second(now_ms.div_euclid(1000)).unwrap();
        let model = next(&mut state);
        Self {
            envelope: Envelope {
                schema: SCHEMA.into(),
                board: board.into(),
                author: String::new(),
                nonce: format!("{:016x}{:016x}", next(&mut state), seed),
                created: created.to_string(),
                model: Model {
                    name: format!("모델 {}", model % 1000),
                    sha256: format!("{model:064x}"),
                    size_bytes: 98_000_000,
                    quantization: "Q4_0".into(),
                    architecture: "llama".into(),
                    parameters: 134_515_008,
                    licence: Some("Apache-2.0".into()),
                    kind: ModelType::InstructionTuned,
                    precision: Precision::Bits4,
                    merged: false,
                    on_hub: true,
                    tokenizer_sha256: "2b".repeat(32),
                    chat_template_sha256: None,
                },
                engine: Engine {
                    version: "0.1.0".into(),
                    module_sha256: Some("4d".repeat(32)),
                },
                lane: Lane {
                    kind: LaneKind::Cpu,
                    adapter: None,
                },
                settings: Settings {
                    limit: None,
                    fewshot_seed: 1234,
                    apply_chat_template: false,
                    fewshot_as_multiturn: false,
                    system_instruction_sha256: None,
                    max_length: 2048,
                    gen_kwargs: None,
                },
                tasks: vec![task],
            },
        }
    }

    /// The bytes that `key` posts, and the run's id.
    pub(crate) fn sealed(mut self, key: &Key) -> (String, Vec<u8>) {
        self.envelope.author = key.author();
        let signed = key.seal(self.envelope).unwrap();
        let payload = jeoul_record::signature::payload(&signed.envelope).unwrap();
        (
            jeoul_record::canonical::sha256(&payload),
            preview(&signed).unwrap(),
        )
    }
}

fn outcome(doc_id: u32, state: &mut u64) -> DocumentOutcome {
    let loglikelihoods: Vec<f64> = (0..4)
        .map(|_| f64::from((next(state) % 100_000) as u32) / -1024.0)
        .collect();
    let best = |best: usize, i: usize| {
        if loglikelihoods[i] > loglikelihoods[best] {
            i
        } else {
            best
        }
    };
    let pick = (0..4).reduce(best).unwrap() as u32;
    DocumentOutcome {
        doc_id,
        tokens: 32,
        is_greedy: vec![false; 4],
        pick: Some(pick),
        pick_norm: Some(pick),
        loglikelihoods,
        ..DocumentOutcome::default()
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
