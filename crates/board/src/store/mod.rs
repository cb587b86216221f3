//! Where the board keeps things: one set of queries over SQLite and PostgreSQL.
//!
//! Both engines are reached through `sqlx::Any`: what is stored is text, 64-bit integers, floats and bytes, which it
//! has, and a query is written once, with `$1` placeholders that both understand. Where the engines differ
//! (pragmas, how a transaction begins, migrations) [`Engine`] says so, here and in [`writer`].
//!
//! Reads go to a pool; every write goes through the one [`Writer`].

pub(crate) mod audit;
pub(crate) mod blobs;
pub(crate) mod bulk;
pub(crate) mod checks;
pub(crate) mod flags;
pub(crate) mod moderators;
pub(crate) mod query;
pub(crate) mod rooms;
pub(crate) mod submissions;
pub(crate) mod sweep;
pub(crate) mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{Any, AnyPool, Executor, Transaction};
use thiserror::Error;

use crate::logs::{Logs, Objects};

pub(crate) use writer::{Work, Writer};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections that read at once. SQLite reads on a thread per connection; more than the cores gain nothing.
const READERS: u32 = 8;
/// How long a read waits for a connection before the answer is 503.
const READER_WAIT: Duration = Duration::from_secs(10);

/// The database cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// An address that is none.
    #[error(
        "`{url}` is no database address; allowed are a file name, `sqlite:FILE` and `postgres://…`"
    )]
    Url {
        /// The address, without user and password.
        url: String,
    },
    /// The tables cannot be made or brought up to date.
    #[error("the tables of the database cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database does not answer, or went away in the middle.
    #[error("the database cannot be reached: {reason}")]
    Unreachable {
        /// What the driver says.
        reason: String,
    },
    /// Bytes of an item log that do not unpack, or unpack to another hash.
    #[error("the stored bytes `{hash}` are damaged: {reason}")]
    Blob {
        /// Name they are stored under.
        hash: String,
        /// What is wrong.
        reason: String,
    },
    /// Item logs outside the database cannot be read or written.
    #[error("the store of item logs failed: {0}")]
    Logs(#[from] object_store::Error),
    /// The writer has ended: the server is going down.
    #[error("the database takes no more writes: the server is stopping")]
    Stopped,
}

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of our own.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// How a transaction that writes begins. IMMEDIATE: one that begins by reading could not go on to write after another
    /// process did.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
}

/// An open database.
#[derive(Clone)]
pub(crate) struct Store {
    pool: AnyPool,
    writer: Writer,
    engine: Engine,
    /// Item logs, if they lie outside the database.
    objects: Option<Arc<Objects>>,
}

impl Store {
    /// Opens `url` and brings its tables up to date; a file that is not there is made.
    ///
    /// `url` is a file name, `sqlite:FILE` or `postgres://…`.
    pub(crate) async fn open(url: &str, logs: &Logs) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (engine, options) = options(url)?;
        let pool = pool(engine, options.clone(), READERS).await?;
        match engine {
            Engine::Sqlite => SQLITE.run(&pool).await?,
            Engine::Postgres => POSTGRES.run(&pool).await?,
        }
        // A pool of one, so that a lost connection is made anew.
        let writing = self::pool(engine, options, 1).await?;
        Ok(Self {
            writer: Writer::start(writing, engine),
            pool,
            engine,
            objects: match logs {
                Logs::Database => None,
                Logs::Objects(store) => Some(Arc::new(Objects::new(Arc::clone(store)))),
            },
        })
    }

    /// For reading.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Item logs, if they lie outside the database.
    pub(crate) fn objects(&self) -> Option<&Objects> {
        self.objects.as_deref()
    }

    /// Which engine it is.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Does `work` with `data` in a transaction and answers once it is on disk. What it returns may be a refusal, if it
    /// has written nothing; an error rolls back. May be called again with the same `data` after an error of another's.
    pub(crate) async fn write<D, T>(&self, data: D, work: Work<D, T>) -> Result<T, StoreError>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.writer.write(data, work).await
    }

    /// A transaction that sees the database as it is at this moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction<'_, Any>, StoreError> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// A transaction of its own beside the writer's, for filling an empty database.
    pub(crate) async fn begin_import(&self) -> Result<Transaction<'_, Any>, StoreError> {
        Ok(self.pool.begin_with(self.engine.begin()).await?)
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Waits for what is being written, and closes.
    pub(crate) async fn close(&self) {
        self.writer.stop().await;
        self.pool.close().await;
    }
}

fn options(url: &str) -> Result<(Engine, AnyConnectOptions), StoreError> {
    let bad = || StoreError::Url {
        // What stands before `@` may be a password.
        url: url.rsplit('@').next().unwrap_or_default().to_owned(),
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Engine::Postgres, url.parse().map_err(|_| bad())?));
    }
    let file = url.strip_prefix("sqlite:").unwrap_or(url);
    let file = file.strip_prefix("//").unwrap_or(file);
    if file.is_empty() || file.contains("://") || Path::new(file).is_dir() {
        return Err(bad());
    }
    // The address is a URL, where `?`, `#` and `%` mean something.
    let file = file
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    let url = format!("sqlite://{file}?mode=rwc");
    Ok((Engine::Sqlite, url.parse().map_err(|_| bad())?))
}

async fn pool(
    engine: Engine,
    options: AnyConnectOptions,
    size: u32,
) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(READER_WAIT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if engine == Engine::Sqlite {
                    // FULL: a commit that was acknowledged outlives a power cut. Group commit pays for it.
                    connection
                        .execute(
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON",
                        )
                        .await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_with(options).await?)
}
