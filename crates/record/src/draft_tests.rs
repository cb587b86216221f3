//! What goes into a post, and what stays.

use jeoul_eval::origin::Origin;
use jeoul_eval::results::{
    Answer, DocumentMetric, DocumentResult, MetricResult, RequestResult, TaskScore,
};

use super::*;
use crate::canonical::sha256;
use crate::check::check_envelope;
use crate::envelope::LaneKind;
use crate::signature::{Key, payload};

const NOW: i64 = 1_795_647_547;

/// A task whose answer is written, of the person's own or not, with one document and what a model wrote.
fn written(origin: OriginKind) -> (Task, TaskRun) {
    let source = |name, text| jeoul_eval::Source { name, text };
    let text = "task: t\noutput_type: generate_until\ndoc_to_text: q\ndoc_to_target: a\nmetric_list: [{metric: exact_match}]\nmetadata: {version: 1}\n";
    let rows = "{\"q\": \"secret question\", \"a\": \"secret answer\"}\n";
    let task = Task::from_files(source("t.yaml", text), source("d.jsonl", rows), None).unwrap();
    let origin = Origin {
        kind: origin,
        files: Vec::new(),
    };
    let value = DocumentMetric {
        name: "exact_match".into(),
        filter: "none".into(),
        value: Some(0.0),
        item: jeoul_eval::metrics::Item::Number(0.0),
    };
    let document = DocumentResult {
        doc_id: 0,
        fewshot_context: String::new(),
        prompt: "secret question".into(),
        requests: vec![RequestResult {
            context: None,
            continuation: None,
            answer: Answer::Texts {
                texts: vec!["what it wrote".into()],
            },
        }],
        choices: Vec::new(),
        gold: Vec::new(),
        pick: None,
        pick_norm: None,
        target: "secret answer".into(),
        filtered: Vec::new(),
        metrics: vec![value],
        tokens_asked: 9,
    };
    let metric = MetricResult {
        name: "exact_match".into(),
        filter: "none".into(),
        value: 0.0,
        stderr: None,
        higher_is_better: true,
        chance: None,
    };
    let score = TaskScore {
        task: "t".into(),
        version: task.version(),
        num_fewshot: 0,
        documents: 1,
        documents_total: 1,
        metrics: vec![metric],
    };
    let documents = vec![document];
    (task.with_origin(origin), TaskRun { score, documents })
}

fn draft(run: &(Task, TaskRun)) -> Draft {
    let checkpoint = Checkpoint {
        architecture: "llama".into(),
        chat_template_sha256: None,
        parameters: 1_000_000,
        quantization: "Q4_0".into(),
        sha256: "ab".repeat(32),
        size_bytes: 500_000,
        tokenizer_sha256: "cd".repeat(32),
    };
    let lane = Lane {
        adapter: None,
        kind: LaneKind::Cpu,
    };
    let options = RunOptions::default();
    let tasks = [(&run.0, &run.1, 12_345)];
    let engine = Engine {
        module_sha256: Some("ef".repeat(32)),
        version: "0.1.0".into(),
    };
    Draft::new(checkpoint, engine, lane, &options, 2048, &tasks).unwrap()
}

fn post(level: PrivacyLevel, local_texts: bool) -> Post {
    Post {
        author: key().author(),
        board: "open".into(),
        level,
        local_texts,
        name: "모델".into(),
        licence: None,
        kind: ModelType::Pretrained,
        merged: false,
        on_hub: false,
    }
}

fn key() -> Key {
    Key::from_secret(&[7; 32])
}

fn payload_of(run: &(Task, TaskRun), post: Post) -> String {
    let envelope = draft(run).envelope(post, &[7; 16], NOW);
    String::from_utf8(payload(&envelope).unwrap()).unwrap()
}

#[test]
fn texts_about_documents_of_ones_own_go_only_if_they_may() {
    let level = PrivacyLevel::Outputs;
    for (origin, local_texts, go) in [
        (OriginKind::Local, false, false),
        (OriginKind::Local, true, true),
        (OriginKind::Hub, false, true),
        (OriginKind::Samples, false, true),
    ] {
        let payload = payload_of(&written(origin), post(level, local_texts));
        assert_eq!(payload.contains("what it wrote"), go, "{origin:?}");
        assert!(!payload.contains("secret"), "{payload}");
    }
}

#[test]
fn what_was_signed_is_what_is_sent() {
    let run = written(OriginKind::Samples);
    let payload = payload_of(&run, post(PrivacyLevel::Outputs, false));
    let tasks = TaskSet::from_iter([run.0.clone()]);
    let signature = key().sign(payload.as_bytes());
    let seal = |payload: &str| {
        let bytes = payload.as_bytes();
        sealed(bytes, key().public_key(), signature.clone(), &tasks, NOW)
    };
    let (bytes, checked) = seal(&payload).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains(&payload));
    assert_eq!(checked.key, sha256(payload.as_bytes()));
    let refusal = seal(&payload.replace("모델", "다른 모델")).unwrap_err();
    assert_eq!(refusal.code.as_str(), "bad-signature");
}

#[test]
fn a_refusal_names_its_field_before_anything_is_signed() {
    let run = written(OriginKind::Samples);
    let mut post = post(PrivacyLevel::Scores, false);
    post.name = "a\u{202e}b".into();
    let envelope = draft(&run).envelope(post, &[7; 16], NOW);
    let tasks = TaskSet::from_iter([run.0]);
    let refusal = check_envelope(&envelope, &Context::author("open", NOW, &tasks)).unwrap_err();
    assert_eq!(
        (refusal.code.as_str(), refusal.pointer.as_str()),
        ("text-bidi", "/envelope/model/name")
    );
}

#[test]
fn what_is_kept_as_a_file_is_read_back_to_the_bit() {
    let draft = draft(&written(OriginKind::Local));
    let bytes = draft.bytes().unwrap();
    assert_eq!(Draft::read(&bytes), Ok(draft));
    assert!(!String::from_utf8(bytes).unwrap().contains("secret"));
}

#[test]
fn what_is_no_draft_is_named() {
    let mut draft = draft(&written(OriginKind::Samples));
    let message = |text: &[u8]| Draft::read(text).unwrap_err().to_string();
    assert_eq!(
        message(b"[]"),
        "it is no recorded run: invalid length 0, expected struct Form with 1 element at line 1 column 2"
    );
    assert_eq!(
        message(br#"{"schema":"jeoul-draft/2","more":1}"#),
        "it is a recorded run of the form `jeoul-draft/2`, and `jeoul-draft/1` is read"
    );
    draft.tasks[0].record.documents[0].loglikelihoods = vec![f64::NEG_INFINITY];
    let error = draft.bytes().unwrap_err();
    assert_eq!(
        error.to_string(),
        "document 0 of `t` has a log-likelihood that is no number"
    );
}

#[test]
fn a_task_that_was_not_run_cannot_be_chosen() {
    let draft = draft(&written(OriginKind::Samples));
    let only = |name: &str| draft.clone().only(&[name.to_owned()]);
    assert_eq!(only("t"), Ok(draft.clone()));
    assert_eq!(only("u"), Err(DraftError::Task("u".into())));
}
