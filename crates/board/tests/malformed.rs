//! What is wrong with a body is told with a code and a place, and nothing is stored: hundreds of malformed submissions, made from
//! an honest one by rule, and bodies of the other endpoints.

mod support;

use jeoul_record::signature::Key;
use serde_json::{Value as Json, json};
use support::{Answer, Person, Run, Server, on_each_engine};

/// A body and what it is.
struct Malformed {
    name: String,
    body: Vec<u8>,
}

/// Every place of a JSON value, as pointers.
fn places(value: &Json, at: String, found: &mut Vec<String>) {
    found.push(at.clone());
    match value {
        Json::Object(fields) => {
            for (name, field) in fields {
                places(field, format!("{at}/{name}"), found);
            }
        }
        // The first of a list stands for all.
        Json::Array(items) => items
            .iter()
            .take(1)
            .for_each(|item| places(item, format!("{at}/0"), found)),
        _ => {}
    }
}

/// Canonical bytes of `envelope`, signed anew, so that it is its content that is refused.
fn signed(envelope: &Json, key: &Key) -> Vec<u8> {
    let bytes = jeoul_record::canonical::bytes(envelope).unwrap();
    let whole = json!({"envelope": envelope, "public_key": key.public_key(), "signature": key.sign(&bytes)});
    jeoul_record::canonical::bytes(&whole).unwrap()
}

/// From the schema: each place gets values that it cannot have, is left out, and gets a field too many.
fn by_rule(honest: &Json, key: &Key) -> Vec<Malformed> {
    let mut all = Vec::new();
    let mut pointers = Vec::new();
    places(honest, String::new(), &mut pointers);
    let wrong = [
        ("null", json!(null)),
        ("-1", json!(-1)),
        ("1e300", json!(1e300)),
        ("text", json!("\u{202e}x")),
        ("long text", json!("x".repeat(5_000))),
        ("NUL", json!("a\0b")),
        ("list", json!([[]])),
        ("object", json!({"a": {}})),
        ("half", json!(0.5)),
    ];
    for pointer in &pointers {
        for (name, value) in &wrong {
            // A log-likelihood may well be -1.
            if *name == "-1" && pointer.ends_with("/loglikelihoods/0") {
                continue;
            }
            let mut forged = honest.clone();
            *forged.pointer_mut(pointer).unwrap() = value.clone();
            all.push(Malformed {
                name: format!("{name} at {pointer}"),
                body: signed(&forged, key),
            });
        }
        let Some((parent, field)) = pointer.rsplit_once('/') else {
            continue;
        };
        let mut without = honest.clone();
        if let Some(Json::Object(fields)) = without.pointer_mut(parent) {
            fields.shift_remove(field);
            // What may be left out is: the rest still holds.
            if !["licence", "module_sha256", "stderr"].contains(&field) {
                all.push(Malformed {
                    name: format!("without {pointer}"),
                    body: signed(&without, key),
                });
            }
        }
        let mut with = honest.clone();
        if let Some(Json::Object(fields)) = with.pointer_mut(pointer) {
            fields.insert("zzz".into(), json!(1));
            all.push(Malformed {
                name: format!("a field more in {pointer}"),
                body: signed(&with, key),
            });
        }
    }
    all
}

/// By hand: bytes that are no JSON, or are, and no submission.
fn by_hand(honest: &[u8]) -> Vec<Malformed> {
    let text = String::from_utf8(honest.to_vec()).unwrap();
    let mut all: Vec<(&str, Vec<u8>)> = vec![
        ("one byte", b"{".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("empty object", b"{}".to_vec()),
        ("a number too large", b"1e400".to_vec()),
        ("no UTF-8", vec![b'"', 0xff, 0xfe, b'"']),
        ("overlong UTF-8", vec![b'"', 0xc0, 0xaf, b'"']),
        ("half a surrogate", br#"{"envelope":"\ud800"}"#.to_vec()),
        (
            "deep lists",
            [vec![b'['; 100_000], vec![b']'; 100_000]].concat(),
        ),
        (
            "deep objects",
            [
                br#"{"a":"#.repeat(50_000),
                b"1".to_vec(),
                vec![b'}'; 50_000],
            ]
            .concat(),
        ),
        (
            "many keys",
            format!(
                "{{{}}}",
                (0..50_000)
                    .map(|i| format!("\"k{i}\":0"))
                    .collect::<Vec<_>>()
                    .join(",")
            )
            .into_bytes(),
        ),
        ("byte order mark", ["\u{feff}", &text].concat().into_bytes()),
        ("space before", [" ", &text].concat().into_bytes()),
        ("line after", [&text, "\n"].concat().into_bytes()),
        ("twice", [&*text, &text].concat().into_bytes()),
        (
            "duplicate key",
            text.replacen("{\"envelope\":", "{\"envelope\":1,\"envelope\":", 1)
                .into_bytes(),
        ),
        (
            "exponents",
            text.replacen("98000000", "9.8e7", 1).into_bytes(),
        ),
        (
            "minus zero",
            text.replacen("\"doc_id\":0", "\"doc_id\":-0", 1)
                .into_bytes(),
        ),
        (
            "escaped slash",
            text.replacen("jeoul-record/1", "jeoul-record\\/1", 1)
                .into_bytes(),
        ),
        ("html", b"<script>alert(1)</script>".to_vec()),
        ("sql", b"'; DROP TABLE submissions; --".to_vec()),
    ];
    for part in 1..64 {
        all.push(("cut", honest[..honest.len() * part / 64].to_vec()));
    }
    for place in 0..64 {
        let mut flipped = honest.to_vec();
        let at = flipped.len() * place / 64;
        flipped[at] ^= 1;
        all.push(("a bit flipped", flipped));
    }
    let named = |(i, (name, body)): (usize, (&str, Vec<u8>))| Malformed {
        name: format!("{name} ({i})"),
        body,
    };
    all.into_iter().enumerate().map(named).collect()
}

/// What is wrong with an answer to something malformed; `None` if nothing.
fn fault(answer: &Answer) -> Option<String> {
    let problem: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = !answer.code().is_empty()
        && problem["pointer"].is_string()
        && problem["detail"].is_string();
    let kind = answer
        .headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/problem+json");
    let refused = (400..500).contains(&answer.status) && told && kind;
    (!refused).then(|| {
        format!(
            "{} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )
    })
}

#[test]
fn hundreds_of_malformed_submissions_are_refused_and_leave_no_row() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let person = Person::new(1);
        let run = Run::new("open", 1, server.now_ms());
        let mut envelope = run.envelope.clone();
        envelope.author = person.key().author();
        let honest = serde_json::to_value(&envelope).unwrap();
        let (_, bytes) = run.sealed(person.key());
        assert_eq!(
            signed(&honest, person.key()),
            bytes,
            "what is forged is the honest one"
        );
        let all = [by_rule(&honest, person.key()), by_hand(&bytes)].concat_all();
        let (mut wrong, count) = (Vec::new(), all.len());
        assert!(count >= 500, "{count}");
        for malformed in all {
            let answer = server
                .client
                .send("POST", "/api/submissions", &[], malformed.body)
                .await;
            wrong.extend(fault(&answer).map(|fault| format!("{}: {fault}", malformed.name)));
        }
        assert!(
            wrong.is_empty(),
            "{} of {count}:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        eprintln!("{count} malformed submissions");
        let table = server
            .client
            .get("/api/boards/open")
            .await
            .expect(200)
            .json();
        assert_eq!(table["total"], 0);
        person
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await
            .1
            .expect(201);
        server.stop().await;
    });
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Malformed>;
}

impl<const N: usize> ConcatAll for [Vec<Malformed>; N] {
    fn concat_all(self) -> Vec<Malformed> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn bodies_of_the_wrong_kind_or_size_are_refused() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (_, body) = Run::new("open", 1, server.now_ms()).sealed(Person::new(1).key());
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/json; charset=latin1",
            "",
        ] {
            let headers = [("content-type", kind)];
            let answer = server
                .client
                .send("POST", "/api/submissions", &headers, body.clone())
                .await;
            assert_eq!(answer.expect(415).code(), "not-json", "{kind}");
        }
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        let answer = server
            .client
            .send("POST", "/api/submissions", &headers, body.clone())
            .await;
        assert_eq!(answer.expect(415).code(), "not-json");
        let large = vec![b' '; (8 << 20) + 1];
        let answer = server
            .client
            .send("POST", "/api/submissions", &[], large)
            .await;
        assert_eq!(answer.expect(413).code(), "too-large");
        let large = vec![b' '; (1 << 20) + 1];
        let answer = server.client.send("POST", "/api/rooms", &[], large).await;
        assert_eq!(answer.expect(413).code(), "too-large");
        let answer = server
            .client
            .send("PUT", "/api/submissions", &[], body)
            .await;
        assert_eq!(answer.expect(405).code(), "wrong-method");
        server.stop().await;
    });
}

#[test]
fn other_bodies_and_queries_are_told_what_is_wrong_with_them() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let person = Person::new(1);
        let (id, answer) = person
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        answer.expect(201);
        let flags = format!("/api/submissions/{id}/flags");
        let flag = |link: &str| json!({"reason": "forged", "link": link, "note": "n"});
        for (path, body, code, pointer) in [
            ("/api/rooms", json!({"name": ""}), "text-empty", "/name"),
            (
                "/api/rooms",
                json!({"name": "a\u{202e}b"}),
                "text-bidi",
                "/name",
            ),
            (
                "/api/rooms",
                json!({"name": "x".repeat(81)}),
                "text-too-long",
                "/name",
            ),
            ("/api/rooms", json!({"name": 1}), "wrong-type", "/name"),
            (
                "/api/rooms",
                json!({"name": "a", "x": 1}),
                "unknown-field",
                "/x",
            ),
            ("/api/rooms", json!({}), "missing-field", ""),
            (
                "/api/rooms/join",
                json!({"code": "UUUUUUUUUU"}),
                "bad-code",
                "/code",
            ),
            (&flags, flag("javascript:alert(1)"), "bad-link", "/link"),
            (&flags, flag("https://a b"), "bad-link", "/link"),
            (&flags, flag("https://예.kr"), "bad-link", "/link"),
            (
                &flags,
                json!({"reason": "envy", "link": "https://a.b", "note": ""}),
                "wrong-type",
                "/reason",
            ),
        ] {
            let answer = person
                .ask(&server.client, "POST", path, &body)
                .await
                .expect(422);
            assert_eq!(
                (answer.code().as_str(), &answer.json()["pointer"]),
                (code, &json!(pointer)),
                "{path} {body}"
            );
        }
        for query in [
            "sort=size",
            "order=up",
            "limit=0",
            "limit=1001",
            "limit=x",
            "after=zz",
            "after=5b5d",
            "trust=high",
            "colour=red",
            "limit=1&limit=2",
            "search=%00",
            "sort=task:%00",
            "merged=maybe",
            "parameters_min=1e9",
            "sort=stored&after=5b2261222c2262225d",
        ] {
            let answer = server
                .client
                .get(&format!("/api/boards/open?{query}"))
                .await;
            assert_eq!(answer.expect(422).code(), "bad-query", "{query}");
        }
        for path in [
            "/api/submissions/%00",
            "/api/submissions/..%2f..%2fetc",
            "/api/boards/%ff",
            "/api/boards/'%20OR%201=1",
            "/api/models/%00",
            "/api/rooms/%00/members",
            "/api/checks/%00",
            "/%2e%2e/secret",
            "/api/boards/open/nothing",
        ] {
            let answer = server.client.get(path).await;
            assert_eq!(fault(&answer), None, "{path}");
        }
        server.stop().await;
    });
}
