//! Item logs that lie outside the database, as a transfer writes and reads them: as rows of `blobs`, which is what they are in
//! one. So the file says nothing of where they lay, and a copy may keep them elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::stream::FuturesOrdered;
use futures_util::{TryStreamExt as _, future};
use serde_json::{Value as Json, json};
use sqlx::{AnyConnection, Row};
use tokio::io::AsyncWrite;

use super::TransferError;
use super::file::Writing;
use crate::logs::{AT_ONCE, Objects};
use crate::secret::is_hex;
use crate::store::StoreError;
use crate::store::blobs::Blob;

/// The table whose rows they are in a file.
pub(super) const TABLE: &str = "blobs";

/// The logs of all rows in order, wherever each lies.
const SELECT: &str = "SELECT logs.log, size_bytes, bytes FROM (SELECT DISTINCT log FROM submissions) logs \
                      LEFT JOIN blobs ON blobs.hash = logs.log ORDER BY logs.log";

/// Writes the logs of all rows.
pub(super) async fn export<W: AsyncWrite + Unpin + Send>(
    objects: &Objects,
    connection: &mut AnyConnection,
    file: &mut Writing<'_, W>,
) -> Result<(), TransferError> {
    let mut rows = sqlx::query(SELECT).fetch(connection);
    let mut reading = FuturesOrdered::new();
    while let Some(row) = rows.try_next().await? {
        let hash: String = row.try_get(0)?;
        let packed: Option<Vec<u8>> = row.try_get(2)?;
        let here = match packed {
            Some(packed) => Some(Blob {
                size_bytes: row.try_get(1)?,
                hash: hash.clone(),
                packed,
            }),
            None => None,
        };
        reading.push_back(read(objects, hash, here));
        if reading.len() == AT_ONCE
            && let Some(blob) = reading.try_next().await?
        {
            file.write(&line(&blob)).await?;
        }
    }
    while let Some(blob) = reading.try_next().await? {
        file.write(&line(&blob)).await?;
    }
    Ok(())
}

async fn read(objects: &Objects, hash: String, here: Option<Blob>) -> Result<Blob, StoreError> {
    if let Some(blob) = here {
        return Ok(blob);
    }
    let missing = || StoreError::Blob {
        hash: hash.clone(),
        reason: "they are neither in the database nor outside".to_owned(),
    };
    objects.get(&hash).await?.ok_or_else(missing)
}

fn line(blob: &Blob) -> Json {
    json!({"table": TABLE, "hash": blob.hash, "size_bytes": blob.size_bytes, "bytes": BASE64.encode(&blob.packed)})
}

/// Logs on their way from a file to the store.
pub(super) struct Putting<'a> {
    objects: &'a Objects,
    waiting: Vec<Blob>,
    /// Logs that were not there before.
    new: Vec<String>,
}

impl<'a> Putting<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            waiting: Vec::with_capacity(AT_ONCE),
            new: Vec::new(),
        }
    }

    /// Takes a row of `blobs`; `bad` makes an error of what is wrong with it.
    pub(super) async fn take(
        &mut self,
        json: &Json,
        bad: impl Fn(String) -> TransferError,
    ) -> Result<(), TransferError> {
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let wrong = |name: &str| bad(format!("`{name}` is of another type"));
        let hash = text("hash").filter(|hash| is_hex(hash, 64));
        let bytes = text("bytes").and_then(|bytes| BASE64.decode(bytes).ok());
        let blob = Blob {
            hash: hash.ok_or_else(|| wrong("hash"))?.to_owned(),
            size_bytes: json
                .get("size_bytes")
                .and_then(Json::as_i64)
                .ok_or_else(|| wrong("size_bytes"))?,
            packed: bytes.ok_or_else(|| wrong("bytes"))?,
        };
        // Its size is not stored beside it there: it must be the one that the bytes say.
        blob.unpack().map_err(|error| bad(error.to_string()))?;
        self.waiting.push(blob);
        if self.waiting.len() == AT_ONCE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Puts what waits.
    pub(super) async fn flush(&mut self) -> Result<(), TransferError> {
        let objects = self.objects;
        let there = self.waiting.iter().map(|blob| objects.has(&blob.hash));
        let there = future::try_join_all(there).await?;
        let new = self.waiting.iter().zip(there).filter(|(_, there)| !there);
        self.new.extend(new.map(|(blob, _)| blob.hash.clone()));
        let puts = self.waiting.iter().map(|blob| objects.put(blob));
        future::try_join_all(puts).await?;
        self.waiting.clear();
        Ok(())
    }

    /// Takes back what was put, and nothing that was there before. What cannot be is swept later: no row refers to it.
    pub(super) async fn undo(self) {
        if let Err(error) = self.objects.erase(&self.new).await {
            tracing::warn!(%error, "item logs of an import that failed are left to the sweep");
        }
    }
}
