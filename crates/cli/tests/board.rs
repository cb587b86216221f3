//! `jeoul serve` and `jeoul board` as their user has them: processes, a database, and runs that the tiny checkpoint really computed.
#![cfg(feature = "board")]

#[path = "support/posted.rs"]
mod posted;
#[path = "../../board/tests/support/postgres.rs"]
#[allow(dead_code, reason = "the board's own tests use the rest")]
mod postgres;
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use jeoul_eval::RunOptions;
use posted::Posted;
use serde_json::Value;
use support::{Done, command, folder, jeoul, json};

/// A served board, which ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(database: &Path, more: &[&str]) -> Self {
        let database = database.to_str().unwrap();
        let mut arguments = vec!["serve", "--port", "0", "--rates", "off"];
        arguments.extend(["--database", database]);
        arguments.extend(more);
        let mut command = command(&arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url }
    }

    /// Posts a run; gives its id.
    fn post(&self, run: Posted) -> String {
        let (id, body) = run.sealed();
        let url = format!("{}/api/submissions", self.url);
        let request = ureq::post(url).header("content-type", "application/json");
        assert_eq!(request.send(&body[..]).unwrap().status(), 201);
        id
    }

    fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        let mut answer = ureq::get(url).call().unwrap();
        json(&answer.body_mut().read_to_string().unwrap())
    }

    /// A run's label, and whether somebody disputes it.
    fn trust(&self, id: &str) -> (String, bool) {
        let row = self.get(&format!("/api/submissions/{id}"));
        let label = row["trust"].as_str().unwrap().to_owned();
        (label, row["disputed"].as_bool().unwrap())
    }

    /// The status with which the moderators' queue answers a token.
    fn queue(&self, token: &str) -> u16 {
        let request = ureq::get(format!("{}/api/moderation", self.url));
        let bearer = format!("Bearer {token}");
        match request.header("authorization", bearer).call() {
            Ok(answer) => answer.status().as_u16(),
            Err(ureq::Error::StatusCode(status)) => status,
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends it as a service manager does.
    #[cfg(unix)]
    fn stop(mut self) {
        let id = self.child.id().to_string();
        let told = std::process::Command::new("kill").arg(id).status();
        assert!(told.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// `jeoul board …` on a database.
fn board(work: &[&str], database: &Path) -> Done {
    let mut arguments = vec!["board"];
    arguments.extend(work);
    arguments.extend(["--database", database.to_str().unwrap()]);
    jeoul(&arguments)
}

#[track_caller]
fn ok(done: Done) -> String {
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done.stdout
}

fn with_examples() -> RunOptions {
    RunOptions {
        num_fewshot: Some(2),
        seed: 7,
        limit: Some(40),
        ..RunOptions::default()
    }
}

#[test]
fn a_run_is_verified_and_a_forged_one_is_found() {
    let database = folder("board-verified").join("board.sqlite");
    let server = Server::start(&database, &[]);
    let honest = Posted::new("jeoul_science", &with_examples(), 1);
    let mut forged = honest.clone().again(2);
    for document in &mut forged.envelope.tasks[0].documents {
        // No other choice is taken, so that every metric still follows.
        document.loglikelihoods[0] -= 1e-9;
    }
    let (honest, forged) = (server.post(honest), server.post(forged));
    assert_eq!(server.trust(&honest), ("consistent".into(), false));

    let checked = ok(board(&["verify", "--models", "models"], &database));
    assert!(checked.contains(&format!("{honest} agrees: ")), "{checked}");
    let lie = format!("{forged} disagrees: ");
    assert!(checked.contains(&lie), "{checked}");
    assert_eq!(server.trust(&honest), ("verified".into(), false));
    assert_eq!(server.trust(&forged), ("consistent".into(), true));

    let again = board(&["verify", &honest, "--models", "models"], &database);
    assert_eq!(again.code, Some(1));
    assert!(
        again
            .stderr
            .contains("has been checked by the board: agrees")
    );
}

#[test]
fn what_cannot_be_asked_again_is_not_called_forged() {
    let database = folder("board-refused").join("board.sqlite");
    let server = Server::start(&database, &[]);
    let instructed = RunOptions {
        system_instruction: Some("Answer.".into()),
        ..with_examples()
    };
    let instructed = server.post(Posted::new("jeoul_science", &instructed, 1));
    let mut unknown = Posted::new("jeoul_science", &with_examples(), 2);
    unknown.envelope.model.sha256 = "ab".repeat(32);
    let unknown = server.post(unknown);
    let mut newer = Posted::new("jeoul_science", &with_examples(), 3);
    newer.envelope.engine.version = "9.0.0".into();
    let newer = server.post(newer);
    for (id, reason) in [
        (
            &instructed,
            "the run had a system instruction, which is not sent",
        ),
        (&unknown, "`models` has no checkpoint whose SHA-256 is abab"),
        (&newer, "the run was computed by version 9.0.0"),
    ] {
        let refused = board(&["verify", id, "--models", "models"], &database);
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        assert_eq!(server.trust(id), ("consistent".into(), false));
    }
}

#[test]
fn a_served_board_verifies_by_itself() {
    let conversations = RunOptions {
        apply_chat_template: true,
        fewshot_as_multiturn: true,
        num_fewshot: Some(1),
        limit: Some(2),
        ..RunOptions::default()
    };
    let runs = [
        Posted::new("jeoul_science", &with_examples(), 1).on("class"),
        Posted::new("jeoul_science", &conversations, 2).on("class"),
        Posted::new("gsm8k", &conversations, 3).on("class"),
    ];
    // The newest one is tried first, fails, and is not in the way of the others.
    let mut unknown = runs[0].clone().again(4);
    unknown.envelope.model.sha256 = "ab".repeat(32);

    let database = folder("board-background").join("board.sqlite");
    let server = Server::start(&database, &["--verify", "models", "--board", "class"]);
    let ids = runs.map(|run| server.post(run));
    let unknown = server.post(unknown);
    let begin = Instant::now();
    for id in &ids {
        while server.trust(id).0 != "verified" {
            assert!(begin.elapsed() < Duration::from_secs(20), "{id}");
            sleep(Duration::from_millis(100));
        }
    }
    assert_eq!(server.trust(&unknown), ("consistent".into(), false));
    #[cfg(unix)]
    server.stop();
}

#[test]
fn moderators_come_and_go_while_the_board_is_served() {
    let database = folder("board-moderators").join("board.sqlite");
    let server = Server::start(&database, &[]);
    let added = ok(board(&["moderator", "add", "김 조교"], &database));
    let word = |name: &str| {
        let line = added.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    let (id, token) = (word("id "), word("token "));
    assert_eq!(server.queue(&token), 200);
    let listed = ok(board(&["moderator", "list"], &database));
    assert!(
        listed.starts_with(&id) && listed.contains("김 조교"),
        "{listed}"
    );
    assert!(!listed.contains(&token));

    ok(board(&["moderator", "remove", &id], &database));
    assert_eq!(server.queue(&token), 401);
    assert_eq!(ok(board(&["moderator", "list"], &database)), "");
    assert_eq!(
        board(&["moderator", "remove", &id], &database).code,
        Some(2)
    );
    let log = ok(board(&["audit"], &database));
    assert!(log.starts_with("2 entries, "), "{log}");
}

#[test]
fn a_board_is_copied_to_a_file_and_to_other_databases() {
    let place = folder("board-copied");
    let database = place.join("board.sqlite");
    let server = Server::start(&database, &[]);
    let id = server.post(Posted::new("jeoul_science", &with_examples(), 1));
    let hash = |told: &str| told.trim().rsplit(' ').next().unwrap().to_owned();

    let file = place.join("board.jsonl");
    let file = file.to_str().unwrap();
    let exported = hash(&ok(board(&["export", file], &database)));
    assert_eq!(exported.len(), 64);
    assert_eq!(
        board(&["export", file], &database).code,
        Some(1),
        "it is there"
    );
    let imported = place.join("imported.sqlite");
    assert_eq!(hash(&ok(board(&["import", file], &imported))), exported);
    let full = board(&["import", file], &imported);
    assert_eq!(full.code, Some(1));
    assert!(full.stderr.contains("is not empty"), "{}", full.stderr);
    let none = board(&["export", "x.jsonl"], &place.join("none.sqlite"));
    assert_eq!(none.code, Some(2));
    assert!(!place.join("none.sqlite").exists());

    let migrate = |to: &str| {
        let from = database.to_str().unwrap();
        hash(&ok(jeoul(&["board", "migrate", from, to])))
    };
    let copy = place.join("copy.sqlite");
    assert_eq!(migrate(copy.to_str().unwrap()), exported);
    assert!(Server::start(&copy, &[]).get(&format!("/api/submissions/{id}"))["trust"].is_string());
    match postgres::Cluster::shared() {
        Some(cluster) => {
            cluster.create("copy");
            assert_eq!(migrate(&cluster.url("copy")), exported);
        }
        None => eprintln!("skipped on PostgreSQL: no `initdb` in /usr/lib/postgresql/*/bin"),
    }

    let mut text = fs::read_to_string(file).unwrap();
    text = text.replacen("jeoul_science", "jeoul_physics", 1);
    fs::write(file, text).unwrap();
    let changed = board(&["import", file], &place.join("changed.sqlite"));
    assert_eq!(changed.code, Some(1));
}
