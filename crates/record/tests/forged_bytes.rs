//! Bytes that are no submission, and submissions at the limits of what is taken.

mod support;

use jeoul_record::check::{BYTES_MAX, DOCUMENTS_MAX};
use jeoul_record::signature::Key;
use serde_json::{Value as Json, json};
use support::{Board, forged, key};

#[test]
fn what_is_no_submission_is_refused_before_it_is_believed() {
    let board = Board::new();
    let honest = forged(&board.full);
    let text = String::from_utf8(honest.clone()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let long = vec![b' '; BYTES_MAX + 1];
    let mut cut = honest.clone();
    cut.truncate(1000);
    let mut no_text = honest.clone();
    no_text[50] = 0xff;
    let sign = |public_key: String, signature: String| {
        let signed =
            json!({"envelope": board.full, "public_key": public_key, "signature": signature});
        jeoul_record::canonical::bytes(&signed).unwrap()
    };
    let payload = jeoul_record::canonical::bytes(&board.full).unwrap();
    let good = key().sign(&payload);
    let other = Key::from_secret(&[2; 32]);
    // The neutral element: verifies against any message where nobody looks for it.
    let weak = format!("01{}", "00".repeat(31));
    let y_without_point = format!("02{}", "00".repeat(31));
    board.refuses(&[
        ("nothing", Vec::new(), "bad-json", ""),
        ("no JSON", b"hello".to_vec(), "bad-json", ""),
        ("too long", long, "too-large", ""),
        ("cut off", cut, "bad-json", "/envelope/tasks/0/documents/0"),
        ("not UTF-8", no_text, "bad-json", ""),
        ("a list", b"[]".to_vec(), "wrong-type", ""),
        ("a number", b"7".to_vec(), "wrong-type", ""),
        (
            "deep",
            [vec![b'['; 17], vec![b']'; 17]].concat(),
            "too-deep",
            "",
        ),
        ("very deep", vec![b'['; 100_000], "too-deep", ""),
        (
            "deep within",
            with(
                "\"board\":\"public\"",
                &format!("\"board\":{}", "[".repeat(20)),
            ),
            "too-deep",
            "",
        ),
        (
            "brackets in a text",
            with(
                "\"board\":\"public\"",
                &format!("\"board\":\"{}\"", "[".repeat(20)),
            ),
            "bad-signature",
            "/signature",
        ),
        (
            "two of them",
            [honest.clone(), honest.clone()].concat(),
            "bad-json",
            "",
        ),
        (
            "a line feed after it",
            [honest.clone(), b"\n".to_vec()].concat(),
            "not-canonical",
            "",
        ),
        (
            "a space within",
            with("\"board\":", "\"board\": "),
            "not-canonical",
            "",
        ),
        (
            "an escape that is not needed",
            with("\"public\"", "\"\\u0070ublic\""),
            "not-canonical",
            "",
        ),
        (
            "a number written longer",
            with("\"limit\":4", "\"limit\":4.0"),
            "wrong-type",
            "/envelope/settings/limit",
        ),
        (
            "a list that holds nothing",
            with("\"doc_id\":0,", "\"doc_id\":0,\"values\":[],"),
            "not-canonical",
            "",
        ),
        (
            "null for nothing",
            with("\"limit\":4", "\"gen_kwargs\":null,\"limit\":4"),
            "not-canonical",
            "",
        ),
        (
            "one key twice",
            with(
                "\"board\":\"public\"",
                "\"board\":\"public\",\"board\":\"other\"",
            ),
            "duplicate-field",
            "/envelope/board",
        ),
        (
            "keys in another order",
            with("{\"architecture\":\"llama\",", "{"),
            "missing-field",
            "/envelope/model/architecture",
        ),
        (
            "NaN",
            with("\"doc_id\":0", "\"doc_id\":NaN"),
            "bad-json",
            "/envelope/tasks/0/documents/0/doc_id",
        ),
        (
            "an infinite number",
            with("\"loglikelihoods\":[", "\"loglikelihoods\":[-1e400,"),
            "not-finite",
            "/envelope/tasks/0/documents/0/loglikelihoods/0",
        ),
        (
            "minus zero",
            with("\"loglikelihoods\":[", "\"loglikelihoods\":[-0,"),
            "not-canonical",
            "",
        ),
        (
            "half of a surrogate pair",
            with("\"public\"", "\"\\ud800\""),
            "bad-json",
            "/envelope/board",
        ),
        (
            "a changed number under the old signature",
            with("\"size_bytes\":98000000", "\"size_bytes\":98000001"),
            "bad-signature",
            "/signature",
        ),
        (
            "another's signature",
            sign(key().public_key(), other.sign(&payload)),
            "bad-signature",
            "/signature",
        ),
        (
            "another's key",
            sign(other.public_key(), good.clone()),
            "bad-signature",
            "/signature",
        ),
        (
            "another's run under one's own name",
            sign(other.public_key(), other.sign(&payload)),
            "wrong-author",
            "/envelope/author",
        ),
        (
            "a key of small order",
            sign(weak, good.clone()),
            "bad-key",
            "/public_key",
        ),
        (
            "a key off the curve",
            sign(y_without_point, good.clone()),
            "bad-key",
            "/public_key",
        ),
        (
            "a key in Base64",
            sign("AAAA".into(), good.clone()),
            "bad-hex",
            "/public_key",
        ),
        (
            "a signature in capitals",
            sign(key().public_key(), good.to_uppercase()),
            "bad-hex",
            "/signature",
        ),
        (
            "a signature of zeros",
            sign(key().public_key(), "00".repeat(64)),
            "bad-signature",
            "/signature",
        ),
        (
            "no signature",
            sign(key().public_key(), String::new()),
            "bad-hex",
            "/signature",
        ),
    ]);
}

#[test]
fn as_many_documents_as_are_taken_and_no_more() {
    // Of a task that the board does not know, so that only the counts are looked at.
    let board = Board::new();
    let with = |count: usize| {
        let mut envelope = board.scores.clone();
        let documents: Vec<Json> = (0..count)
            .map(|id| json!({"doc_id": id, "tokens": 2, "loglikelihoods": [-1], "is_greedy": [true]}))
            .collect();
        envelope["tasks"] = json!([{
            "name": "t", "version": "1", "hash": "00".repeat(32), "num_fewshot": 0, "level": "outcomes",
            "document_count": count, "tokens": 2 * count, "elapsed_ms": 1000,
            "metrics": [{"name": "acc", "filter": "none", "value": 1}], "documents": documents,
        }]);
        envelope["settings"]
            .as_object_mut()
            .unwrap()
            .remove("limit");
        board.refusal(&forged(&envelope))
    };
    assert_eq!(with(DOCUMENTS_MAX), None);
    let refusal = with(DOCUMENTS_MAX + 1).unwrap();
    assert_eq!(refusal.code.as_str(), "too-many-documents");
    assert_eq!(refusal.pointer, "/envelope/tasks/0/documents");
}

#[test]
fn ten_minutes_are_the_window_to_the_second() {
    let board = Board::new();
    for (created, taken) in [
        ("2026-11-25T22:49:06Z", false),
        ("2026-11-25T22:49:07Z", true),
        ("2026-11-25T23:09:07Z", true),
        ("2026-11-25T23:09:08Z", false),
    ] {
        let mut envelope = board.full.clone();
        envelope["created"] = created.into();
        assert_eq!(
            board.refusal(&forged(&envelope)).is_none(),
            taken,
            "{created}"
        );
    }
}

#[test]
fn a_refusal_repeats_nothing_of_what_was_posted() {
    let board = Board::new();
    let mark = "x9q7";
    for change in [
        |e: &mut Json, mark: &str| e["model"]["name"] = format!("{mark}\u{202e}").into(),
        |e: &mut Json, mark: &str| e["model"]["type"] = mark.into(),
        |e: &mut Json, mark: &str| e["model"]["parameters"] = mark.into(),
        |e: &mut Json, mark: &str| e["created"] = mark.into(),
        |e: &mut Json, mark: &str| e["board"] = mark.into(),
        |e: &mut Json, mark: &str| e["tasks"][0]["metrics"][0]["name"] = mark.into(),
        |e: &mut Json, mark: &str| e["model"][format!("<{mark}>")] = 1.into(),
        |e: &mut Json, mark: &str| e["model"][mark.repeat(11)] = 1.into(),
    ] {
        let mut envelope = board.full.clone();
        change(&mut envelope, mark);
        let refusal = board.refusal(&forged(&envelope)).unwrap();
        assert!(!refusal.to_string().contains(mark), "{refusal}");
    }
}
