//! What goes by itself: deleted runs after ten minutes, rooms after thirty days, item logs that nobody refers to.

use sqlx::{AnyConnection, Row};

use super::audit::{self, Act};
use super::{Store, StoreError};

/// Runs that one sweep takes, so that posts need not wait long behind it.
const STEP: i64 = 200;

/// What is old enough to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) now_ms: i64,
    /// Runs deleted before this.
    pub(crate) deleted_before_ms: i64,
    /// Unpublished rooms that expired before this.
    pub(crate) expired_before_ms: i64,
}

impl Store {
    /// Erases what is old enough; returns how many runs went.
    pub(crate) async fn sweep(&self, sweep: Sweep) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let step = self
                .write(sweep, |sweep, connection| Box::pin(step(sweep, connection)))
                .await?;
            erased += step;
            if step < STEP as u64 {
                return Ok(erased);
            }
        }
    }
}

async fn step(sweep: &Sweep, connection: &mut AnyConnection) -> Result<u64, sqlx::Error> {
    let rooms = sqlx::query("SELECT id FROM rooms WHERE published = 0 AND expires_ms < $1")
        .bind(sweep.expired_before_ms)
        .fetch_all(&mut *connection)
        .await?;
    for row in rooms {
        let room: String = row.try_get(0)?;
        for sql in [
            "UPDATE submissions SET deleted_ms = 0 WHERE board = $1",
            "DELETE FROM members WHERE room = $1",
            "DELETE FROM rooms WHERE id = $1",
        ] {
            sqlx::query(sql)
                .bind(&room)
                .execute(&mut *connection)
                .await?;
        }
        let act = Act {
            at_ms: sweep.now_ms,
            actor: "board".to_owned(),
            action: "erase-room",
            object: room,
            detail: "it expired".to_owned(),
        };
        audit::append(connection, &act).await?;
    }
    let rows = sqlx::query("SELECT id, log FROM submissions WHERE deleted_ms < $1 LIMIT $2")
        .bind(sweep.deleted_before_ms)
        .bind(STEP)
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let (id, log): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        erase(connection, &id, &log, sweep.now_ms).await?;
    }
    Ok(rows.len() as u64)
}

/// Erases a run with all that belongs to it. What stays is that it was there.
async fn erase(
    connection: &mut AnyConnection,
    id: &str,
    log: &str,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO tombstones (id, at_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(id)
        .bind(now_ms)
        .execute(&mut *connection)
        .await?;
    for sql in [
        "DELETE FROM scores WHERE submission = $1",
        "DELETE FROM checks WHERE submission = $1",
        "DELETE FROM flags WHERE submission = $1",
        "DELETE FROM appeals WHERE submission = $1",
        "DELETE FROM submissions WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    sqlx::query("DELETE FROM blobs WHERE hash = $1 AND NOT EXISTS (SELECT 1 FROM submissions WHERE log = $1)")
        .bind(log)
        .execute(connection)
        .await?;
    Ok(())
}
