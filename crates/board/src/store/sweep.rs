//! What goes by itself: deleted runs after ten minutes, rooms after thirty days, item logs that no row refers to.

use std::collections::HashSet;

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
    /// Logs outside the database that were put before this and have no row.
    pub(crate) unreferred_before_ms: i64,
}

impl Store {
    /// Erases what is old enough; returns how many runs went.
    pub(crate) async fn sweep(&self, sweep: Sweep) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let logs = self
                .write(sweep, |sweep, connection| Box::pin(step(sweep, connection)))
                .await?;
            erased += logs.len() as u64;
            if let Some(objects) = self.objects() {
                objects.erase(&logs).await?;
            }
            if logs.len() < STEP as usize {
                break;
            }
        }
        self.sweep_logs(sweep).await?;
        Ok(erased)
    }

    /// Erases logs outside the database that no row refers to: each minute those of one folder of the 256, so that even with
    /// millions of logs no sweep is long.
    async fn sweep_logs(&self, sweep: Sweep) -> Result<(), StoreError> {
        let Some(objects) = self.objects() else {
            return Ok(());
        };
        let first = sweep.now_ms.div_euclid(60_000).rem_euclid(256) as u8;
        let old = objects.older(first, sweep.unreferred_before_ms).await?;
        if self.unreferred(first, &old).await?.is_empty() {
            return Ok(());
        }
        // One of them may be on its way to a row: that is waited for, and then looked at again.
        let _erasing = objects.erasing().await;
        let gone = self.unreferred(first, &old).await?;
        objects.erase(&gone).await
    }

    /// Those of `logs`, which all begin with the two digits of `first`, that no row refers to.
    async fn unreferred(&self, first: u8, logs: &[String]) -> Result<Vec<String>, StoreError> {
        if logs.is_empty() {
            return Ok(Vec::new());
        }
        let (from, to) = (format!("{first:02x}"), format!("{first:02x}g"));
        let rows = sqlx::query("SELECT log FROM submissions WHERE log >= $1 AND log < $2")
            .bind(from)
            .bind(to)
            .fetch_all(self.pool())
            .await?;
        let kept = rows.iter().map(|row| row.try_get(0));
        let kept: HashSet<String> = kept.collect::<Result<_, sqlx::Error>>()?;
        let gone = logs.iter().filter(|log| !kept.contains(*log));
        Ok(gone.cloned().collect())
    }
}

/// Erases up to [`STEP`] runs; returns the names of their logs.
async fn step(sweep: &Sweep, connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
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
    let mut logs = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, log): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        erase(connection, &id, &log, sweep.now_ms).await?;
        logs.push(log);
    }
    Ok(logs)
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
