//! Load on a board: how many runs of 200 documents it takes in a second, how long it lets people wait, and whether it keeps them.
//!
//! ```text
//! cargo run --release -p jeoul-board --example load -- [--posters 300] [--seconds 60] [--database FILE|postgres://…|postgres] [--half-open 0]
//! ```
//!
//! Two phases: posters that post again as soon as they are answered, then a room's rate, 300 posts spread over ten seconds.
//! Server and load run in one process, on the same cores. Afterwards every acknowledged run is looked for in the table. Runs are
//! signed beforehand, so that the load costs as little as it can. `postgres` makes a cluster of its own, with fsync.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use jeoul_board::Board;
use support::{Client, Database, Person, Run, config};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A room's rate.
const ROOM_POSTS: usize = 300;
const ROOM_SECONDS: u64 = 10;
/// Keys that post.
const KEYS: u8 = 200;

struct Options {
    posters: usize,
    seconds: u64,
    database: Option<String>,
    half_open: usize,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        posters: 300,
        seconds: 60,
        database: None,
        half_open: 0,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name} needs a number"))
        };
        match name.as_str() {
            "--posters" => options.posters = number()? as usize,
            "--seconds" => options.seconds = number()?,
            "--half-open" => options.half_open = number()? as usize,
            "--database" => options.database = Some(value),
            _ => return Err(format!("there is no {name}")),
        }
    }
    Ok(options)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// Signed runs; ids with bodies.
fn signed(first: u64, count: usize) -> Vec<(String, Bytes)> {
    let people: Vec<Person> = (0..KEYS).map(Person::new).collect();
    let created = now_ms();
    let run = |i: usize| {
        let person = &people[i % people.len()];
        let (id, body) = Run::new("open", first + i as u64, created).sealed(person.key());
        (id, Bytes::from(body))
    };
    (0..count).map(run).collect()
}

/// What one phase gave: ids that were acknowledged, milliseconds of every answer, and other answers by status.
#[derive(Default)]
struct Outcome {
    acknowledged: Vec<String>,
    waited_ms: Vec<f64>,
    other: HashMap<u16, usize>,
}

impl Outcome {
    fn add(&mut self, id: String, status: u16, waited: Duration) {
        self.waited_ms.push(waited.as_secs_f64() * 1000.0);
        match status {
            200 | 201 => self.acknowledged.push(id),
            status => *self.other.entry(status).or_default() += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.waited_ms.extend(other.waited_ms);
        for (status, count) in other.other {
            *self.other.entry(status).or_default() += count;
        }
    }

    fn print(&mut self, name: &str, seconds: f64) {
        self.waited_ms.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let last = self.waited_ms.len().saturating_sub(1);
            self.waited_ms
                .get((last as f64 * q) as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        println!(
            "{name}: accepted {} in {seconds:.1} s = {:.0}/s; p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; other answers {:?}",
            self.acknowledged.len(),
            self.acknowledged.len() as f64 / seconds,
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
            self.other,
        );
    }
}

async fn post(client: &Client, outcome: &mut Outcome, id: String, body: Bytes) {
    let begun = Instant::now();
    let answer = client.try_send("POST", "/api/submissions", &[], body).await;
    outcome.add(
        id,
        answer.map_or(0, |answer| answer.status),
        begun.elapsed(),
    );
}

/// Posters that post again as soon as they are answered.
async fn closed_loop(
    client: &Client,
    posters: usize,
    seconds: u64,
    runs: Vec<(String, Bytes)>,
) -> (Outcome, f64) {
    let runs = Arc::new(runs);
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut all = Outcome::default();
    let posters: Vec<_> = (0..posters)
        .map(|_| {
            let (client, runs, next) = (client.clone(), Arc::clone(&runs), Arc::clone(&next));
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                while Instant::now() < end {
                    let Some((id, body)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    post(&client, &mut outcome, id.clone(), body.clone()).await;
                }
                outcome
            })
        })
        .collect();
    for poster in posters {
        all.merge(poster.await.unwrap());
    }
    (all, begun.elapsed().as_secs_f64())
}

/// Posts spread evenly, each from a connection of its own.
async fn room_rate(address: std::net::SocketAddr, runs: Vec<(String, Bytes)>) -> (Outcome, f64) {
    let begun = Instant::now();
    let step = Duration::from_secs(ROOM_SECONDS) / ROOM_POSTS as u32;
    let posts: Vec<_> = runs
        .into_iter()
        .enumerate()
        .map(|(i, (id, body))| {
            tokio::spawn(async move {
                tokio::time::sleep(step * i as u32).await;
                let client = Client::new(address, now_ms());
                let mut outcome = Outcome::default();
                post(&client, &mut outcome, id, body).await;
                outcome
            })
        })
        .collect();
    let mut all = Outcome::default();
    for one in posts {
        all.merge(one.await.unwrap());
    }
    (all, begun.elapsed().as_secs_f64())
}

/// All ids in the table, and how often each.
async fn stored(client: &Client) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    let mut path = "/api/boards/open?sort=stored&limit=1000".to_owned();
    loop {
        let page = client.get(&path).await.json();
        for row in page["rows"].as_array().unwrap() {
            *found
                .entry(row["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/boards/open?sort=stored&limit=1000&after={next}"),
            None => return found,
        }
    }
}

#[tokio::main]
async fn main() {
    let options = match options() {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("{fault}");
            std::process::exit(2);
        }
    };
    let own = match options.database.as_deref() {
        Some("postgres") => Database::postgres().expect("PostgreSQL is installed"),
        _ => Database::sqlite(),
    };
    let database = options
        .database
        .filter(|name| name != "postgres")
        .unwrap_or_else(|| own.url());
    let board = Board::open(config(&database)).await.unwrap();
    println!(
        "{:?}, {} posters, {} half-open",
        board.engine(),
        options.posters,
        options.half_open
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { board.serve(listener, std::future::pending()).await });
    let client = Client::new(address, now_ms());

    // As many as could be taken at 2,000 a second; ids differ between starts.
    let first = now_ms() as u64 * 1_000_000;
    let count = 2_000 * options.seconds as usize;
    let runs = signed(first, count);
    let room = signed(first + count as u64, ROOM_POSTS);
    let mut half_open = Vec::new();
    for _ in 0..options.half_open {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST /api/submissions HTTP/1.1\r\nhost: a\r\n")
            .await
            .unwrap();
        half_open.push(stream);
    }

    let (mut all, seconds) = closed_loop(&client, options.posters, options.seconds, runs).await;
    all.print("closed loop", seconds);
    let (mut room, seconds) = room_rate(address, room).await;
    room.print("room rate", seconds);
    all.merge(room);

    let found = stored(&client).await;
    let lost = all
        .acknowledged
        .iter()
        .filter(|id| !found.contains_key(*id))
        .count();
    let duplicated = found.values().filter(|count| **count > 1).count();
    println!(
        "lost {lost}, duplicated {duplicated}, of {} acknowledged",
        all.acknowledged.len()
    );
    serving.abort();
    drop(own);
    if lost + duplicated > 0 {
        std::process::exit(1);
    }
}
