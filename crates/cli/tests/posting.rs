//! A run on its way to a board and back, with a board that this test serves.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jeoul_board::{Board, Config};
use jeoul_eval::bundled;
use jeoul_record::check::TaskSet;
use jeoul_record::signature::Key;
use jeoul_record::signed_request::{HEADER, sign};
use serde_json::{Value, json};
use support::{Done, TINY, command, done, folder, jeoul};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A board that serves until it is dropped, and the folder of somebody who posts to it.
struct Place {
    folder: PathBuf,
    url: String,
    _runtime: Runtime,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = folder(name);
        let catalog = bundled::catalog().unwrap();
        let tasks: TaskSet = ["jeoul_science", "jeoul_boolq_ko"]
            .map(|name| bundled::task(catalog.task(name).unwrap()).unwrap())
            .into_iter()
            .collect();
        let database = folder.join("board.sqlite");
        let config = Config::new(database.to_str().unwrap(), Arc::new(tasks));
        let runtime = Runtime::new().unwrap();
        let address = runtime.block_on(async {
            let board = Board::open(config).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { board.serve(listener, std::future::pending()).await });
            address
        });
        Self {
            folder,
            url: format!("http://{address}"),
            _runtime: runtime,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Scores the tiny checkpoint and keeps the run in `file`.
    fn record(&self, file: &str, arguments: &[&str]) -> String {
        let file = self.file(file);
        let eval = ["eval", "--model", TINY, "--record", &file, "--limit", "2"];
        let done = jeoul(&[&eval, arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        file
    }

    /// A verb of `board`, by somebody whose key lies in this folder.
    fn board(&self, arguments: &[&str]) -> Done {
        let mut command = command(&[&["board"], arguments].concat());
        command
            .env("JEOUL_CONFIG", self.folder.join("settings"))
            .stdin(Stdio::null());
        done(&command.output().unwrap())
    }

    /// A verb that asks this board.
    fn ask(&self, arguments: &[&str]) -> Done {
        self.board(&[arguments, &["--to", &self.url]].concat())
    }

    fn post(&self, file: &str, arguments: &[&str]) -> Done {
        let about = ["post", file, "--name", "Tiny", "--type", "pretrained"];
        self.ask(&[&about, arguments].concat())
    }

    /// What the board keeps of the run whose permalink a post printed.
    #[track_caller]
    fn kept(&self, posted: &Done) -> Value {
        let id = id(posted);
        let mut answer = ureq::get(format!("{}/api/submissions/{id}/log", self.url))
            .call()
            .unwrap();
        serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap()
    }
}

#[track_caller]
fn id(posted: &Done) -> String {
    assert_eq!(posted.code, Some(0), "{}", posted.stderr);
    let (_, id) = posted.stdout.trim_end().rsplit_once('/').unwrap();
    id.to_owned()
}

#[track_caller]
fn refused(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
    }
}

const SCIENCE: &[&str] = &["--tasks", "jeoul_science"];

#[test]
fn a_run_is_posted_at_each_level() {
    let place = Place::new("post-levels");
    let file = place.record("run.json", &["--tasks", "jeoul_science,jeoul_boolq_ko"]);
    for (level, label, documents) in [
        ("scores", "self-reported", 0),
        ("outcomes", "consistent", 2),
        ("outputs", "consistent", 2),
    ] {
        let posted = place.post(&file, &["--level", level, "--yes"]);
        let run = place.kept(&posted);
        let said = format!("the board calls it {label}\n");
        assert!(posted.stderr.ends_with(&said), "{}", posted.stderr);
        let tasks = run["envelope"]["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), 2);
        for task in tasks {
            let kept = task["documents"].as_array().map_or(0, Vec::len);
            assert_eq!((kept, &task["level"]), (documents, &json!(level)));
        }
        assert_eq!(run["envelope"]["lane"], json!({"kind": "cpu"}));
        assert_eq!(run["envelope"]["settings"]["limit"], 2);
    }
}

#[test]
fn what_its_owner_says_stands_in_the_post() {
    let place = Place::new("post-about");
    let file = place.record("run.json", &["--tasks", "jeoul_science,jeoul_boolq_ko"]);
    let said = [
        "--tasks",
        "jeoul_boolq_ko",
        "--licence",
        "MIT",
        "--merged",
        "--on-hub",
        "--yes",
    ];
    let run = place.kept(&place.post(&file, &said));
    let (model, tasks) = (&run["envelope"]["model"], &run["envelope"]["tasks"]);
    assert_eq!(
        json!([
            model["name"],
            model["licence"],
            model["merged"],
            model["on_hub"],
            model["type"]
        ]),
        json!(["Tiny", "MIT", true, true, "pretrained"])
    );
    assert_eq!(
        (tasks.as_array().map(Vec::len), &tasks[0]["name"]),
        (Some(1), &json!("jeoul_boolq_ko"))
    );
}

#[test]
fn posting_twice_stores_once_and_deleting_takes_it_back() {
    let place = Place::new("post-twice");
    let file = place.record("run.json", SCIENCE);
    let first = place.post(&file, &["--yes"]);
    let second = place.post(&file, &["--yes"]);
    assert_eq!((id(&first), &first.stdout), (id(&second), &second.stdout));
    let other = place.post(&file, &["--yes", "--licence", "MIT"]);
    assert_ne!(id(&first), id(&other));

    let run = id(&other);
    for (verb, status) in [("delete", 404), ("delete", 404), ("restore", 200)] {
        let done = place.ask(&[verb, &run]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let answer = ureq::get(format!("{}/api/submissions/{run}", place.url))
            .config()
            .http_status_as_error(false)
            .build()
            .call();
        assert_eq!(answer.unwrap().status(), status, "{verb}");
    }
    refused(&place.ask(&["delete", &"0".repeat(64)]), 1, &["not-found"]);
    refused(
        &place.ask(&["delete", "../rooms"]),
        2,
        &["64 hexadecimal digits"],
    );
    let mut stranger = Place::new("post-twice-stranger");
    stranger.url = place.url.clone();
    refused(
        &stranger.ask(&["delete", &run]),
        1,
        &["there is no key yet", "jeoul board post"],
    );
    id(&stranger.post(&file, &["--yes"]));
    refused(&stranger.ask(&["delete", &run]), 1, &["not-found"]);
}

#[test]
fn nothing_is_sent_before_somebody_agrees() {
    let place = Place::new("post-ask");
    let file = place.record("run.json", SCIENCE);
    let shown = place.post(&file, &["--show"]);
    refused(
        &shown,
        2,
        &["Tiny", "jeoul_science: 2 documents", "`--yes`"],
    );
    let bytes: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(bytes["envelope"]["model"]["name"], "Tiny");
    let mut table = ureq::get(format!("{}/api/boards/open", place.url))
        .call()
        .unwrap();
    let table: Value = serde_json::from_slice(&table.body_mut().read_to_vec().unwrap()).unwrap();
    assert_eq!(table["rows"], json!([]));
}

#[test]
fn texts_about_documents_of_ones_own_stay() {
    let place = Place::new("post-local");
    let task = "task: own\ntest_split: documents\noutput_type: generate_until\ndoc_to_text: \"{{q}}\"\ndoc_to_target: \"{{a}}\"\ngeneration_kwargs: {max_gen_toks: 4, until: [\"###\"]}\nmetric_list: [{metric: exact_match}]\n";
    fs::write(place.folder.join("own.yaml"), task).unwrap();
    let rows = "{\"q\": \"a secret\", \"a\": \"b\"}\n{\"q\": \"another secret\", \"a\": \"c\"}\n";
    fs::write(place.folder.join("documents.jsonl"), rows).unwrap();
    let data = place.folder.to_str().unwrap();
    let file = place.record(
        "run.json",
        &["--tasks", &place.file("own.yaml"), "--data_dir", data],
    );
    for (arguments, goes) in [(&[][..], false), (&["--local-texts"], true)] {
        let all = [&["--level", "outputs", "--yes"], arguments].concat();
        let run = place.kept(&place.post(&file, &all));
        let texts = &run["envelope"]["tasks"][0]["documents"][0]["texts"];
        assert_eq!(texts.is_array(), goes, "{run}");
        assert!(!run.to_string().contains("secret"));
    }
}

#[test]
fn a_run_goes_to_a_room_by_its_code() {
    let place = Place::new("post-room");
    let file = place.record("run.json", SCIENCE);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let body = json!({"name": "Class"}).to_string();
    let key = Key::from_secret(&[7; 32]);
    let time_ms = since.as_millis() as i64;
    let mut opened = ureq::post(format!("{}/api/rooms", place.url))
        .header(
            HEADER,
            sign(&key, "POST", "/api/rooms", time_ms, body.as_bytes()),
        )
        .content_type("application/json")
        .send(&body)
        .unwrap();
    let opened: Value = serde_json::from_slice(&opened.body_mut().read_to_vec().unwrap()).unwrap();
    let posted = place.post(
        &file,
        &["--room", opened["code"].as_str().unwrap(), "--yes"],
    );
    id(&posted);
    let room = opened["room"].as_str().unwrap();
    assert!(
        posted.stdout.contains(&format!("/#/board/{room}/run/")),
        "{}",
        posted.stdout
    );
    refused(
        &place.post(&file, &["--room", "0000000000", "--yes"]),
        1,
        &["not-found"],
    );
    refused(
        &place.post(&file, &["--room", "no code", "--yes"]),
        1,
        &["bad-code at `/code`"],
    );
}

#[test]
fn what_cannot_be_posted_is_named() {
    let place = Place::new("post-wrong");
    let file = place.record("run.json", SCIENCE);
    refused(
        &place.post(&place.file("none.json"), &["--yes"]),
        1,
        &["cannot read"],
    );
    refused(
        &place.post(TINY, &["--yes"]),
        1,
        &["tiny.gguf` cannot be posted", "--record"],
    );
    refused(
        &place.post(&file, &["--tasks", "gsm8k", "--yes"]),
        2,
        &["it has no task `gsm8k`"],
    );
    refused(
        &place.post(&file, &["--board", "none", "--yes"]),
        1,
        &["not-found"],
    );
    refused(
        &place.post(&file, &["--board", "a&b", "--yes"]),
        2,
        &["--board"],
    );
    let name = ["--name", "a\u{202e}b"];
    let about = ["post", &file, "--type", "pretrained", "--yes"];
    refused(
        &place.ask(&[&about[..], &name].concat()),
        1,
        &["would refuse it: text-bidi at `/envelope/model/name`"],
    );
    let nobody = [
        "post",
        &file,
        "--name",
        "T",
        "--type",
        "pretrained",
        "--yes",
        "--to",
    ];
    refused(
        &place.board(&[&nobody[..], &["http://127.0.0.1:1"]].concat()),
        1,
        &["did not answer"],
    );
    refused(
        &place.board(&[&nobody[..], &["ftp://x"]].concat()),
        2,
        &["https://"],
    );
    changed(&place, &file);
}

/// A score that the outcomes do not give is refused by the board, with its place.
fn changed(place: &Place, file: &str) {
    let mut draft: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    draft["tasks"][0]["record"]["metrics"][0]["value"] = json!(0.123);
    fs::write(file, draft.to_string()).unwrap();
    let pointer = "/envelope/tasks/0/metrics/0/value";
    refused(
        &place.post(file, &["--yes"]),
        1,
        &["aggregate-differs", pointer],
    );
}

#[test]
fn what_generations_were_asked_for_is_recorded() {
    let folder = folder("post-kwargs");
    let file = folder.join("run.json");
    let record = |kwargs: &str| {
        let run = [
            "eval",
            "--model",
            TINY,
            "--tasks",
            "jeoul_science",
            "--limit",
            "1",
            "--gen_kwargs",
            kwargs,
        ];
        jeoul(&[&run[..], &["--record", file.to_str().unwrap()]].concat())
    };
    let done = record(r#"{"temperature": 0.5, "max_tokens": 8, "until": "\n"}"#);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let recorded: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let asked = json!({"max_gen_toks": 8, "temperature": 0.5, "until": ["\n"]});
    assert_eq!(recorded["settings"]["gen_kwargs"], asked);
    refused(
        &record(r#"{"top_k": "many"}"#),
        2,
        &["--record", "--gen_kwargs"],
    );
}

#[test]
fn the_key_is_ones_own() {
    let place = Place::new("post-key");
    refused(&place.board(&["key"]), 1, &["there is no key yet"]);
    let file = place.record("run.json", SCIENCE);
    let run = place.kept(&place.post(&file, &["--yes"]));
    let shown = place.board(&["key"]);
    let public_key = run["public_key"].as_str().unwrap();
    assert!(shown.stdout.contains(public_key), "{}", shown.stdout);
    let path = place.folder.join("settings/board.key");
    let secret = fs::read_to_string(&path).unwrap();
    assert!(!shown.stdout.contains(&secret) && !shown.stderr.contains(&secret));
    private(&path);
    fs::write(&path, "none").unwrap();
    refused(&place.board(&["key"]), 1, &["holds no key"]);
}

/// Nobody else can read it, and one that others can read is not used.
#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    mode(0o644);
    let settings = path.parent().unwrap();
    let mut command = command(&["board", "key"]);
    refused(
        &done(&command.env("JEOUL_CONFIG", settings).output().unwrap()),
        1,
        &["chmod 600"],
    );
    mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &Path) {}
