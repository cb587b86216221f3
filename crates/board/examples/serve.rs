//! A board with the bundled tasks, and the page beside it, for the page's journeys.
//!
//! ```text
//! cargo run -p jeoul-board --example serve -- --database FILE [--port 0] [--page www/dist] [--engine www/public/engine] [--models models] [--moderator NAME]
//! ```
//!
//! Prints its address on a line once it listens, and before it the moderator's token, if there is to be one. Rates are so high that a test does not meet them.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use jeoul_board::{Board, Config, Folder, Rate};
use jeoul_eval::{Task, bundled};
use jeoul_record::check::TaskSet;
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error>;

/// The bundled tasks with their samples.
fn tasks() -> Result<TaskSet, Error> {
    let catalog = bundled::catalog()?;
    let read = |name: &str| -> Result<Task, Error> { Ok(bundled::task(catalog.task(name)?)?) };
    catalog.tasks().map(read).collect()
}

fn main() -> Result<(), Error> {
    let mut database = None;
    let mut moderator = None;
    let mut port = 0;
    let mut folders = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        let mut serve = |at: &str| {
            folders.push(Folder {
                at: at.to_owned(),
                path: PathBuf::from(&value),
            });
        };
        match name.as_str() {
            "--database" => database = Some(value),
            "--moderator" => moderator = Some(value),
            "--port" => port = value.parse()?,
            "--page" => serve("/"),
            "--engine" => serve("/engine"),
            "--models" => serve("/models"),
            _ => return Err(format!("there is no {name}").into()),
        }
    }
    let database = database.ok_or("--database names the file")?;
    let mut config = Config::new(database, Arc::new(tasks()?));
    config.folders = folders;
    let plenty = Rate {
        per_minute: 1_000_000,
        burst: 100_000,
    };
    let limits = &mut config.limits;
    (limits.posts, limits.writes, limits.reads) = (plenty, plenty, plenty);
    (limits.joins, limits.address) = (plenty, plenty);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let board = Board::open(config).await?;
        if let Some(name) = moderator {
            println!("{}", board.add_moderator(&name, None).await?.1);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        println!("http://{}", listener.local_addr()?);
        board.serve(listener, std::future::pending()).await?;
        Ok(())
    })
}
