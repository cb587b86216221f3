//! `kill -9` fifty times under load: what was acknowledged is there, once, and the server is back within two seconds.
//!
//! This file is its own server: started with `JEOUL_BOARD_DATABASE` it serves that database until it is killed, and prints its port.
//! So it brings its own `main` instead of the test harness.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jeoul_board::Board;
use support::{Client, Database, Person, Run, config};
use tokio::net::TcpListener;
use tokio::sync::Notify;

const KILLS: u32 = 50;
const POSTERS: usize = 40;
/// How long each server lives after its first acknowledgement: a step more each time. The first takes longer on a busy machine.
const STEP: Duration = Duration::from_millis(7);
/// Within which it comes.
const FIRST: Duration = Duration::from_secs(30);
/// From the start of a server to its first answer.
const BACK: Duration = Duration::from_secs(2);
const VARIABLE: &str = "JEOUL_BOARD_DATABASE";

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

/// A server process, killed without notice.
struct Victim {
    process: Child,
    address: SocketAddr,
    back_after: Duration,
}

impl Victim {
    async fn start(url: &str) -> Self {
        let begun = Instant::now();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command
            .env(VARIABLE, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().parse().unwrap();
        Client::new(address, now_ms())
            .get("/api/health")
            .await
            .expect(200);
        Self {
            process,
            address,
            back_after: begun.elapsed(),
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn serve(url: &str) {
    let board = Board::open(config(url)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    board.serve(listener, std::future::pending()).await.unwrap();
}

/// Posts until the server is gone, each run twice; ids that were acknowledged.
async fn poster(
    address: SocketAddr,
    seeds: Arc<AtomicU64>,
    key: u8,
    answered: Arc<Notify>,
    over: Arc<AtomicBool>,
) -> Vec<String> {
    let (client, person) = (Client::new(address, now_ms()), Person::new(key));
    let mut acknowledged = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let run = Run::new("open", seeds.fetch_add(1, Ordering::Relaxed), now_ms());
        let (id, body) = run.sealed(person.key());
        let (first, second) = tokio::join!(
            client.try_send("POST", "/api/submissions", &[], body.clone()),
            client.try_send("POST", "/api/submissions", &[], body.clone())
        );
        for answer in [first, second].into_iter().flatten() {
            assert!(
                matches!(answer.status, 200 | 201),
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
            acknowledged.push(id.clone());
            answered.notify_one();
        }
    }
    acknowledged
}

async fn survives(database: &Database) {
    let url = database.url();
    let seeds = Arc::new(AtomicU64::new(now_ms() as u64));
    let (mut acknowledged, mut slowest) = (Vec::new(), Duration::ZERO);
    for kill in 0..KILLS {
        let mut victim = Victim::start(&url).await;
        slowest = slowest.max(victim.back_after);
        let (answered, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let posters: Vec<_> = (0..POSTERS)
            .map(|key| {
                tokio::spawn(poster(
                    victim.address,
                    Arc::clone(&seeds),
                    key as u8,
                    Arc::clone(&answered),
                    Arc::clone(&over),
                ))
            })
            .collect();
        let first = tokio::time::timeout(FIRST, answered.notified());
        first.await.expect("a run is acknowledged");
        tokio::time::sleep(STEP * kill).await;
        victim.kill();
        over.store(true, Ordering::Relaxed);
        for poster in posters {
            acknowledged.extend(poster.await.unwrap());
        }
    }
    let board = Board::open(config(&url)).await.unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    board.export(&mut file).await.unwrap();
    let mut stored = std::collections::HashMap::<String, usize>::new();
    for line in file
        .into_inner()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let row: serde_json::Value = serde_json::from_slice(line).unwrap();
        if row["table"] == "submissions" {
            *stored
                .entry(row["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    let answers = acknowledged.len();
    acknowledged.sort();
    acknowledged.dedup();
    let lost = acknowledged
        .iter()
        .filter(|id| !stored.contains_key(*id))
        .count();
    let duplicated = stored.values().filter(|count| **count > 1).count();
    println!(
        "{:?}: {KILLS} kills, {answers} acknowledgements of {} runs, {} stored, {lost} lost, {duplicated} duplicated, back after {} ms at most",
        board.engine(),
        acknowledged.len(),
        stored.len(),
        slowest.as_millis(),
    );
    board.close().await;
    assert!(acknowledged.len() >= KILLS as usize, "there was load");
    assert_eq!((lost, duplicated), (0, 0));
    assert!(slowest < BACK, "{slowest:?}");
    if let Database::Sqlite(_) = database {
        sqlx::any::install_default_drivers();
        let pool = sqlx::AnyPool::connect(&format!("sqlite://{url}"))
            .await
            .unwrap();
        let found: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(found, "ok");
        pool.close().await;
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Ok(url) = std::env::var(VARIABLE) {
        return runtime.block_on(serve(&url));
    }
    runtime.block_on(async {
        survives(&Database::sqlite()).await;
        match Database::postgres() {
            Some(database) => survives(&database).await,
            None => println!("skipped on PostgreSQL: no `initdb` in /usr/lib/postgresql/*/bin"),
        }
    });
}
