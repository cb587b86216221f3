//! Who may do what: every endpoint × every role, with the exact status.
//!
//! A run that is not there and one that is not the caller's to see both answer 404; a bearer token that has ended answers 401
//! whatever is asked for. Room, runs and spot checks are made anew after every request that changed something, so that no case sees what
//! another did.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use support::{Person, Run, Server, on_each_engine};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// In the order of the columns. `owner` posted the runs and shows no token. Everyone but `anonymous` has a key.
const ROLES: [&str; 8] = [
    "anonymous",
    "owner",
    "other key",
    "member",
    "presenter",
    "moderator",
    "expired",
    "revoked",
];

/// Method, path, body, and the status for each role. `{PUBLIC}`, `{PRIVATE}` and `{HIDDEN}` are runs: on the public board, in
/// the room, on the public board and hidden by a moderator. `{CHECK}` was drawn for `other key` on the public run, `{ROOMCHECK}` for
/// `member` on the private one.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, [u16; 8])] = &[
    ("GET",    "/api/boards",                              "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/open",                         "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/{ROOM}",                       "",        [404, 404, 404, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/none",                         "",        [404, 404, 404, 404, 404, 404, 401, 401]),
    ("GET",    "/api/boards/open/events",                  "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/{ROOM}/events",                "",        [404, 404, 404, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/open/export?format=csv",       "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/boards/{ROOM}/export?format=jsonl",   "",        [404, 404, 404, 200, 200, 200, 401, 401]),
    ("GET",    "/api/models/{PUBLICMODEL}",                "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/models/{PRIVATEMODEL}",               "",        [404, 404, 404, 200, 200, 200, 401, 401]),
    ("POST",   "/api/submissions",                         "OPENRUN", [201, 201, 201, 422, 201, 201, 401, 401]),
    ("POST",   "/api/submissions",                         "ROOMRUN", [422, 422, 422, 201, 422, 422, 401, 401]),
    ("GET",    "/api/submissions/{PUBLIC}",                "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/submissions/{PRIVATE}",               "",        [404, 200, 404, 200, 200, 200, 401, 401]),
    ("GET",    "/api/submissions/{HIDDEN}",                "",        [404, 200, 404, 404, 404, 200, 401, 401]),
    ("GET",    "/api/submissions/{NONE}",                  "",        [404, 404, 404, 404, 404, 404, 401, 401]),
    ("GET",    "/api/submissions/{PUBLIC}/log",            "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/submissions/{PRIVATE}/log",           "",        [404, 200, 404, 200, 200, 200, 401, 401]),
    ("DELETE", "/api/submissions/{PUBLIC}",                "",        [404, 204, 404, 404, 404, 204, 401, 401]),
    ("DELETE", "/api/submissions/{PRIVATE}",               "",        [404, 204, 404, 404, 404, 204, 401, 401]),
    ("POST",   "/api/submissions/{PUBLIC}/restore",        "",        [404, 204, 404, 404, 404, 204, 401, 401]),
    ("GET",    "/api/submissions/{PUBLIC}/checks",         "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/submissions/{PRIVATE}/checks",        "",        [404, 200, 404, 200, 200, 200, 401, 401]),
    ("POST",   "/api/submissions/{PUBLIC}/checks",         "",        [401, 403, 201, 201, 201, 201, 401, 401]),
    ("POST",   "/api/submissions/{PRIVATE}/checks",        "",        [401, 403, 404, 201, 201, 201, 401, 401]),
    ("GET",    "/api/checks/{CHECK}",                      "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/checks/{ROOMCHECK}",                  "",        [404, 200, 404, 200, 200, 200, 401, 401]),
    ("POST",   "/api/checks/{CHECK}",                      "ANSWERS", [401, 404, 200, 404, 404, 404, 401, 401]),
    ("GET",    "/api/submissions/{PUBLIC}/flags",          "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/submissions/{PRIVATE}/flags",         "",        [404, 200, 404, 200, 200, 200, 401, 401]),
    ("POST",   "/api/submissions/{PUBLIC}/flags",          "FLAG",    [401, 201, 201, 201, 201, 201, 401, 401]),
    ("POST",   "/api/submissions/{PRIVATE}/flags",         "FLAG",    [401, 201, 404, 201, 201, 201, 401, 401]),
    ("POST",   "/api/submissions/{PUBLIC}/appeal",         "NOTE",    [401, 204, 404, 404, 404, 404, 401, 401]),
    ("POST",   "/api/submissions/{HIDDEN}/appeal",         "NOTE",    [401, 204, 404, 404, 404, 404, 401, 401]),
    ("POST",   "/api/submissions/{PUBLIC}/hide",           "REASON",  [404, 404, 404, 404, 404, 204, 401, 401]),
    ("POST",   "/api/submissions/{HIDDEN}/show",           "REASON",  [404, 404, 404, 404, 404, 204, 401, 401]),
    ("POST",   "/api/rooms",                               "NAME",    [401, 201, 201, 201, 201, 201, 401, 401]),
    ("POST",   "/api/rooms/join",                          "CODE",    [401, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/rooms/{ROOM}",                        "",        [404, 404, 404, 200, 200, 200, 401, 401]),
    ("GET",    "/api/rooms/{ROOM}/members",                "",        [404, 404, 404, 404, 200, 200, 401, 401]),
    ("DELETE", "/api/rooms/{ROOM}/members/{MEMBER}",       "",        [404, 404, 404, 404, 204, 204, 401, 401]),
    ("POST",   "/api/rooms/{ROOM}/freeze",                 "",        [404, 404, 404, 404, 200, 200, 401, 401]),
    ("POST",   "/api/rooms/{ROOM}/thaw",                   "",        [404, 404, 404, 404, 200, 200, 401, 401]),
    ("POST",   "/api/rooms/{ROOM}/close",                  "",        [404, 404, 404, 404, 200, 200, 401, 401]),
    ("POST",   "/api/rooms/{ROOM}/publish",                "",        [404, 404, 404, 404, 200, 200, 401, 401]),
    ("PUT",    "/api/rooms/{ROOM}/runs/mine",              "NEWS",    [404, 404, 404, 204, 404, 404, 401, 401]),
    ("POST",   "/api/moderator/session",                   "TOKEN",   [201, 201, 201, 201, 201, 201, 401, 401]),
    ("POST",   "/api/moderator/session",                   "WRONG",   [401, 401, 401, 401, 401, 401, 401, 401]),
    ("DELETE", "/api/moderator/session",                   "",        [404, 404, 404, 404, 404, 204, 401, 401]),
    ("GET",    "/api/moderation",                          "",        [404, 404, 404, 404, 404, 200, 401, 401]),
    ("POST",   "/api/moderation/bulk",                     "HIDEALL", [404, 404, 404, 404, 404, 200, 401, 401]),
    ("POST",   "/api/moderation/bulk",                     "DELETEALL", [404, 404, 404, 404, 404, 200, 401, 401]),
    ("GET",    "/api/audit",                               "",        [200, 200, 200, 200, 200, 200, 401, 401]),
    ("GET",    "/api/health",                              "",        [200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/api/openapi.json",                        "",        [200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/metrics",                                 "",        [200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/api/none",                                "",        [404, 404, 404, 404, 404, 404, 401, 401]),
    ("GET",    "/none",                                    "",        [404, 404, 404, 404, 404, 404, 404, 404]),
];

/// A room, runs and people of one case.
struct Case {
    people: Vec<Person>,
    names: Vec<(&'static str, String)>,
    public: Run,
    drawn: Vec<u32>,
    code: String,
    token: String,
    seed: u64,
}

/// What all cases share: a moderator and a token of a room that is over.
struct Shared {
    moderator: String,
    expired: Person,
}

async fn ok(server: &Server, person: &Person, method: &str, path: &str, body: &Json) -> Json {
    let answer = person.ask(&server.client, method, path, body).await;
    assert!(
        answer.status < 300,
        "{method} {path}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn text(json: &Json, field: &str) -> String {
    json[field].as_str().unwrap().to_owned()
}

async fn join(server: &Server, person: Person, code: &str) -> Person {
    let joined = ok(
        server,
        &person,
        "POST",
        "/api/rooms/join",
        &json!({"code": code}),
    )
    .await;
    person.with_token(text(&joined, "token"))
}

async fn post(server: &Server, person: &Person, run: &Run) -> String {
    let (id, answer) = person.post(&server.client, run.clone()).await;
    answer.expect(201);
    id
}

impl Shared {
    async fn new(server: &mut Server) -> Self {
        let opened = ok(
            server,
            &Person::new(99),
            "POST",
            "/api/rooms",
            &json!({"name": "yesterday"}),
        )
        .await;
        let expired = join(server, Person::new(7), &text(&opened, "code")).await;
        server.pass(DAY);
        let (_, moderator) = server.board.add_moderator("mod", None).await.unwrap();
        Self { moderator, expired }
    }
}

impl Case {
    async fn new(server: &Server, shared: &Shared, seed: u64) -> Self {
        let nothing = Json::Null;
        let [owner, other, member, presenter, moderator, revoked] =
            [1, 2, 3, 4, 5, 6].map(Person::new);
        let moderator = moderator.with_token(&shared.moderator);
        let opened = ok(
            server,
            &presenter,
            "POST",
            "/api/rooms",
            &json!({"name": "today"}),
        )
        .await;
        let (room, code) = (text(&opened, "room"), text(&opened, "code"));
        let presenter = presenter.with_token(text(&opened, "presenter"));
        let member = join(server, member, &code).await;
        let revoked = join(server, revoked, &code).await;
        let out = format!("/api/rooms/{room}/members/{}", revoked.key().author());
        ok(server, &presenter, "DELETE", &out, &nothing).await;
        let inside = join(server, owner.clone(), &code).await;

        let now_ms = server.now_ms();
        let public = Run::new("open", seed, now_ms);
        let private = Run::new(&room, seed + 1, now_ms);
        let hidden = Run::new("open", seed + 2, now_ms);
        let ids = [
            post(server, &owner, &public).await,
            post(server, &inside, &private).await,
            post(server, &owner, &hidden).await,
        ];
        let hide = format!("/api/submissions/{}/hide", ids[2]);
        ok(
            server,
            &moderator,
            "POST",
            &hide,
            &json!({"reason": "a test"}),
        )
        .await;
        let draw = |id: &str| format!("/api/submissions/{id}/checks");
        let check = ok(server, &other, "POST", &draw(&ids[0]), &nothing).await;
        let room_check = ok(server, &member, "POST", &draw(&ids[1]), &nothing).await;
        let documents = check["documents"].as_array().unwrap();
        let drawn = documents
            .iter()
            .map(|one| one["doc_id"].as_u64().unwrap() as u32)
            .collect();
        let [public_id, private_id, hidden_id] = ids;
        let names = vec![
            ("{ROOM}", room),
            ("{PUBLIC}", public_id),
            ("{PRIVATE}", private_id),
            ("{HIDDEN}", hidden_id),
            ("{NONE}", "0".repeat(64)),
            ("{PUBLICMODEL}", public.envelope.model.sha256.clone()),
            ("{PRIVATEMODEL}", private.envelope.model.sha256.clone()),
            ("{CHECK}", text(&check, "check")),
            ("{ROOMCHECK}", text(&room_check, "check")),
            ("{MEMBER}", member.key().author()),
        ];
        let people = vec![
            Person::anonymous(),
            owner,
            other,
            member,
            presenter,
            moderator,
            shared.expired.clone(),
            revoked,
        ];
        Self {
            people,
            names,
            public,
            drawn,
            code,
            token: shared.moderator.clone(),
            seed,
        }
    }

    fn path(&self, template: &str) -> String {
        let names = self.names.iter();
        names.fold(template.to_owned(), |path, (name, value)| {
            path.replace(name, value)
        })
    }

    fn body(&self, server: &Server, kind: &str, person: &Person) -> Vec<u8> {
        let run = |board: &str| {
            let stranger = Person::new(200);
            let key = person.key.as_ref().unwrap_or(stranger.key());
            Run::new(board, self.seed + 3, server.now_ms())
                .sealed(key)
                .1
        };
        let json = match kind {
            "" => return Vec::new(),
            "OPENRUN" => return run("open"),
            "ROOMRUN" => return run(&self.path("{ROOM}")),
            "ANSWERS" => {
                let documents = &self.public.envelope.tasks[0].documents;
                let again: Vec<_> = self
                    .drawn
                    .iter()
                    .map(|id| &documents[*id as usize])
                    .collect();
                json!({"lane": "cpu", "documents": again})
            }
            "FLAG" => {
                json!({"reason": "forged", "link": "https://example.org/why", "note": "see there"})
            }
            "NOTE" => json!({"note": "they are mine"}),
            "REASON" => json!({"reason": "looked at"}),
            "HIDEALL" => {
                let owner = self.people[1].key().author();
                json!({"action": "hide", "by": "key", "value": owner, "reason": "all of them"})
            }
            "DELETEALL" => {
                let room = self.path("{ROOM}");
                json!({"action": "delete", "by": "room", "value": room, "reason": "all of them"})
            }
            "NAME" => json!({"name": "a room"}),
            "CODE" => json!({"code": self.code}),
            "NEWS" => json!({"model": "m", "tasks": [], "state": "queued", "done": 0, "total": 1}),
            "TOKEN" => json!({"token": self.token}),
            "WRONG" => json!({"token": "m_0"}),
            _ => panic!("{kind}"),
        };
        json.to_string().into_bytes()
    }
}

#[test]
fn every_endpoint_answers_every_role_as_the_table_says() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let shared = Shared::new(&mut server).await;
        let mut wrong = Vec::new();
        let mut seed = 1000;
        let mut case = Case::new(&server, &shared, seed).await;
        for (method, template, kind, expected) in TABLE {
            for (role, expected) in expected.iter().enumerate() {
                let (person, path) = (&case.people[role], case.path(template));
                let body = case.body(&server, kind, person);
                let found = status(&server, person, method, &path, body).await;
                if found != *expected {
                    let role = ROLES[role];
                    wrong.push(format!(
                        "{method} {template} {kind} as {role}: {found}, not {expected}"
                    ));
                }
                if *method != "GET" && found < 300 {
                    seed += 10;
                    case = Case::new(&server, &shared, seed).await;
                }
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        server.stop().await;
    });
}

/// The status alone: a stream of events has no end to wait for.
async fn status(server: &Server, person: &Person, method: &str, path: &str, body: Vec<u8>) -> u16 {
    if path.ends_with("/events") {
        let bearer = person.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        return server
            .client
            .begin(method, path, &headers, body)
            .await
            .unwrap()
            .status()
            .as_u16();
    }
    let answer = person.send(&server.client, method, path, body).await;
    if answer.status >= 400 {
        let kind = answer.headers["content-type"].to_str().unwrap();
        assert_eq!(kind, "application/problem+json", "{method} {path}");
        assert!(!answer.code().is_empty(), "{method} {path}");
    }
    answer.status
}

#[test]
fn the_table_has_every_endpoint_of_the_description() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let description = server
            .client
            .get("/api/openapi.json")
            .await
            .expect(200)
            .json();
        let mut missing = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let fits = |(own, template, _, _): &&(&str, &str, &str, [u16; 8])| {
                    let template = template.split('?').next().unwrap();
                    let mut parts = template.split('/');
                    let same = path.split('/').all(|part| {
                        let own = parts.next().unwrap_or_default();
                        part == own || (part.starts_with('{') && !own.is_empty())
                    });
                    own.eq_ignore_ascii_case(method) && same && parts.next().is_none()
                };
                if !TABLE.iter().any(|row| fits(&row)) {
                    missing.insert(format!("{method} {path}"));
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
        // A type that is named but not described leaves a client without it.
        let text = description.to_string();
        for named in text.split("\"#/components/schemas/").skip(1) {
            let name = named.split('"').next().unwrap();
            assert!(
                description["components"]["schemas"][name].is_object(),
                "{name}"
            );
        }
        server.stop().await;
    });
}

#[test]
fn ten_thousand_guessed_ids_find_nothing() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let shared = Shared::new(&mut server).await;
        let case = Case::new(&server, &shared, 1).await;
        let mut state = 1u64;
        let mut guess = |digits: usize| {
            let mut text = String::new();
            while text.len() < digits {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(&format!("{:08x}", state >> 32));
            }
            text.truncate(digits);
            text
        };
        for i in 0..10_000 {
            let path = match i % 4 {
                0 => format!("/api/submissions/{}", guess(64)),
                1 => format!("/api/rooms/{}", guess(16)),
                2 => format!("/api/checks/{}", guess(16)),
                _ => format!("/api/boards/{}", guess(16)),
            };
            let person = &case.people[i % 6];
            assert_eq!(
                person
                    .send(&server.client, "GET", &path, Vec::new())
                    .await
                    .status,
                404,
                "{path}"
            );
        }
        server.stop().await;
    });
}
