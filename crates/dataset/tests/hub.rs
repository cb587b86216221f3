//! The hub, played by a server of this test's own: listing, redirect, refusals, and the cache.
#![cfg(feature = "native")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use jeoul_dataset::hub::Split;
use jeoul_dataset::native::{Cache, Client, find};
use pollster::block_on;

/// Status, more headers, body.
type Answer = (&'static str, String, Vec<u8>);

/// Answers by path, and notes every path that is asked for.
struct Hub {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(answers: impl Fn(&str) -> HashMap<&'static str, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers(&address);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_string();
                noted.lock().unwrap().push(path.clone());
                let none = ("404 Not Found", String::new(), Vec::new());
                let (status, headers, body) = answers.get(path.as_str()).unwrap_or(&none);
                let length = match headers.contains("Content-Length") {
                    true => String::new(),
                    false => format!("Content-Length: {}\r\n", body.len()),
                };
                let head =
                    format!("HTTP/1.1 {status}\r\n{length}{headers}Connection: close\r\n\r\n");
                _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(body));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// One column of text, two rows, written by pyarrow: {"q": "a"}, {"q": "b"}.
const PARQUET: &[u8] = include_bytes!("two_rows.parquet");

fn answers(address: &str) -> HashMap<&'static str, Answer> {
    let listing = format!(
        "{{\"main\": {{\"test\": [\"{address}/api/0.parquet\", \"{address}/api/1.parquet\"], \"short\": [\"{address}/cut\"], \"broken\": [\"{address}/broken\"]}}}}"
    );
    HashMap::from([
        (
            "/api/datasets/us/ours/parquet",
            ("200 OK", String::new(), listing.into_bytes()),
        ),
        (
            "/api/0.parquet",
            (
                "302 Found",
                "Location: /resolve/0.parquet\r\n".into(),
                Vec::new(),
            ),
        ),
        (
            "/resolve/0.parquet",
            ("200 OK", "X-Repo-Commit: abc\r\n".into(), PARQUET.to_vec()),
        ),
        (
            "/api/1.parquet",
            ("200 OK", String::new(), PARQUET.to_vec()),
        ),
        (
            "/cut",
            (
                "200 OK",
                format!("Content-Length: {}\r\n", PARQUET.len()),
                PARQUET[..9].to_vec(),
            ),
        ),
        ("/broken", ("200 OK", String::new(), b"<html>".to_vec())),
        (
            "/api/datasets/us/busy/parquet",
            (
                "429 Too Many Requests",
                "Retry-After: 7\r\n".into(),
                Vec::new(),
            ),
        ),
    ])
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    folder
}

fn split(dataset: &str, configuration: Option<&str>, split: &str) -> Split {
    Split {
        dataset: dataset.into(),
        configuration: configuration.map(String::from),
        split: split.into(),
    }
}

#[test]
fn a_split_is_fetched_file_by_file_once_and_then_read_from_the_cache() {
    let hub = Hub::start(answers);
    let cache = Cache::at(folder("cache"));
    let get = |address: &str| {
        let split = split("us/ours", None, "test");
        block_on(cache.documents(&mut Client::default(), address, &split)).unwrap()
    };
    let (documents, files) = get(&hub.address);
    let questions: Vec<(usize, &str)> = documents
        .rows
        .iter()
        .map(|row| (row.line, row.fields["q"].as_str().unwrap()))
        .collect();
    assert_eq!(questions, [(1, "a"), (2, "b"), (3, "a"), (4, "b")]);
    assert_eq!(files[0].sha256, jeoul_dataset::sha256(PARQUET));
    assert_eq!(files[0].commit.as_deref(), Some("abc"));
    assert_eq!(hub.asked(), 4);
    assert_eq!(get(&hub.address), (documents, files));
    assert_eq!(hub.asked(), 4, "the second run needs no network");
}

#[test]
fn a_kept_file_that_changed_is_fetched_anew() {
    let hub = Hub::start(answers);
    let place = folder("changed");
    let cache = Cache::at(place.clone());
    let split = split("us/ours", Some("main"), "test");
    let get = || block_on(cache.documents(&mut Client::default(), &hub.address, &split)).unwrap();
    let first = get();
    for entry in std::fs::read_dir(place.join("hub")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none() {
            std::fs::write(path, b"PAR1 and rubbish").unwrap();
        }
    }
    assert_eq!(get(), first);
}

#[test]
fn what_the_hub_refuses_is_said() {
    let hub = Hub::start(answers);
    let cache = Cache::at(folder("refused"));
    let error = |dataset: &str, configuration: Option<&str>, name: &str| {
        let split = split(dataset, configuration, name);
        let error = block_on(cache.documents(&mut Client::default(), &hub.address, &split));
        error.unwrap_err().to_string().replace(&hub.address, "HUB")
    };
    assert_eq!(
        error("us/none", None, "test"),
        "the hub has no dataset `us/none` that is open to all (status 404)"
    );
    assert_eq!(
        error("us/ours", Some("x"), "test"),
        "the dataset `us/ours` has no configuration `x`; it has `main`"
    );
    assert_eq!(
        error("us/ours", None, "dev"),
        "the dataset `us/ours` has no split `dev`; it has `broken`, `short`, `test`"
    );
    assert_eq!(error("us/busy", None, "test"), "the hub asks to wait 7 s");
    assert!(error("us/ours", None, "short").starts_with("`HUB/cut` cannot be reached: "));
    assert!(
        error("us/ours", None, "broken")
            .starts_with("`HUB/broken.parquet` is no Parquet file that can be read: ")
    );
    let gone = split("us/ours", None, "test");
    let error =
        block_on(cache.documents(&mut Client::default(), "http://127.0.0.1:1", &gone)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`http://127.0.0.1:1/api/datasets/us/ours/parquet` cannot be reached: ")
    );
}

#[test]
fn a_folder_is_searched_in_a_known_order() {
    let folder = folder("data");
    let put = |name: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    };
    let found = || {
        let found = find(&folder, "t", Some("c"), "test").map_err(|error| error.to_string());
        found.map(|path| path.strip_prefix(&folder).unwrap().display().to_string())
    };
    let missing = "has no documents of `t` for the split `test`; looked for `t.test.*`, `c/test.*`, `c.test.*`, `test.*`, `test-00000-of-00001.*`";
    assert_eq!(found(), Err(format!("`{}` {missing}", folder.display())));
    for name in [
        "test-00000-of-00001.parquet",
        "test.csv",
        "c.test.json",
        "c/test.jsonl",
        "t.test.jsonl",
    ] {
        put(name);
        assert_eq!(found(), Ok(name.into()));
    }
    put("t.test.csv");
    assert!(
        found()
            .unwrap_err()
            .contains("has several files for the split `test` of `t`: ")
    );
}
