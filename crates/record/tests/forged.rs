//! Forged submissions: each is an honest one with one change, signed with the forger's own key, and refused by code and place.

mod support;

use jeoul_record::check::TASKS_MAX;
use serde_json::{Value as Json, json};
use support::{Board, GSM8K, WRITTEN, forged};

/// Forgeries that change one value: `at` says where, `set` what it becomes (or `remove`), `found` where it is found, if elsewhere.
const VALUES: &str = include_str!("forged.json");

/// Forgeries that take more than one value: name, which submission is changed, the change, and what is refused.
type Forgery = (
    &'static str,
    &'static str,
    fn(&mut Json),
    &'static str,
    &'static str,
);

fn task(envelope: &mut Json, index: usize) -> &mut Json {
    &mut envelope["tasks"][index]
}

fn document(envelope: &mut Json, task: usize, index: usize) -> &mut Json {
    &mut envelope["tasks"][task]["documents"][index]
}

fn list<'a>(value: &'a mut Json, key: &str) -> &'a mut Vec<Json> {
    value[key].as_array_mut().unwrap()
}

/// Adds a copy of a list's first item, changed.
fn again(value: &mut Json, key: &str, change: impl Fn(&mut Json)) {
    let mut first = value[key][0].clone();
    change(&mut first);
    list(value, key).push(first);
}

/// Another of four choices.
fn next_choice(pick: &mut Json) {
    *pick = ((pick.as_u64().unwrap() + 1) % 4).into();
}

const FORGERIES: &[Forgery] = &[
    (
        "an author in capitals",
        "outputs",
        |e| e["author"] = e["author"].as_str().unwrap().to_uppercase().into(),
        "wrong-author",
        "/envelope/author",
    ),
    (
        "a conversation without a template",
        "outputs",
        |e| {
            e["settings"]["apply_chat_template"] = true.into();
            e["model"]
                .as_object_mut()
                .unwrap()
                .remove("chat_template_sha256");
        },
        "contradictory-settings",
        "/envelope/settings/apply_chat_template",
    ),
    (
        "too many ends",
        "outputs",
        |e| e["settings"]["gen_kwargs"] = json!({"until": vec!["x"; 65]}),
        "out-of-range",
        "/envelope/settings/gen_kwargs/until",
    ),
    (
        "one task twice",
        "outputs",
        |e| again(e, "tasks", |_| {}),
        "duplicate-task",
        "/envelope/tasks/6/name",
    ),
    (
        "more tasks than are taken",
        "scores",
        |e| e["tasks"] = vec![task(e, 0).clone(); TASKS_MAX + 1].into(),
        "too-many-tasks",
        "/envelope/tasks",
    ),
    (
        "faster than any machine",
        "outputs",
        |e| {
            e["model"]["parameters"] = (1u64 << 50).into();
            task(e, 0)["elapsed_ms"] = 1.into();
        },
        "impossible-speed",
        "/envelope/tasks/0/elapsed_ms",
    ),
    (
        "without the wrong ones",
        "outputs",
        |e| _ = list(task(e, 0), "documents").remove(1),
        "missing-documents",
        "/envelope/tasks/0/documents",
    ),
    (
        "without the last one",
        "outputs",
        |e| _ = list(task(e, 0), "documents").pop(),
        "missing-documents",
        "/envelope/tasks/0/documents",
    ),
    (
        "without the last one, and counted so",
        "outputs",
        |e| {
            list(task(e, 0), "documents").pop();
            task(e, 0)["document_count"] = 3.into();
        },
        "wrong-limit",
        "/envelope/tasks/0/document_count",
    ),
    (
        "one more",
        "outputs",
        |e| again(task(e, 0), "documents", |d| d["doc_id"] = 4.into()),
        "extra-document",
        "/envelope/tasks/0/documents/4/doc_id",
    ),
    (
        "the easy one twice",
        "outputs",
        |e| task(e, 0)["documents"][1] = document(e, 0, 0).clone(),
        "duplicate-document",
        "/envelope/tasks/0/documents/1/doc_id",
    ),
    (
        "in another order",
        "outputs",
        |e| list(task(e, 0), "documents").swap(1, 2),
        "document-order",
        "/envelope/tasks/0/documents/1/doc_id",
    ),
    (
        "a choice too few",
        "outputs",
        |e| _ = list(document(e, 0, 1), "loglikelihoods").pop(),
        "wrong-choice-count",
        "/envelope/tasks/0/documents/1/loglikelihoods",
    ),
    (
        "a choice too many",
        "outputs",
        |e| list(document(e, 0, 1), "loglikelihoods").push((-1).into()),
        "wrong-choice-count",
        "/envelope/tasks/0/documents/1/loglikelihoods",
    ),
    (
        "greedy for some",
        "outputs",
        |e| _ = list(document(e, 0, 1), "is_greedy").pop(),
        "wrong-choice-count",
        "/envelope/tasks/0/documents/1/is_greedy",
    ),
    (
        "the right choice is picked against the numbers",
        "outputs",
        |e| next_choice(&mut document(e, 0, 0)["pick"]),
        "choice-not-argmax",
        "/envelope/tasks/0/documents/0/pick",
    ),
    (
        "another choice by length",
        "outputs",
        |e| next_choice(&mut document(e, 0, 0)["pick_norm"]),
        "choice-not-argmax",
        "/envelope/tasks/0/documents/0/pick_norm",
    ),
    (
        "numbers swapped, pick kept",
        "outputs",
        |e| list(document(e, 0, 0), "loglikelihoods").rotate_left(1),
        "choice-not-argmax",
        "/envelope/tasks/0/documents/0/pick",
    ),
    (
        "two attempts for one",
        "outputs",
        |e| again(document(e, WRITTEN, 0), "texts", |_| {}),
        "wrong-text-count",
        "/envelope/tasks/3/documents/0/texts",
    ),
    (
        "a value too few",
        "outcomes",
        |e| _ = list(document(e, GSM8K, 1), "values").pop(),
        "wrong-value-count",
        "/envelope/tasks/4/documents/1/values",
    ),
    (
        "a score off by two in a billion",
        "outputs",
        |e| {
            let value = &mut task(e, 0)["metrics"][0]["value"];
            *value = (value.as_f64().unwrap() + 2e-9).into();
        },
        "aggregate-differs",
        "/envelope/tasks/0/metrics/0/value",
    ),
    (
        "the unflattering metric left out",
        "outputs",
        |e| _ = list(task(e, 0), "metrics").pop(),
        "missing-metric",
        "/envelope/tasks/0/metrics",
    ),
    (
        "more metrics than are taken",
        "scores",
        |e| task(e, 0)["metrics"] = vec![json!({"name": "acc", "filter": "none"}); 101].into(),
        "too-many-metrics",
        "/envelope/tasks/0/metrics",
    ),
    (
        "one metric twice",
        "outputs",
        |e| again(task(e, 0), "metrics", |_| {}),
        "duplicate-metric",
        "/envelope/tasks/0/metrics/2",
    ),
];

#[test]
fn every_forgery_is_refused_with_its_code_and_place() {
    let board = Board::new();
    let post = |(name, of, change, code, pointer): &Forgery| {
        let mut envelope = board.submission(of);
        change(&mut envelope);
        (*name, forged(&envelope), *code, *pointer)
    };
    board.refuses(&FORGERIES.iter().map(post).collect::<Vec<_>>());
}

#[test]
fn every_forged_value_is_refused_with_its_code_and_place() {
    let board = Board::new();
    for of in ["outputs", "outcomes", "scores"] {
        assert_eq!(board.refusal(&forged(&board.submission(of))), None);
    }
    let values: Vec<Json> = serde_json::from_str(VALUES).unwrap();
    assert!(values.len() + FORGERIES.len() >= 110);
    let mut posts = Vec::new();
    for forgery in &values {
        let text = |key: &str| forgery[key].as_str();
        let (name, at) = (text("name").unwrap(), text("at").unwrap());
        let mut envelope = board.submission(text("of").unwrap());
        let (parent, key) = at
            .strip_prefix("/envelope")
            .unwrap()
            .rsplit_once('/')
            .unwrap();
        let parent = envelope
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("{name}"));
        match (parent, forgery.get("set")) {
            (Json::Object(fields), Some(value)) => _ = fields.insert(key.into(), value.clone()),
            (Json::Object(fields), None) => _ = fields.remove(key).unwrap(),
            (Json::Array(items), Some(value)) => {
                items[key.parse::<usize>().unwrap()] = value.clone();
            }
            _ => panic!("{name}"),
        }
        let found = text("found").unwrap_or(at);
        posts.push((name, forged(&envelope), text("code").unwrap(), found));
    }
    board.refuses(&posts);
}
