//! A board as a file: out of one database, into another, with the same hash.

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;

use jeoul_board::{AuditState, Board, TransferError};
use serde_json::{Value as Json, json};
use sqlx::Row;
use support::{Database, Person, Run, Server, config, on_each_engine};

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOTHING: Json = Json::Null;

/// A board with something in every table.
async fn filled(server: &mut Server) {
    let ask = async |server: &Server, person: &Person, method: &str, path: &str, body: Json| {
        let answer = person.ask(&server.client, method, path, &body).await;
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        serde_json::from_slice::<Json>(&answer.body).unwrap_or_default()
    };
    let (_, token) = server.board.add_moderator("choi", None).await.unwrap();
    let mut ids = Vec::new();
    for seed in 1..=5 {
        ids.push(
            Person::new(1)
                .post(&server.client, Run::new("open", seed, server.now_ms()))
                .await
                .0,
        );
    }
    let opened = ask(
        server,
        &Person::new(2),
        "POST",
        "/api/rooms",
        json!({"name": "수업 = 1"}),
    )
    .await;
    ask(
        server,
        &Person::new(3),
        "POST",
        "/api/rooms/join",
        json!({"code": opened["code"]}),
    )
    .await;
    let run = |verb: &str| format!("/api/submissions/{}/{verb}", ids[0]);
    ask(server, &Person::new(3), "POST", &run("checks"), NOTHING).await;
    let flag = json!({"reason": "other", "link": "https://example.org/", "note": "줄\n둘"});
    ask(server, &Person::new(3), "POST", &run("flags"), flag).await;
    ask(
        server,
        &Person::new(1),
        "POST",
        &run("appeal"),
        json!({"note": "no"}),
    )
    .await;
    let moderator = Person::anonymous().with_token(token);
    ask(
        server,
        &moderator,
        "POST",
        &run("hide"),
        json!({"reason": "r"}),
    )
    .await;
    ask(
        server,
        &Person::new(1),
        "DELETE",
        &format!("/api/submissions/{}", ids[1]),
        NOTHING,
    )
    .await;
    server.pass(DAY);
    assert_eq!(server.board.sweep().await.unwrap(), 1);
}

/// A file in memory.
async fn export(board: &Board) -> (Vec<u8>, String) {
    let mut file = Cursor::new(Vec::new());
    let done = board.export(&mut file).await.unwrap();
    (file.into_inner(), done.hash)
}

#[test]
fn a_board_and_its_copy_on_the_other_engine_have_one_hash() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        filled(&mut server).await;
        let (file, hash) = export(&server.board).await;
        let text = String::from_utf8(file.clone()).unwrap();
        for table in [
            "blobs",
            "submissions",
            "scores",
            "tombstones",
            "rooms",
            "members",
            "checks",
            "flags",
            "appeals",
            "moderators",
            "audit",
        ] {
            assert!(
                text.contains(&format!("{{\"table\":\"{table}\"")),
                "{table} has rows"
            );
        }
        let mut others = vec![Database::sqlite()];
        others.extend(Database::postgres());
        for other in &others {
            let copy = Board::open(config(&other.url())).await.unwrap();
            let done = copy.import(&mut &file[..]).await.unwrap();
            assert_eq!(done.hash, hash);
            assert_eq!(export(&copy).await, (file.clone(), hash.clone()));
            assert!(matches!(
                copy.verify_audit().await.unwrap(),
                AuditState::Whole { .. }
            ));
            let twice = copy.import(&mut &file[..]).await;
            assert!(
                matches!(twice, Err(TransferError::NotEmpty { table: "blobs" })),
                "{twice:?}"
            );
            copy.close().await;
        }
        server.stop().await;
    });
}

#[test]
fn a_board_moves_to_the_other_engine_and_back() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        filled(&mut server).await;
        let (_, hash) = export(&server.board).await;
        let there = Database::postgres().unwrap_or_else(Database::sqlite);
        let (there_board, back) = (
            Board::open(config(&there.url())).await.unwrap(),
            Database::sqlite(),
        );
        let back_board = Board::open(config(&back.url())).await.unwrap();
        assert_eq!(server.board.migrate(&there_board).await.unwrap().hash, hash);
        assert_eq!(there_board.migrate(&back_board).await.unwrap().hash, hash);
        let full = server.board.migrate(&back_board).await;
        assert!(
            matches!(full, Err(TransferError::NotEmpty { .. })),
            "{full:?}"
        );
        there_board.close().await;
        back_board.close().await;
        server.stop().await;
    });
}

#[test]
fn nothing_of_a_changed_or_cut_file_stays() {
    on_each_engine(async |database| {
        let own = Database::sqlite();
        let mut server = Server::start(&own).await;
        filled(&mut server).await;
        let (file, _) = export(&server.board).await;
        let copy = Board::open(config(&database.url())).await.unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let all = lines.len();
        for (name, bad) in [
            ("empty", String::new()),
            ("another kind of file", "{}\n".to_owned()),
            ("the head alone", format!("{}\n", lines[0])),
            ("without its hash", lines[..all - 1].join("\n") + "\n"),
            (
                "a line missing",
                [&lines[..all - 2], &lines[all - 1..]].concat().join("\n"),
            ),
            (
                "a score changed",
                text.replacen("\"trust\":1", "\"trust\":3", 1),
            ),
            (
                "an unknown table",
                text.replacen("\"table\":\"scores\"", "\"table\":\"users\"", 1),
            ),
            (
                "a wrong type",
                text.replacen("\"size_bytes\":", "\"size_bytes\":\"x\",\"a\":", 1),
            ),
        ] {
            assert_ne!(bad, text, "{name}");
            let outcome = copy.import(&mut bad.as_bytes()).await;
            assert!(
                matches!(
                    outcome,
                    Err(TransferError::Line { .. } | TransferError::Hash { .. })
                ),
                "{name}: {outcome:?}"
            );
        }
        copy.import(&mut &file[..]).await.unwrap();
        copy.close().await;
        server.stop().await;
    });
}

#[test]
fn both_engines_have_the_same_tables_and_columns() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let Some(postgres) = Database::postgres() else {
            eprintln!("skipped: no PostgreSQL");
            return;
        };
        let sqlite = Database::sqlite();
        let mut found = Vec::new();
        for (database, url, sql) in [
            (
                &sqlite,
                format!("sqlite://{}", sqlite.url()),
                "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
            ),
            (
                &postgres,
                postgres.url(),
                "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'",
            ),
        ] {
            Board::open(config(&database.url())).await.unwrap().close().await;
            let pool = sqlx::AnyPool::connect(&url).await.unwrap();
            let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for row in sqlx::query(sql).fetch_all(&pool).await.unwrap() {
                let (table, column): (String, String) = (row.get(0), row.get(1));
                if table != "_sqlx_migrations" && !table.starts_with("sqlite_") {
                    tables.entry(table).or_default().push(column);
                }
            }
            tables.values_mut().for_each(|columns| columns.sort());
            pool.close().await;
            found.push(tables);
        }
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0].len(), 12);
    });
}
