//! From `--database` and `--logs` to an open board.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use jeoul_board::{Board, Config, Logs};
use jeoul_record::check::TaskSet;
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Where a board lies.
#[derive(clap::Args)]
pub(crate) struct DatabaseArguments {
    /// SQLite file, or `postgres://…`.
    #[arg(
        long,
        value_name = "FILE|URL",
        default_value = "board.sqlite",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    database: String,
    /// Where item logs lie: `database`, a folder of the board's own, or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "PLACE", default_value = "database")]
    logs: String,
}

impl DatabaseArguments {
    /// A board that knows `tasks`; its database is made when it is opened, if it is not there.
    pub(crate) fn config(&self, tasks: Arc<TaskSet>) -> Result<Config, Failure> {
        let mut config = Config::new(&self.database, tasks);
        config.logs = logs(&self.logs)?;
        Ok(config)
    }

    /// Opens it, made if it is not there. Without the tasks: for work that judges no run.
    pub(crate) async fn open_or_make(&self) -> Result<Board, Failure> {
        Ok(Board::open(self.config(Arc::default())?).await?)
    }

    /// Opens a board that is there.
    pub(crate) async fn open(&self, tasks: Arc<TaskSet>) -> Result<Board, Failure> {
        is_there(&self.database)?;
        Ok(Board::open(self.config(tasks)?).await?)
    }
}

/// A mistyped name must not become an empty board.
pub(super) fn is_there(database: &str) -> Result<(), Failure> {
    let file = database.strip_prefix("sqlite:").unwrap_or(database);
    let file = file.strip_prefix("//").unwrap_or(file);
    match file.contains("://") || Path::new(file).exists() {
        true => Ok(()),
        false => Err(Failure::usage(anyhow!("there is no board `{file}`"))
            .hint("`--database` says where it lies; `jeoul serve` makes one")),
    }
}

/// The place of item logs that an argument names.
pub(super) fn logs(place: &str) -> Result<Logs, Failure> {
    Ok(match place {
        "database" => Logs::Database,
        address if address.contains("://") => {
            Logs::from_address(address).map_err(Failure::usage)?
        }
        folder => Logs::in_folder(Path::new(folder))?,
    })
}

/// What a board runs on.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.enable_all().build();
    runtime.context("the threads could not be started")
}
