//! Rooms: opening, joining, posting, watching, freezing, closing, publishing, expiring.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use support::{Person, Run, Server, Viewer, on_each_engine};

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOTHING: Json = Json::Null;

/// A room: its id, its code and its presenter.
async fn open(server: &Server) -> (String, String, Person) {
    let opener = Person::new(100);
    let name = json!({"name": "화요일 수업"});
    let answer = opener
        .ask(&server.client, "POST", "/api/rooms", &name)
        .await;
    let opened = answer.expect(201).json();
    let text = |field: &str| opened[field].as_str().unwrap().to_owned();
    let presenter = Person::anonymous().with_token(text("presenter"));
    (text("room"), text("code"), presenter)
}

async fn join(server: &Server, person: Person, code: &str) -> Person {
    let answer = person
        .ask(
            &server.client,
            "POST",
            "/api/rooms/join",
            &json!({"code": code}),
        )
        .await;
    let token = answer.expect(200).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    person.with_token(token)
}

#[test]
fn a_class_joins_posts_and_watches() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (room, code, presenter) = open(&server).await;
        assert_eq!(code.len(), 10);
        let typed = format!("{}-{}", code[..5].to_lowercase(), &code[5..]);
        let member = join(&server, Person::new(1), &typed).await;
        let mut viewer = Viewer::watch(&server.client, &presenter, &room).await;

        let news = json!({"model": "SmolLM2", "tasks": ["colours"], "state": "running", "done": 3, "total": 200});
        let path = format!("/api/rooms/{room}/runs/run-1");
        member
            .ask(&server.client, "PUT", &path, &news)
            .await
            .expect(204);
        let (name, data) = viewer.next().await;
        let data: Json = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (name.as_str(), &data["done"], &data["state"]),
            ("run", &json!(3), &json!("running"))
        );

        let (id, answer) = member
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await;
        assert_eq!(answer.expect(201).json()["board"], room.as_str());
        let (name, data) = viewer.next().await;
        assert!(name == "row" && data.contains(&id));

        let state = presenter
            .ask(
                &server.client,
                "GET",
                &format!("/api/rooms/{room}"),
                &NOTHING,
            )
            .await;
        assert_eq!(state.expect(200).json()["runs"][0]["run"], "run-1");
        let table = member
            .ask(
                &server.client,
                "GET",
                &format!("/api/boards/{room}"),
                &NOTHING,
            )
            .await;
        assert_eq!(table.expect(200).json()["total"], 1);
        server
            .client
            .get(&format!("/api/boards/{room}"))
            .await
            .expect(404);
        server
            .client
            .get(&format!("/api/submissions/{id}"))
            .await
            .expect(404);
        server.stop().await;
    });
}

#[test]
fn a_token_posts_what_its_own_key_signed_to_its_own_room() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (room, code, _) = open(&server).await;
        let member = join(&server, Person::new(1), &code).await;
        let mut thief = Person::new(2);
        thief.token.clone_from(&member.token);
        let (_, answer) = thief
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await;
        assert_eq!(answer.expect(403).code(), "other-key");
        let (_, answer) = member
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        assert_eq!(answer.expect(422).code(), "wrong-board");
        let (_, answer) = Person::new(1)
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await;
        assert_eq!(
            answer.expect(422).code(),
            "wrong-board",
            "without a token it goes to the public board"
        );
        let again = join(&server, Person::new(1), &code).await;
        let old = member
            .ask(
                &server.client,
                "GET",
                &format!("/api/boards/{room}"),
                &NOTHING,
            )
            .await;
        assert_eq!(
            old.expect(401).code(),
            "token-ended",
            "joining again ends the older token"
        );
        again
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await
            .1
            .expect(201);
        server.stop().await;
    });
}

#[test]
fn a_presenter_freezes_closes_and_publishes() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (room, code, presenter) = open(&server).await;
        let member = join(&server, Person::new(1), &code).await;
        let change = async |verb: &str, status: u16| {
            let path = format!("/api/rooms/{room}/{verb}");
            presenter
                .ask(&server.client, "POST", &path, &NOTHING)
                .await
                .expect(status)
        };
        let post = async |seed: u64| {
            member
                .post(&server.client, Run::new(&room, seed, server.now_ms()))
                .await
                .1
        };
        post(1).await.expect(201);
        assert_eq!(change("freeze", 200).await.json()["frozen"], true);
        assert_eq!(post(2).await.expect(409).code(), "room-shut");
        post(1).await.expect(200);
        change("thaw", 200).await;
        post(2).await.expect(201);
        change("close", 200).await;
        assert_eq!(post(3).await.expect(409).code(), "room-shut");
        assert_eq!(change("thaw", 409).await.code(), "room-closed");
        let late = Person::new(5)
            .ask(
                &server.client,
                "POST",
                "/api/rooms/join",
                &json!({"code": code}),
            )
            .await;
        late.expect(404);
        let table = format!("/api/boards/{room}");
        assert_eq!(
            member
                .ask(&server.client, "GET", &table, &NOTHING)
                .await
                .expect(200)
                .json()["total"],
            2
        );
        server.client.get(&table).await.expect(404);
        change("publish", 200).await;
        assert_eq!(
            server.client.get(&table).await.expect(200).json()["total"],
            2
        );
        let open_room = server
            .client
            .get(&format!("/api/rooms/{room}"))
            .await
            .expect(200)
            .json();
        assert_eq!(open_room["runs"], json!([]));
        server.stop().await;
    });
}

#[test]
fn a_removed_member_is_out_and_stays_out() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (room, code, presenter) = open(&server).await;
        let member = join(&server, Person::new(1), &code).await;
        let author = member.key().author();
        let path = format!("/api/rooms/{room}/members/{author}");
        presenter
            .ask(&server.client, "DELETE", &path, &NOTHING)
            .await
            .expect(204);
        let (_, answer) = member
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await;
        assert_eq!(answer.expect(401).code(), "token-ended");
        let again = Person::new(1)
            .ask(
                &server.client,
                "POST",
                "/api/rooms/join",
                &json!({"code": code}),
            )
            .await;
        again.expect(404);
        let members = presenter
            .ask(
                &server.client,
                "GET",
                &format!("/api/rooms/{room}/members"),
                &NOTHING,
            )
            .await;
        assert_eq!(members.expect(200).json()["members"][0]["revoked"], 1);
        server.stop().await;
    });
}

#[test]
fn a_room_ends_after_a_day_and_is_erased_after_thirty_more() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let (room, code, presenter) = open(&server).await;
        let member = join(&server, Person::new(1), &code).await;
        let (id, _) = member
            .post(&server.client, Run::new(&room, 1, server.now_ms()))
            .await;
        server.pass(DAY);
        let table = format!("/api/boards/{room}");
        assert_eq!(
            member
                .ask(&server.client, "GET", &table, &NOTHING)
                .await
                .expect(401)
                .code(),
            "token-ended"
        );
        Person::new(2)
            .ask(
                &server.client,
                "POST",
                "/api/rooms/join",
                &json!({"code": code}),
            )
            .await
            .expect(404);
        presenter
            .ask(&server.client, "GET", &table, &NOTHING)
            .await
            .expect(200);
        server.board.sweep().await.unwrap();
        presenter
            .ask(&server.client, "GET", &table, &NOTHING)
            .await
            .expect(200);
        server.pass(30 * DAY + 1);
        server.board.sweep().await.unwrap();
        presenter
            .ask(&server.client, "GET", &table, &NOTHING)
            .await
            .expect(401);
        let moderator =
            Person::anonymous().with_token(server.board.add_moderator("m", None).await.unwrap().1);
        moderator
            .ask(
                &server.client,
                "GET",
                &format!("/api/submissions/{id}"),
                &NOTHING,
            )
            .await
            .expect(404);
        server.stop().await;
    });
}

#[test]
fn a_full_room_takes_no_more() {
    on_each_engine(async |database| {
        let mut config = support::config(&database.url());
        config.limits.room_capacity = 2;
        let server = Server::with(config).await;
        let (_, code, _) = open(&server).await;
        for seed in 1..=2 {
            join(&server, Person::new(seed), &code).await;
        }
        join(&server, Person::new(2), &code).await;
        let answer = Person::new(3)
            .ask(
                &server.client,
                "POST",
                "/api/rooms/join",
                &json!({"code": code}),
            )
            .await;
        assert_eq!(answer.expect(409).code(), "room-full");
        server.stop().await;
    });
}

#[test]
fn three_hundred_viewers_see_a_row_within_a_second() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut viewers = Vec::new();
        for _ in 0..300 {
            viewers.push(Viewer::watch(&server.client, &Person::anonymous(), "open").await);
        }
        let waiting: Vec<_> = viewers
            .into_iter()
            .map(|mut viewer| {
                tokio::spawn(async move {
                    let (name, data) = viewer.next().await;
                    (Instant::now(), name, data)
                })
            })
            .collect();
        let (id, body) = Run::new("open", 1, server.now_ms()).sealed(Person::new(1).key());
        let begun = Instant::now();
        server
            .client
            .send("POST", "/api/submissions", &[], body)
            .await
            .expect(201);
        let mut last = Duration::ZERO;
        for one in waiting {
            let (when, name, data) = one.await.unwrap();
            assert!(name == "row" && data.contains(&id));
            last = last.max(when - begun);
        }
        eprintln!(
            "300 viewers: the last saw the row after {} ms",
            last.as_millis()
        );
        assert!(last < Duration::from_secs(1), "{last:?}");
        server.stop().await;
    });
}

#[test]
fn a_stream_ends_when_the_server_does() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut viewer = Viewer::watch(&server.client, &Person::anonymous(), "open").await;
        let begun = Instant::now();
        server.stop().await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(viewer.read().await, None);
    });
}
