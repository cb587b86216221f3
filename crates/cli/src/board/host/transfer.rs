//! `jeoul board export`, `import` and `migrate`: a whole board as a file, and from one database to another.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jeoul_board::{Board, Config, Transferred};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};

use super::database::{DatabaseArguments, is_there, logs, runtime};
use crate::failure::Failure;
use crate::output::print;

/// Arguments of `board export`.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// File to write; it must not be there yet.
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArguments,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let board = self.database.open(Arc::default()).await?;
            let name = self.file.display();
            let file = File::create_new(&self.file).await;
            let file = file.with_context(|| format!("cannot write `{name}`"))?;
            let written = self.write(&board, file).await;
            board.close().await;
            if written.is_err() {
                // Half of a board is of no use.
                _ = fs::remove_file(&self.file).await;
            }
            told("wrote", &written?)
        })
    }

    async fn write(&self, board: &Board, file: File) -> Result<Transferred, Failure> {
        let mut file = BufWriter::new(file);
        let written = board.export(&mut file).await?;
        file.flush().await?;
        file.get_ref().sync_all().await?;
        Ok(written)
    }
}

/// Arguments of `board import`.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// File that `jeoul board export` wrote.
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArguments,
}

impl Import {
    pub(super) fn run(&self) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let file = File::open(&self.file).await;
            let file = file.with_context(|| format!("cannot read `{}`", self.file.display()))?;
            let board = self.database.open_or_make().await?;
            let read = board.import(&mut BufReader::new(file)).await;
            board.close().await;
            told("read", &read?)
        })
    }
}

/// Arguments of `board migrate`.
#[derive(clap::Args)]
pub(crate) struct Migrate {
    /// SQLite file or `postgres://…` of the board.
    #[arg(value_name = "FROM")]
    from: String,
    /// SQLite file or `postgres://…` of the copy: an empty database, or a file that is not there.
    #[arg(value_name = "TO")]
    to: String,
    /// Where the board's item logs lie, as `--logs` of the other verbs.
    #[arg(long = "from-logs", value_name = "PLACE", default_value = "database")]
    from_logs: String,
    /// Where the copy's item logs shall lie.
    #[arg(long = "to-logs", value_name = "PLACE", default_value = "database")]
    to_logs: String,
}

impl Migrate {
    pub(super) fn run(&self) -> Result<(), Failure> {
        is_there(&self.from)?;
        let config = |database: &str, place: &str| -> Result<Config, Failure> {
            let mut config = Config::new(database, Arc::<jeoul_record::TaskSet>::default());
            config.logs = logs(place)?;
            Ok(config)
        };
        let (from, to) = (
            config(&self.from, &self.from_logs)?,
            config(&self.to, &self.to_logs)?,
        );
        runtime()?.block_on(async {
            let from = Board::open(from).await?;
            let to = Board::open(to).await?;
            let copied = from.migrate(&to).await;
            from.close().await;
            to.close().await;
            let Transferred { rows, hash } = copied?;
            print(&format!(
                "copied {rows} rows; both boards are identical, SHA-256 {hash}"
            ))
        })
    }
}

fn told(done: &str, Transferred { rows, hash }: &Transferred) -> Result<(), Failure> {
    print(&format!("{done} {rows} rows, SHA-256 {hash}"))
}
