//! Posting runs, and what comes of resending, deleting and restoring them.

mod support;

use support::{Person, Run, Server, on_each_engine};

const MINUTE: i64 = 60_000;

#[test]
fn a_posted_run_is_in_the_table_with_what_the_server_recomputed() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (id, answer) = Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        let receipt = answer.expect(201).json();
        assert_eq!(
            (receipt["id"].as_str(), receipt["trust"].as_str()),
            (Some(id.as_str()), Some("consistent"))
        );
        let table = server
            .client
            .get("/api/boards/open")
            .await
            .expect(200)
            .json();
        assert_eq!(table["total"], 1);
        let row = &table["rows"][0];
        assert_eq!(row["id"], id.as_str());
        assert_eq!(row["module_sha256"], "4d".repeat(32));
        let task = &row["tasks"][0];
        assert_eq!(
            (task["name"].as_str(), task["main"].as_str()),
            (Some("colours"), Some("acc_norm"))
        );
        assert_eq!(task["metrics"][0]["value"], row["average"]);
        assert_eq!(task["metrics"][0]["source"], "answers");
        let log = server
            .client
            .get(&format!("/api/submissions/{id}/log"))
            .await
            .expect(200);
        let (_, posted) = Run::new("open", 1, server.now_ms()).sealed(Person::new(1).key());
        assert_eq!(
            log.body, posted,
            "the log is what was posted, byte for byte"
        );
        let model = row["model"]["sha256"].as_str().unwrap();
        let runs = server
            .client
            .get(&format!("/api/models/{model}"))
            .await
            .expect(200)
            .json();
        assert_eq!(runs["rows"][0]["id"], id.as_str());
        server.stop().await;
    });
}

#[test]
fn a_resend_is_answered_as_the_first_and_stored_once() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let person = Person::new(1);
        let (_, first) = person
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        let first = first.expect(201).json();
        server.pass(MINUTE);
        let again = Run::new("open", 1, server.now_ms() - MINUTE);
        let (_, second) = person.post(&server.client, again).await;
        assert_eq!(second.expect(200).json(), first);
        let table = server.client.get("/api/boards/open").await.json();
        assert_eq!(table["total"], 1);
        server.stop().await;
    });
}

#[test]
fn five_resends_at_once_of_many_runs_give_one_row_each() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut posts = Vec::new();
        for seed in 0..40 {
            let (_, body) = Run::new("open", seed, server.now_ms()).sealed(Person::new(9).key());
            for _ in 0..5 {
                let (client, body) = (server.client.clone(), body.clone());
                posts.push(tokio::spawn(async move {
                    client
                        .send("POST", "/api/submissions", &[], body)
                        .await
                        .status
                }));
            }
        }
        let mut statuses = Vec::new();
        for post in posts {
            statuses.push(post.await.unwrap());
        }
        let count = |status| statuses.iter().filter(|one| **one == status).count();
        assert_eq!((count(201), count(200)), (40, 160));
        assert_eq!(
            server.client.get("/api/boards/open").await.json()["total"],
            40
        );
        server.stop().await;
    });
}

#[test]
fn a_nonce_or_a_key_of_another_body_is_refused() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let person = Person::new(1);
        person
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await
            .1
            .expect(201);
        let mut other = Run::new("open", 1, server.now_ms());
        other.envelope.model.merged = true;
        let (_, answer) = person.post(&server.client, other).await;
        assert_eq!(answer.code(), "nonce-used");
        answer.expect(409);
        let (_, body) = Run::new("open", 2, server.now_ms()).sealed(person.key());
        let wrong = [("idempotency-key", "0123")];
        let answer = server
            .client
            .send("POST", "/api/submissions", &wrong, body)
            .await
            .expect(409);
        assert_eq!(answer.code(), "idempotency-key-mismatch");
        assert_eq!(
            server.client.get("/api/boards/open").await.json()["total"],
            1
        );
        server.stop().await;
    });
}

#[test]
fn a_deleted_run_is_gone_at_once_and_can_come_back_for_ten_minutes() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let person = Person::new(1);
        let run = Run::new("open", 1, server.now_ms());
        let (id, _) = person.post(&server.client, run.clone()).await;
        let path = format!("/api/submissions/{id}");
        let restore = format!("{path}/restore");
        let nothing = serde_json::Value::Null;
        person
            .ask(&server.client, "DELETE", &path, &nothing)
            .await
            .expect(204);
        for gone in [
            path.clone(),
            format!("{path}/log"),
            format!("{path}/flags"),
            format!("{path}/checks"),
        ] {
            server.client.get(&gone).await.expect(404);
        }
        assert_eq!(
            server.client.get("/api/boards/open").await.json()["total"],
            0
        );
        let (_, answer) = person.post(&server.client, run.clone()).await;
        assert_eq!(
            answer.expect(410).code(),
            "deleted",
            "a deleted run is not taken again"
        );
        server.pass(9 * MINUTE);
        person
            .ask(&server.client, "POST", &restore, &nothing)
            .await
            .expect(204);
        server.client.get(&path).await.expect(200);
        // The deletion from before, sent again, is older than the restoration.
        let replay = server.client.at(server.now_ms() - 4 * MINUTE);
        let answer = person
            .ask(&replay, "DELETE", &path, &nothing)
            .await
            .expect(409);
        assert_eq!(answer.code(), "replayed");
        server.pass(1);
        person
            .ask(&server.client, "DELETE", &path, &nothing)
            .await
            .expect(204);
        server.pass(10 * MINUTE + 1);
        let answer = person.ask(&server.client, "POST", &restore, &nothing).await;
        assert_eq!(answer.expect(410).code(), "deleted");
        assert_eq!(server.board.sweep().await.unwrap(), 1);
        person
            .ask(&server.client, "POST", &restore, &nothing)
            .await
            .expect(404);
        let mut later = run;
        later.envelope.created = "2026-11-25T23:19:07Z".into();
        assert_ne!(
            later.clone().sealed(person.key()).0,
            id,
            "another run may be posted"
        );
        server.stop().await;
    });
}
