//! Flags, moderators, and the audit table behind them.

mod support;

use jeoul_board::AuditState;
use serde_json::{Value as Json, json};
use support::{Person, Run, Server, on_each_engine};

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOTHING: Json = Json::Null;

fn flag(note: &str) -> Json {
    json!({"reason": "contamination", "link": "https://example.org/1", "note": note})
}

#[test]
fn three_known_keys_hide_a_run_and_a_moderator_decides() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        for seed in 2..=4 {
            Person::new(seed)
                .post(
                    &server.client,
                    Run::new("open", u64::from(seed), server.now_ms()),
                )
                .await
                .1
                .expect(201);
        }
        server.pass(DAY + 1);
        let author = Person::new(1);
        let (id, answer) = author
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        answer.expect(201);
        let path = format!("/api/submissions/{id}");
        let flags = format!("{path}/flags");
        let shown = async || server.client.get(&path).await.status == 200;
        for stranger in 10..20 {
            let receipt = Person::new(stranger)
                .ask(&server.client, "POST", &flags, &flag("new"))
                .await
                .expect(201)
                .json();
            assert_eq!(receipt["counts"], false);
        }
        assert!(shown().await, "ten keys made a minute ago hide nothing");
        let own = author
            .ask(&server.client, "POST", &flags, &flag("mine"))
            .await
            .expect(201)
            .json();
        assert_eq!(own["counts"], false);
        for seed in 2..=4 {
            let receipt = Person::new(seed)
                .ask(&server.client, "POST", &flags, &flag("known"))
                .await
                .expect(201)
                .json();
            assert_eq!(
                (receipt["counts"].as_bool(), receipt["hidden"].as_bool()),
                (Some(true), Some(seed == 4))
            );
        }
        Person::new(2)
            .ask(&server.client, "POST", &flags, &flag("twice"))
            .await
            .expect(404);
        assert!(!shown().await);
        assert_eq!(
            server.client.get("/api/boards/open").await.json()["total"],
            3
        );

        author
            .ask(
                &server.client,
                "POST",
                &format!("{path}/appeal"),
                &json!({"note": "it was not in the training set"}),
            )
            .await
            .expect(204);
        let (_, token) = server.board.add_moderator("kim", None).await.unwrap();
        let moderator = Person::anonymous().with_token(token);
        let queue = moderator
            .ask(&server.client, "GET", "/api/moderation", &NOTHING)
            .await
            .expect(200)
            .json();
        assert_eq!(queue["waiting"][0]["id"], id.as_str());
        let row = author.ask(&server.client, "GET", &path, &NOTHING).await;
        let model = &row.expect(200).json()["model"];
        assert_eq!(queue["waiting"][0]["model_name"], model["name"]);
        assert_eq!(queue["waiting"][0]["model_hash"], model["sha256"]);
        assert_eq!(
            queue["waiting"][0]["appeal"],
            "it was not in the training set"
        );
        moderator
            .ask(
                &server.client,
                "POST",
                &format!("{path}/show"),
                &json!({"reason": "unfounded"}),
            )
            .await
            .expect(204);
        assert!(shown().await);
        let log = server.client.get(&flags).await.expect(200).json();
        assert!(
            log["flags"]
                .as_array()
                .unwrap()
                .iter()
                .all(|flag| flag["dismissed"] == 1)
        );
        moderator
            .ask(
                &server.client,
                "POST",
                &format!("{path}/hide"),
                &json!({"reason": "forged after all"}),
            )
            .await
            .expect(204);
        assert!(!shown().await);
        moderator
            .ask(
                &server.client,
                "DELETE",
                &path,
                &json!({"reason": "asked for by its licence's owner"}),
            )
            .await
            .expect(204);
        let audit = server.client.get("/api/audit").await.expect(200).json();
        let last = audit["entries"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&last["action"], &last["detail"]),
            (&json!("delete"), &json!("asked for by its licence's owner"))
        );
        let empty = json!({"reason": ""});
        let answer = moderator.ask(&server.client, "DELETE", &path, &empty).await;
        assert_eq!(answer.expect(422).code(), "text-empty");
        server.stop().await;
    });
}

#[test]
fn a_moderator_s_session_is_a_cookie_that_other_pages_cannot_use() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let own = Person::new(1);
        let (moderator, token) = server
            .board
            .add_moderator("lee", Some(&own.key().public_key()))
            .await
            .unwrap();
        let (id, _) = own
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        let login = Person::anonymous()
            .ask(
                &server.client,
                "POST",
                "/api/moderator/session",
                &json!({"token": token}),
            )
            .await
            .expect(201);
        let set = login.headers["set-cookie"].to_str().unwrap().to_owned();
        for part in [
            "__Host-jeoul-moderator=s_",
            "; Path=/;",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Strict",
        ] {
            assert!(set.contains(part), "{set}");
        }
        // With an age it would lie on the disk of a shared computer.
        assert!(!set.contains("Max-Age"), "{set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        let hide = format!("/api/submissions/{id}/hide");
        let body = json!({"reason": "r"}).to_string();
        let ask = async |method: &str, path: &str, site: Option<&str>, body: &str| {
            let mut headers = vec![("cookie", cookie.as_str())];
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            server
                .client
                .send(method, path, &headers, body.as_bytes().to_vec())
                .await
        };
        ask("GET", "/api/moderation", None, "").await.expect(200);
        for site in [None, Some("cross-site"), Some("same-site"), Some("none")] {
            assert_eq!(
                ask("POST", &hide, site, &body).await.expect(403).code(),
                "other-origin",
                "{site:?}"
            );
        }
        assert_eq!(
            ask("POST", &hide, Some("same-origin"), &body)
                .await
                .expect(403)
                .code(),
            "own-run"
        );
        assert!(server.board.revoke_moderator(&moderator).await.unwrap());
        ask("GET", "/api/moderation", None, "").await.expect(404);
        let gone = Person::anonymous()
            .with_token(&token)
            .ask(&server.client, "GET", "/api/moderation", &NOTHING)
            .await;
        assert_eq!(gone.expect(401).code(), "token-ended");
        server.pass(DAY);
        server.stop().await;
    });
}

#[test]
fn the_audit_table_is_chained_and_only_grows() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (id, _) = Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        Person::new(2)
            .ask(
                &server.client,
                "POST",
                &format!("/api/submissions/{id}/flags"),
                &flag("f"),
            )
            .await
            .expect(201);
        server.board.add_moderator("park", None).await.unwrap();
        Person::new(1)
            .ask(
                &server.client,
                "DELETE",
                &format!("/api/submissions/{id}"),
                &NOTHING,
            )
            .await
            .expect(204);
        let AuditState::Whole { entries, head } = server.board.verify_audit().await.unwrap() else {
            panic!("whole")
        };
        assert_eq!(entries, 3);
        let public = server
            .client
            .get("/api/audit?after=1")
            .await
            .expect(200)
            .json();
        let actions: Vec<&str> = public["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["action"].as_str().unwrap())
            .collect();
        assert_eq!(actions, ["add-moderator", "delete"]);
        assert_eq!(public["entries"][1]["hash"], head.as_str());

        sqlx::any::install_default_drivers();
        let url = match database.url() {
            file if file.starts_with('/') => format!("sqlite://{file}"),
            url => url,
        };
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        for sql in [
            "UPDATE audit SET detail = 'x' WHERE number = 1",
            "DELETE FROM audit WHERE number = 3",
        ] {
            assert!(sqlx::query(sql).execute(&pool).await.is_err(), "{sql}");
        }
        // Whoever owns the database can take the triggers away; then the chain tells.
        let drop = if url.starts_with("sqlite") {
            "DROP TRIGGER audit_keeps_entries"
        } else {
            "DROP TRIGGER audit_keeps_entries ON audit"
        };
        sqlx::query(drop).execute(&pool).await.unwrap();
        sqlx::query("UPDATE audit SET actor = 'nobody' WHERE number = 2")
            .execute(&pool)
            .await
            .unwrap();
        let broken = server.board.verify_audit().await.unwrap();
        assert!(
            matches!(broken, AuditState::Broken { number: 2, .. }),
            "{broken:?}"
        );
        pool.close().await;
        server.stop().await;
    });
}

#[test]
fn many_runs_go_in_one_act() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let moderator_key = Person::new(9).key().public_key();
        let (_, token) = server
            .board
            .add_moderator("mod", Some(&moderator_key))
            .await
            .unwrap();
        let moderator = Person::anonymous().with_token(token);
        let mut models = Vec::new();
        let mut ids = Vec::new();
        for (author, seed) in [(1, 1), (1, 2), (2, 3), (9, 4)] {
            let mut run = Run::new("open", seed, server.now_ms());
            if seed >= 3 {
                run.envelope.model.sha256 = "ab".repeat(32);
            }
            models.push(run.envelope.model.sha256.clone());
            let (id, answer) = Person::new(author).post(&server.client, run).await;
            answer.expect(201);
            ids.push(id);
        }
        let bulk = async |action: &str, by: &str, value: &str| {
            let body = json!({"action": action, "by": by, "value": value, "reason": "spam"});
            let path = "/api/moderation/bulk";
            moderator.ask(&server.client, "POST", path, &body).await
        };
        let shown = async || {
            let mut shown = Vec::new();
            for id in &ids {
                let path = format!("/api/submissions/{id}");
                shown.push(server.client.get(&path).await.status == 200);
            }
            shown
        };
        let acts = async || {
            let AuditState::Whole { entries, .. } = server.board.verify_audit().await.unwrap()
            else {
                panic!("the chain is broken");
            };
            entries
        };
        let before = acts().await;
        let author = Person::new(1).key().author();
        let done = bulk("hide", "key", &author).await.expect(200).json();
        assert_eq!(done["runs"], 2);
        assert_eq!(shown().await, [false, false, true, true]);
        assert_eq!(acts().await, before + 1, "one act for both");
        let again = bulk("hide", "key", &author).await.expect(200).json();
        assert_eq!(again["runs"], 0);
        assert_eq!(
            acts().await,
            before + 1,
            "nothing changed, nothing is noted"
        );
        // The fourth is the moderator's own.
        let done = bulk("delete", "model", &models[2]).await.expect(200).json();
        assert_eq!(done["runs"], 1);
        assert_eq!(shown().await, [false, false, false, true]);
        assert_eq!(acts().await, before + 2);
        let restore = format!("/api/submissions/{}/restore", ids[2]);
        moderator
            .ask(&server.client, "POST", &restore, &NOTHING)
            .await
            .expect(204);
        assert_eq!(shown().await, [false, false, true, true]);

        for (action, by, value, code) in [
            ("hide", "key", "' OR 1=1", "bad-name"),
            ("hide", "room", "open", "bad-name"),
            ("hide", "model", "AB", "bad-name"),
            ("show", "key", author.as_str(), "wrong-type"),
            ("hide", "board", author.as_str(), "wrong-type"),
        ] {
            let answer = bulk(action, by, value).await;
            assert_eq!((answer.status, answer.code().as_str()), (422, code), "{by}");
        }
        server.stop().await;
    });
}
