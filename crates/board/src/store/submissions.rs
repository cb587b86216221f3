//! Posted runs: taking them, finding them, deleting them.

use sqlx::{AnyConnection, FromRow, Row};

use super::audit::{self, Act};
use super::blobs::{self, Blob};
use super::{Store, StoreError};

/// A posted run as the table keeps it. Its item log lies in `blobs`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Submission {
    pub(crate) id: String,
    pub(crate) board: String,
    pub(crate) author: String,
    pub(crate) nonce: String,
    pub(crate) stored_ms: i64,
    pub(crate) log: String,
    pub(crate) model_name: String,
    pub(crate) model_hash: String,
    pub(crate) model_bytes: i64,
    pub(crate) quantization: String,
    pub(crate) architecture: String,
    pub(crate) parameters: i64,
    pub(crate) licence: Option<String>,
    pub(crate) kind: String,
    pub(crate) precision: String,
    pub(crate) merged: i64,
    pub(crate) on_hub: i64,
    pub(crate) lane: String,
    pub(crate) adapter: Option<String>,
    pub(crate) engine: String,
    pub(crate) module_sha256: Option<String>,
    pub(crate) average: Option<f64>,
    pub(crate) scores: String,
    pub(crate) trust: i64,
    pub(crate) disputed: i64,
    pub(crate) flags: i64,
    pub(crate) hidden: i64,
    pub(crate) deleted_ms: Option<i64>,
    /// Name and file of the board's first model that looks so, if it is shown; none for a run about to be stored.
    pub(crate) first_name: Option<String>,
    pub(crate) first_hash: Option<String>,
}

/// A column of the first run on the same board whose model's name looks the same, up to the run at hand.
macro_rules! first_alike {
    ($column:literal) => {
        concat!(
            "(SELECT first.",
            $column,
            " FROM submissions first WHERE first.board = submissions.board \
             AND first.model_skeleton = submissions.model_skeleton AND first.stored_ms <= submissions.stored_ms \
             AND first.deleted_ms IS NULL AND first.hidden = 0 ORDER BY first.stored_ms, first.id LIMIT 1)"
        )
    };
}

/// The columns of [`Submission`], in its order.
pub(crate) const COLUMNS: &str = concat!(
    "id, board, author, nonce, stored_ms, log, model_name, model_hash, model_bytes, \
     quantization, architecture, parameters, licence, kind, precision, merged, on_hub, lane, adapter, engine, \
     module_sha256, average, scores, trust, disputed, flags, hidden, deleted_ms, ",
    first_alike!("model_name"),
    " AS first_name, ",
    first_alike!("model_hash"),
    " AS first_hash"
);

/// A run about to be stored.
pub(crate) struct NewSubmission {
    pub(crate) row: Submission,
    /// What its model's name looks like.
    pub(crate) skeleton: String,
    /// Main metric of each task that has one.
    pub(crate) main: Vec<(String, f64)>,
    /// Its log; `None` once it lies outside the database.
    pub(crate) blob: Option<Blob>,
    /// Whether its board is a room, which must be open.
    pub(crate) in_room: bool,
}

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is there now.
    New,
    /// It was there already: a resend.
    Again {
        /// When it was stored.
        stored_ms: i64,
    },
    /// Its author deleted it; a deleted run is not taken again.
    Deleted,
    /// Its author used the nonce for another run.
    NonceUsed,
    /// The room takes no posts: frozen, closed or over.
    RoomShut,
}

/// Deleting, or taking a deletion back.
pub(crate) struct Deletion {
    pub(crate) id: String,
    /// When it was asked, by the signer's clock: an older request than the last one is a replay.
    pub(crate) asked_ms: i64,
    pub(crate) act: Act,
}

/// What became of a deletion, or of taking it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// As asked.
    Done,
    /// It was so already.
    Already,
    /// A later request has been carried out.
    Replay,
    /// It is gone for good.
    TooLate,
}

impl Store {
    /// Stores a run; the answer comes when it is on disk.
    pub(crate) async fn insert(&self, mut new: NewSubmission) -> Result<Stored, StoreError> {
        let Some(objects) = self.objects() else {
            return self.insert_row(new).await;
        };
        let _posting = objects.posting().await;
        // A run that is or was here will not be stored anew: putting its log back would bring a deleted one to life.
        if let Some(blob) = new.blob.take()
            && !self.was_posted(&new.row.id).await?
        {
            objects.put(&blob).await?;
        }
        self.insert_row(new).await
    }

    async fn insert_row(&self, new: NewSubmission) -> Result<Stored, StoreError> {
        self.write(new, |new, connection| Box::pin(insert(new, connection)))
            .await
    }

    async fn was_posted(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM submissions WHERE id = $1 UNION ALL SELECT 1 FROM tombstones WHERE id = $1";
        let found = sqlx::query(sql).bind(id).fetch_optional(self.pool());
        Ok(found.await?.is_some())
    }

    /// The run with this id, unless it is deleted.
    pub(crate) async fn submission(&self, id: &str) -> Result<Option<Submission>, StoreError> {
        let found = self.submission_or_deleted(id).await?;
        Ok(found.filter(|row| row.deleted_ms.is_none()))
    }

    /// The run with this id, even if it was deleted and is not yet swept away.
    pub(crate) async fn submission_or_deleted(
        &self,
        id: &str,
    ) -> Result<Option<Submission>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM submissions WHERE id = $1"));
        Ok(sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(self.pool())
            .await?)
    }

    /// Every run of a model that is not deleted or hidden, newest first.
    pub(crate) async fn runs_of_model(
        &self,
        hash: &str,
        limit: i64,
    ) -> Result<Vec<Submission>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM submissions WHERE model_hash = $1 AND deleted_ms IS NULL AND hidden = 0 \
             ORDER BY stored_ms DESC, id DESC LIMIT $2"
        ));
        let query = sqlx::query_as(sql).bind(hash).bind(limit);
        Ok(query.fetch_all(self.pool()).await?)
    }

    /// Takes a run off the board. It is swept away later, until when it can be restored.
    pub(crate) async fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError> {
        self.write(deletion, |deletion, connection| {
            Box::pin(delete(deletion, connection))
        })
        .await
    }

    /// Puts a deleted run back, if it was deleted at `deleted_since_ms` or later.
    pub(crate) async fn restore(
        &self,
        deletion: Deletion,
        deleted_since_ms: i64,
    ) -> Result<Deleted, StoreError> {
        self.write(
            (deletion, deleted_since_ms),
            |(deletion, since), connection| Box::pin(restore(deletion, *since, connection)),
        )
        .await
    }
}

async fn insert(
    new: &NewSubmission,
    connection: &mut AnyConnection,
) -> Result<Stored, sqlx::Error> {
    let row = &new.row;
    if new.in_room {
        let open = sqlx::query(
            "SELECT 1 FROM rooms WHERE id = $1 AND frozen = 0 AND closed = 0 AND expires_ms > $2",
        )
        .bind(&row.board)
        .bind(row.stored_ms)
        .fetch_optional(&mut *connection)
        .await?;
        if open.is_none() {
            // A resend of what was taken before the room closed still gets its answer.
            return match before(row, connection).await? {
                Stored::NonceUsed => Ok(Stored::RoomShut),
                other => Ok(other),
            };
        }
    }
    let done = sqlx::query(
        "INSERT INTO submissions (id, board, author, nonce, stored_ms, log, model_name, model_hash, model_bytes, \
         quantization, architecture, parameters, licence, kind, precision, merged, on_hub, lane, adapter, engine, \
         module_sha256, average, scores, trust, own_trust, model_skeleton) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $24, $25 \
         WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = $1) ON CONFLICT DO NOTHING",
    )
    .bind(&row.id)
    .bind(&row.board)
    .bind(&row.author)
    .bind(&row.nonce)
    .bind(row.stored_ms)
    .bind(&row.log)
    .bind(&row.model_name)
    .bind(&row.model_hash)
    .bind(row.model_bytes)
    .bind(&row.quantization)
    .bind(&row.architecture)
    .bind(row.parameters)
    .bind(&row.licence)
    .bind(&row.kind)
    .bind(&row.precision)
    .bind(row.merged)
    .bind(row.on_hub)
    .bind(&row.lane)
    .bind(&row.adapter)
    .bind(&row.engine)
    .bind(&row.module_sha256)
    .bind(row.average)
    .bind(&row.scores)
    .bind(row.trust)
    .bind(&new.skeleton)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return before(row, connection).await;
    }
    if let Some(blob) = &new.blob {
        blobs::put(connection, blob).await?;
    }
    for (task, value) in &new.main {
        sqlx::query("INSERT INTO scores (submission, board, task, value) VALUES ($1, $2, $3, $4)")
            .bind(&row.id)
            .bind(&row.board)
            .bind(task)
            .bind(*value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(Stored::New)
}

/// Why a run is not stored anew.
async fn before(row: &Submission, connection: &mut AnyConnection) -> Result<Stored, sqlx::Error> {
    let found = sqlx::query("SELECT stored_ms, deleted_ms FROM submissions WHERE id = $1")
        .bind(&row.id)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(found) = found {
        return Ok(match found.try_get::<Option<i64>, _>(1)? {
            Some(_) => Stored::Deleted,
            None => Stored::Again {
                stored_ms: found.try_get(0)?,
            },
        });
    }
    let gone = sqlx::query("SELECT 1 FROM tombstones WHERE id = $1")
        .bind(&row.id)
        .fetch_optional(connection)
        .await?;
    Ok(match gone {
        Some(_) => Stored::Deleted,
        None => Stored::NonceUsed,
    })
}

/// When a run was deleted and when it was last restored; `None` if it is gone or never was.
async fn times(
    id: &str,
    connection: &mut AnyConnection,
) -> Result<Option<(Option<i64>, Option<i64>)>, sqlx::Error> {
    let row = sqlx::query("SELECT deleted_ms, restored_ms FROM submissions WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .transpose()
}

async fn delete(
    deletion: &Deletion,
    connection: &mut AnyConnection,
) -> Result<Deleted, sqlx::Error> {
    match times(&deletion.id, connection).await? {
        None => return Ok(Deleted::TooLate),
        Some((Some(_), _)) => return Ok(Deleted::Already),
        Some((None, Some(restored_ms))) if deletion.asked_ms <= restored_ms => {
            return Ok(Deleted::Replay);
        }
        Some((None, _)) => {}
    }
    sqlx::query("UPDATE submissions SET deleted_ms = $1 WHERE id = $2")
        .bind(deletion.act.at_ms)
        .bind(&deletion.id)
        .execute(&mut *connection)
        .await?;
    audit::append(connection, &deletion.act).await?;
    Ok(Deleted::Done)
}

async fn restore(
    deletion: &Deletion,
    deleted_since_ms: i64,
    connection: &mut AnyConnection,
) -> Result<Deleted, sqlx::Error> {
    match times(&deletion.id, connection).await? {
        None => return Ok(Deleted::TooLate),
        Some((None, _)) => return Ok(Deleted::Already),
        Some((Some(deleted_ms), _)) if deleted_ms < deleted_since_ms => {
            return Ok(Deleted::TooLate);
        }
        Some((Some(_), Some(restored_ms))) if deletion.asked_ms <= restored_ms => {
            return Ok(Deleted::Replay);
        }
        Some(_) => {}
    }
    sqlx::query("UPDATE submissions SET deleted_ms = NULL, restored_ms = $1 WHERE id = $2")
        .bind(deletion.asked_ms)
        .bind(&deletion.id)
        .execute(&mut *connection)
        .await?;
    audit::append(connection, &deletion.act).await?;
    Ok(Deleted::Done)
}
