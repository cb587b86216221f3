//! A whole board as a file, and back: for backups, and to move from SQLite to PostgreSQL.
//!
//! The file is JSON Lines: a head, then each table's rows in the order of their keys, then the SHA-256 of all lines before.
//! Rows are written the same way from either engine, so that a board and its copy give the same hash. Sessions are not part of
//! it: moderators log in again.

mod file;
mod logs;
mod tables;

use futures_util::TryStreamExt;
use jeoul_record::canonical::hex;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite};

use self::file::Writing;
use self::logs::Putting;
use self::tables::TABLES;
use crate::board::Board;
use crate::store::StoreError;

/// First line of a file.
const HEAD: &str = r#"{"format":"jeoul-board/1"}"#;
/// Bytes between a board and its copy while one is made.
const PIPE_BYTES: usize = 1 << 16;

/// A board could not be written to a file or read from one.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The file.
    #[error("the file cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A line that is not what it must be.
    #[error("line {line}: {reason}")]
    Line {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file that was changed or cut.
    #[error("the lines hash to {found}, the file says {stated}")]
    Hash {
        /// What they hash to.
        found: String,
        /// What the last line says.
        stated: String,
    },
    /// Import is into an empty board alone: merging two would need rules that nobody has asked for.
    #[error("the table `{table}` is not empty; a board is imported into an empty database")]
    NotEmpty {
        /// The table.
        table: &'static str,
    },
}

impl From<sqlx::Error> for TransferError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Rows of all tables.
    pub rows: u64,
    /// SHA-256 of the lines: the same for a board and its copy.
    pub hash: String,
}

impl Board {
    /// Writes the whole board, as it is at this moment, to `out`.
    pub async fn export(
        &self,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<Transferred, TransferError> {
        let mut file = Writing::begin(out).await?;
        let mut transaction = self.store().begin_snapshot().await?;
        for table in &TABLES {
            if let Some(objects) = self.store().objects()
                && table.name == logs::TABLE
            {
                logs::export(objects, &mut transaction, &mut file).await?;
                continue;
            }
            let sql = table.select();
            let mut found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(&mut *transaction);
            while let Some(row) = found.try_next().await? {
                file.write(&table.json(&row)?).await?;
            }
        }
        file.end().await
    }

    /// Fills this board, which must be empty, with what [`Board::export`] wrote. Nothing of a changed or cut file stays.
    pub async fn import(
        &self,
        file: &mut (impl AsyncBufRead + Unpin + Send),
    ) -> Result<Transferred, TransferError> {
        let mut transaction = self.store().begin_import().await?;
        for table in &TABLES {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
            let found = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_optional(&mut *transaction)
                .await?;
            if found.is_some() {
                return Err(TransferError::NotEmpty { table: table.name });
            }
        }
        let Some(objects) = self.store().objects() else {
            let read = self::read(file, &mut transaction, &mut None).await?;
            transaction.commit().await?;
            return Ok(read);
        };
        let _posting = objects.posting().await;
        let mut putting = Some(Putting::new(objects));
        let read = match self::read(file, &mut transaction, &mut putting).await {
            Ok(read) => read,
            Err(error) => {
                if let Some(putting) = putting {
                    putting.undo().await;
                }
                return Err(error);
            }
        };
        // A commit whose answer was lost may have been one: then its logs are needed.
        transaction.commit().await?;
        Ok(read)
    }
}

impl Board {
    /// Copies this board into `to`, which must be empty, and compares the hashes of both: from SQLite to PostgreSQL, or back.
    pub async fn migrate(&self, to: &Board) -> Result<Transferred, TransferError> {
        let (mut sink, source) = tokio::io::duplex(PIPE_BYTES);
        let write = async {
            let written = self.export(&mut sink).await;
            // The reader then sees the end, also if it came too early.
            drop(sink);
            written
        };
        let mut source = tokio::io::BufReader::new(source);
        let (written, read) = tokio::join!(write, to.import(&mut source));
        // What is wrong with the copy is told first: once it stops reading, nothing more can be written.
        let (read, written) = (read?, written?);
        let copy = to.export(&mut tokio::io::sink()).await?;
        if copy != written || read != written {
            return Err(TransferError::Hash {
                found: copy.hash,
                stated: written.hash,
            });
        }
        Ok(copy)
    }
}

async fn read(
    file: &mut (impl AsyncBufRead + Unpin + Send),
    connection: &mut sqlx::AnyConnection,
    logs: &mut Option<Putting<'_>>,
) -> Result<Transferred, TransferError> {
    let mut hash = Sha256::new();
    let (mut number, mut rows) = (0u64, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let bad = |reason: String| TransferError::Line {
            line: number,
            reason,
        };
        if file.read_until(b'\n', &mut line).await? == 0 {
            return Err(bad("the file ends without its hash".to_owned()));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if number == 1 {
            if text != HEAD.as_bytes() {
                return Err(bad(format!("the file does not begin with `{HEAD}`")));
            }
            hash.update(&line);
            continue;
        }
        let json: Json = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        if let Some(stated) = json.get("sha256").and_then(Json::as_str) {
            let found = hex(&hash.finalize());
            if found != stated {
                let stated = stated.to_owned();
                return Err(TransferError::Hash { found, stated });
            }
            if let Some(logs) = logs {
                logs.flush().await?;
            }
            return Ok(Transferred { rows, hash: found });
        }
        hash.update(&line);
        let name = json.get("table").and_then(Json::as_str);
        let table = TABLES.iter().find(|table| Some(table.name) == name);
        let table = table.ok_or_else(|| bad("it names no table of a board".to_owned()))?;
        match logs {
            Some(logs) if table.name == logs::TABLE => logs.take(&json, bad).await?,
            _ => table.insert(&json, connection, bad).await?,
        }
        rows += 1;
    }
}
