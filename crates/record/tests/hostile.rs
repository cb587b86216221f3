//! Hostile texts, which the tests of board and page use too: what names and notes may hold, and that a submission says the same.

mod support;

use std::collections::BTreeSet;

use jeoul_record::text::{Kind, TextReason, check, normalize};
use serde_json::Value as Json;
use support::{Board, forged};

/// The file says what it is.
const HOSTILE: &str = include_str!("../../../tests/board/hostile.json");

struct Hostile {
    text: String,
    name: String,
    note: String,
}

fn hostile() -> Vec<Hostile> {
    let file: Json = serde_json::from_str(HOSTILE).unwrap();
    let text = |one: &Json, key: &str| one[key].as_str().map(String::from);
    let texts = file["texts"].as_array().unwrap().iter();
    texts
        .map(|one| Hostile {
            text: text(one, "text").unwrap(),
            name: text(one, "name").unwrap(),
            note: text(one, "note").or(text(one, "name")).unwrap(),
        })
        .collect()
}

fn verdict(text: &str, kind: Kind) -> &'static str {
    check(text, kind).map_or_else(|error| error.reason.code(), |()| "ok")
}

#[test]
fn every_text_is_taken_or_refused_as_the_file_says() {
    let texts = hostile();
    assert!(texts.len() >= 150, "{}", texts.len());
    let wrong: Vec<String> = texts
        .iter()
        .flat_map(|one| {
            let found = [
                verdict(&one.text, Kind::Name),
                verdict(&one.text, Kind::Note),
            ];
            let expected = [one.name.as_str(), one.note.as_str()];
            (found != expected).then(|| format!("{:?}: {found:?}, not {expected:?}", one.text))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_reason_has_texts() {
    let texts = hostile();
    let found: BTreeSet<&str> = texts.iter().map(|one| one.name.as_str()).collect();
    let all = TextReason::ALL.iter().map(|reason| reason.code());
    let words = ["text-not-word"];
    let missing: Vec<_> = all
        .filter(|code| !found.contains(code) && !words.contains(code))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_submission_is_refused_for_its_name_as_the_text_is() {
    let board = Board::new();
    for one in hostile() {
        let mut envelope = board.scores.clone();
        envelope["model"]["name"] = one.text.as_str().into();
        let refusal = board.refusal(&forged(&envelope));
        let code = refusal
            .as_ref()
            .map_or("ok", |refusal| refusal.code.as_str());
        assert_eq!(code, one.name, "{:?}", one.text);
        if let Some(refusal) = refusal {
            assert_eq!(refusal.pointer, "/envelope/model/name");
        }
    }
}

#[test]
fn no_text_field_takes_what_a_name_does_not() {
    // Text fields of an envelope, by their places.
    let board = Board::new();
    let mut envelope = board.scores.clone();
    envelope["lane"] =
        serde_json::json!({"kind": "gpu", "adapter": {"vendor": "a", "architecture": "b"}});
    assert_eq!(board.refusal(&forged(&envelope)), None);
    for place in [
        "/schema",
        "/board",
        "/author",
        "/nonce",
        "/created",
        "/model/name",
        "/model/sha256",
        "/model/quantization",
        "/model/architecture",
        "/model/licence",
        "/model/type",
        "/model/precision",
        "/model/tokenizer_sha256",
        "/model/chat_template_sha256",
        "/engine/version",
        "/engine/module_sha256",
        "/lane/kind",
        "/lane/adapter/vendor",
        "/lane/adapter/architecture",
        "/tasks/0/name",
        "/tasks/0/version",
        "/tasks/0/hash",
        "/tasks/0/level",
        "/tasks/0/metrics/0/name",
        "/tasks/0/metrics/0/filter",
    ] {
        for one in hostile().iter().filter(|one| one.name != "ok") {
            let mut envelope = envelope.clone();
            *envelope.pointer_mut(place).unwrap() = one.text.as_str().into();
            assert!(
                board.refusal(&forged(&envelope)).is_some(),
                "{place}: {:?}",
                one.text
            );
        }
    }
}

#[test]
fn normalizing_makes_a_name_of_what_people_type() {
    for (typed, name) in [
        (" 저울 ", "저울"),
        ("\u{1100}\u{1161}", "가"),
        ("e\u{301}", "é"),
    ] {
        assert_eq!(normalize(typed), name);
        assert_eq!(check(name, Kind::Name), Ok(()));
    }
}

#[test]
fn a_refused_text_is_named_with_its_place() {
    let error = check("저울\u{200b}", Kind::Name).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a character that cannot be seen: U+200B at character 2"
    );
    let error = check("ce\u{301}", Kind::Name).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not in normalization form C, at character 1"
    );
}

#[test]
fn models_write_what_they_like_but_no_zero() {
    for one in hostile().iter().filter(|one| !one.text.contains('\0')) {
        assert_eq!(check(&one.text, Kind::Output), Ok(()), "{:?}", one.text);
    }
    assert_eq!(verdict("a\0", Kind::Output), "text-control");
    assert_eq!(verdict(&"x".repeat(65_536), Kind::Output), "ok");
    assert_eq!(verdict(&"x".repeat(65_537), Kind::Output), "text-too-long");
}
