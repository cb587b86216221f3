//! Item logs outside the database: in memory, in a folder and, with the feature `s3`, behind the real client of S3.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::TryStreamExt as _;
use jeoul_board::{Board, Logs, LogsError, TransferError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::Value as Json;
use sqlx::Row;
use support::unsteady::Unsteady;
use support::{Database, Person, Run, Server, config, on_each_engine};

const MINUTE: i64 = 60_000;

/// A folder that goes with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("jeoul-logs-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn logs(&self) -> Logs {
        let address = format!("file://{}", self.0.to_str().unwrap());
        Logs::with_variables(&address, []).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn memory() -> Logs {
    Logs::Objects(Arc::new(InMemory::new()))
}

async fn names(logs: &Logs) -> Vec<String> {
    let Logs::Objects(store) = logs else {
        panic!("{logs:?}");
    };
    let found: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = found.iter().map(|one| one.location.to_string()).collect();
    names.sort();
    names
}

async fn start(database: &Database, logs: &Logs) -> Server {
    let mut config = config(&database.url());
    config.logs = logs.clone();
    // Less than the time for which a run is taken, so that an erased one can be posted again.
    config.limits.undo = std::time::Duration::from_secs(60);
    Server::with(config).await
}

/// Rows of `blobs`, and of `submissions`.
async fn rows(database: &Database) -> (i64, i64) {
    let url = match database {
        Database::Sqlite(_) => format!("sqlite://{}", database.url()),
        Database::Postgres(..) => database.url(),
    };
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    let sql = "SELECT (SELECT COUNT(*) FROM blobs), (SELECT COUNT(*) FROM submissions)";
    let row = sqlx::query(sql).fetch_one(&pool).await.unwrap();
    pool.close().await;
    (row.get(0), row.get(1))
}

async fn delete(server: &Server, author: &Person, id: &str) {
    let path = format!("/api/submissions/{id}");
    let answer = author.ask(&server.client, "DELETE", &path, &Json::Null);
    answer.await.expect(204);
}

#[track_caller]
fn name_of(bytes: &[u8]) -> String {
    let hash = jeoul_record::canonical::sha256(bytes);
    format!("{}/{hash}", &hash[..2])
}

/// What a log goes through, wherever it lies.
async fn lives_and_dies(database: &Database, logs: &Logs) {
    let mut server = start(database, logs).await;
    let author = Person::new(1);
    let run = Run::new("open", 1, server.now_ms());
    let posted = run.clone().sealed(author.key()).1;
    let (id, answer) = author.post(&server.client, run.clone()).await;
    answer.expect(201);
    author.post(&server.client, run.clone()).await.1.expect(200);
    assert_eq!(names(logs).await, [name_of(&posted)]);
    assert_eq!(rows(database).await, (0, 1));
    let path = format!("/api/submissions/{id}/log");
    assert_eq!(server.client.get(&path).await.expect(200).body, posted);

    delete(&server, &author, &id).await;
    server.pass(2 * MINUTE);
    assert_eq!(server.board.sweep().await.unwrap(), 1);
    assert_eq!(names(logs).await, [] as [&str; 0]);
    assert_eq!(rows(database).await, (0, 0));
    // It stays deleted, and its log does not come back.
    author.post(&server.client, run).await.1.expect(410);
    assert_eq!(names(logs).await, [] as [&str; 0]);
    server.stop().await;
}

#[test]
fn a_log_is_put_read_and_erased_with_its_row() {
    on_each_engine(async |database| lives_and_dies(database, &memory()).await);
}

#[test]
fn a_log_is_put_read_and_erased_in_a_folder() {
    on_each_engine(async |database| {
        let folder = Folder::new("lives");
        lives_and_dies(database, &folder.logs()).await;
    });
}

#[test]
fn a_store_that_fails_leaves_nothing_behind() {
    on_each_engine(async |database| {
        let unsteady = Unsteady::default();
        let broken = unsteady.broken();
        let logs = Logs::Objects(Arc::new(unsteady));
        let server = start(database, &logs).await;
        let author = Person::new(1);
        let run = Run::new("open", 1, server.now_ms());
        broken.store(true, Ordering::Relaxed);
        let (id, answer) = author.post(&server.client, run.clone()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "storage-failed")
        );
        assert!(answer.headers.contains_key("retry-after"));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("secret-bucket"), "{text}");
        let path = format!("/api/submissions/{id}");
        server.client.get(&path).await.expect(404);
        assert_eq!(rows(database).await, (0, 0));
        assert_eq!(names(&logs).await, [] as [&str; 0]);

        broken.store(false, Ordering::Relaxed);
        author.post(&server.client, run).await.1.expect(201);
        broken.store(true, Ordering::Relaxed);
        server.client.get(&path).await.expect(200);
        let unread = server.client.get(&format!("{path}/log")).await;
        assert_eq!(
            (unread.status, unread.code().as_str()),
            (503, "storage-failed")
        );
        server.stop().await;
    });
}

#[test]
fn a_damaged_log_is_not_shown() {
    on_each_engine(async |database| {
        let store = Arc::new(InMemory::new());
        let logs = Logs::Objects(store.clone());
        let server = start(database, &logs).await;
        let (id, answer) = Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        answer.expect(201);
        let name = Path::from(names(&logs).await.remove(0));
        let other = zstd::bulk::compress(b"{}", 3).unwrap();
        for bytes in [other, b"no zstd".to_vec(), Vec::new()] {
            store.put(&name, bytes.into()).await.unwrap();
            let answer = server
                .client
                .get(&format!("/api/submissions/{id}/log"))
                .await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (503, "storage-failed")
            );
        }
        store.delete(&name).await.unwrap();
        server
            .client
            .get(&format!("/api/submissions/{id}/log"))
            .await
            .expect(404);
        server.stop().await;
    });
}

#[test]
fn logs_without_a_row_go_after_an_hour_and_others_stay() {
    on_each_engine(async |database| {
        let store = Arc::new(InMemory::new());
        let logs = Logs::Objects(store.clone());
        let mut server = start(database, &logs).await;
        let author = Person::new(1);
        for seed in 1..=3 {
            let run = Run::new("open", seed, server.now_ms());
            author.post(&server.client, run).await.1.expect(201);
        }
        let kept = names(&logs).await;
        // The store tells the time by the system's clock.
        let system = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        server.pass(system.as_millis() as i64 - server.now_ms());
        let folder = (server.now_ms() / MINUTE % 256) as u8;
        let orphan = format!("{folder:02x}/{folder:02x}{}", "0".repeat(62));
        let foreign = format!("{folder:02x}/readme.txt");
        for name in [&orphan, &foreign] {
            store
                .put(&Path::from(name.as_str()), "x".into())
                .await
                .unwrap();
        }
        server.board.sweep().await.unwrap();
        assert!(names(&logs).await.contains(&orphan), "it may be on its way");
        for _ in 0..256 {
            server.pass(MINUTE);
            server.board.sweep().await.unwrap();
        }
        let mut expected = [kept, vec![foreign]].concat();
        expected.sort();
        assert_eq!(names(&logs).await, expected);
        server.stop().await;
    });
}

#[test]
fn a_board_gives_one_hash_wherever_its_logs_lie() {
    on_each_engine(async |database| {
        let outside = memory();
        // Three runs while logs lay in the database, two after they were moved out of it.
        let mut server = Server::start(database).await;
        for seed in 1..=5 {
            if seed == 4 {
                server.stop().await;
                server = start(database, &outside).await;
            }
            let run = Run::new("open", seed, server.now_ms());
            Person::new(1).post(&server.client, run).await.1.expect(201);
        }
        assert_eq!(rows(database).await, (3, 5));
        assert_eq!(names(&outside).await.len(), 2);
        let mut file = std::io::Cursor::new(Vec::new());
        let hash = server.board.export(&mut file).await.unwrap().hash;

        let folder = Folder::new("hash");
        for (logs, in_database) in [(memory(), 0), (folder.logs(), 0), (Logs::Database, 5)] {
            let there = Database::sqlite();
            let mut config = config(&there.url());
            config.logs = logs.clone();
            let copy = Board::open(config).await.unwrap();
            assert_eq!(server.board.migrate(&copy).await.unwrap().hash, hash);
            let mut again = std::io::Cursor::new(Vec::new());
            copy.export(&mut again).await.unwrap();
            assert!(again.get_ref() == file.get_ref(), "{logs:?}");
            copy.close().await;
            assert_eq!(rows(&there).await, (in_database, 5));
            if in_database == 0 {
                assert_eq!(names(&logs).await.len(), 5);
            }
        }
        server.stop().await;
    });
}

#[test]
fn an_import_that_fails_takes_back_its_logs_and_no_others() {
    on_each_engine(async |database| {
        let own = Database::sqlite();
        let server = Server::start(&own).await;
        for seed in 1..=40 {
            let run = Run::new("open", seed, server.now_ms());
            Person::new(1).post(&server.client, run).await.1.expect(201);
        }
        let mut file = std::io::Cursor::new(Vec::new());
        server.board.export(&mut file).await.unwrap();
        server.stop().await;
        let text = String::from_utf8(file.into_inner()).unwrap();

        let store = Arc::new(InMemory::new());
        let logs = Logs::Objects(store.clone());
        // One of its logs is there already.
        let line: Json = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
        let hash = line["hash"].as_str().unwrap();
        let name = format!("{}/{hash}", &hash[..2]);
        store
            .put(&Path::from(name.as_str()), "x".into())
            .await
            .unwrap();

        let mut config = config(&database.url());
        config.logs = logs.clone();
        let copy = Board::open(config).await.unwrap();
        for (kind, bad) in [
            ("cut", text[..text.len() * 3 / 4].to_owned()),
            (
                "a score changed",
                text.replacen("\"trust\":1", "\"trust\":3", 1),
            ),
            (
                "a log's name changed",
                text.replacen(hash, &"0".repeat(64), 1),
            ),
            (
                "a name that is none",
                text.replacen(hash, "../../etc/passwd", 1),
            ),
            (
                "a size changed",
                text.replacen("\"size_bytes\":", "\"size_bytes\":1", 1),
            ),
        ] {
            assert_ne!(bad, text, "{kind}");
            let outcome = copy.import(&mut bad.as_bytes()).await;
            let expected = matches!(
                outcome,
                Err(TransferError::Line { .. } | TransferError::Hash { .. })
            );
            assert!(expected, "{kind}: {outcome:?}");
            assert_eq!(names(&logs).await, [name.as_str()], "{kind}");
            assert_eq!(rows(database).await, (0, 0), "{kind}");
        }
        copy.import(&mut text.as_bytes()).await.unwrap();
        assert_eq!(names(&logs).await.len(), 40);
        copy.close().await;
    });
}

#[test]
fn err_addresses() {
    for (address, says) in [
        ("logs", "no place"),
        ("http://example.org/logs", "no place"),
        ("file://host/logs", "no place"),
        ("file:///proc/none/logs", "cannot be made"),
    ] {
        let error = Logs::with_variables(address, []).unwrap_err();
        assert!(error.to_string().contains(says), "{address}: {error}");
    }
    if cfg!(not(feature = "s3")) {
        let error = Logs::with_variables("s3://bucket/logs", []).unwrap_err();
        assert!(matches!(error, LogsError::WithoutS3 { .. }), "{error}");
    }
}

#[cfg(feature = "s3")]
mod with_s3 {
    use super::*;
    use support::s3::S3;

    #[test]
    fn a_log_is_put_read_and_erased_by_the_client_of_s3() {
        on_each_engine(async |database| {
            let s3 = S3::start().await;
            let logs = Logs::with_variables("s3://bucket/some/board", s3.variables()).unwrap();
            // Nothing of another board's prefix is seen or touched.
            s3.objects
                .lock()
                .unwrap()
                .insert("some/other".to_owned(), Vec::new());
            lives_and_dies(database, &logs).await;
            assert_eq!(s3.keys(), ["some/other"]);
        });
    }

    #[test]
    fn logs_without_a_row_are_swept_from_s3() {
        on_each_engine(async |database| {
            let s3 = S3::start().await;
            let logs = Logs::with_variables("s3://bucket/some/board", s3.variables()).unwrap();
            let mut server = start(database, &logs).await;
            let run = Run::new("open", 1, server.now_ms());
            Person::new(1).post(&server.client, run).await.1.expect(201);
            let kept = s3.keys();
            assert!(kept[0].starts_with("some/board/"), "{kept:?}");
            let orphan = format!("some/board/5a/5a{}", "0".repeat(62));
            s3.objects.lock().unwrap().insert(orphan, Vec::new());
            for _ in 0..256 {
                server.pass(MINUTE);
                server.board.sweep().await.unwrap();
            }
            assert_eq!(s3.keys(), kept);
            server.stop().await;
        });
    }

    #[test]
    fn a_server_that_is_not_there_is_a_503() {
        on_each_engine(async |database| {
            let s3 = S3::start().await;
            let mut variables = s3.variables();
            variables[0].1 = "http://127.0.0.1:1".to_owned();
            let logs = Logs::with_variables("s3://bucket/logs", variables).unwrap();
            let server = start(database, &logs).await;
            let run = Run::new("open", 1, server.now_ms());
            let (_, answer) = Person::new(1).post(&server.client, run).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (503, "storage-failed")
            );
            assert_eq!(rows(database).await, (0, 0));
            server.stop().await;
        });
    }
}
