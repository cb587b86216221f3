//! Hiding or deleting many runs at once, as one act of the audit table.

use sqlx::{AnyConnection, Row};

use super::audit::{self, Act};
use super::flags::HIDDEN_BY_MODERATOR;
use super::{Store, StoreError};

/// What the runs have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Common {
    /// The key that signed them, by its author id.
    Key,
    /// The room they were posted to.
    Room,
    /// The SHA-256 of the model's file.
    Model,
}

/// A decision about many runs.
pub(crate) struct BulkDecision {
    pub(crate) common: Common,
    pub(crate) value: String,
    /// Deletes them; hides them otherwise.
    pub(crate) delete: bool,
    /// The moderator's own key, about whose runs others decide.
    pub(crate) but: Option<String>,
    pub(crate) act: Act,
}

/// A run that is gone from tables, and the board whose viewers are told.
pub(crate) struct Gone {
    pub(crate) id: String,
    pub(crate) board: String,
}

impl Store {
    /// Carries out a decision; returns the runs that changed. Nothing is written, not even an act, if none does.
    pub(crate) async fn decide_bulk(
        &self,
        decision: BulkDecision,
    ) -> Result<Vec<Gone>, StoreError> {
        self.write(decision, |decision, connection| {
            Box::pin(decide(decision, connection))
        })
        .await
    }
}

async fn decide(
    decision: &BulkDecision,
    connection: &mut AnyConnection,
) -> Result<Vec<Gone>, sqlx::Error> {
    let column = match decision.common {
        Common::Key => "author",
        Common::Room => "board",
        Common::Model => "model_hash",
    };
    // `hidden` stays as it is where a run is deleted: restored, it is what it was.
    let which = format!(
        "{column} = $1 AND author <> $2 AND deleted_ms IS NULL AND ($3 = 1 OR hidden <> {HIDDEN_BY_MODERATOR})"
    );
    let delete = i64::from(decision.delete);
    // No author has an empty id.
    let but = decision.but.clone().unwrap_or_default();
    let sql = format!("SELECT id, board FROM submissions WHERE {which} ORDER BY id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&decision.value)
        .bind(&but)
        .bind(delete)
        .fetch_all(&mut *connection)
        .await?;
    let gone = rows.iter().map(|row| {
        Ok(Gone {
            id: row.try_get(0)?,
            board: row.try_get(1)?,
        })
    });
    let gone: Vec<Gone> = gone.collect::<Result<_, sqlx::Error>>()?;
    if gone.is_empty() {
        return Ok(gone);
    }
    let answered = format!(
        "UPDATE appeals SET answered_ms = $4 WHERE submission IN (SELECT id FROM submissions WHERE {which})"
    );
    let changed = if decision.delete {
        format!("UPDATE submissions SET deleted_ms = $4 WHERE {which}")
    } else {
        format!("UPDATE submissions SET hidden = $4 WHERE {which}")
    };
    let value = if decision.delete {
        decision.act.at_ms
    } else {
        HIDDEN_BY_MODERATOR
    };
    for (sql, value) in [(answered, decision.act.at_ms), (changed, value)] {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&decision.value)
            .bind(&but)
            .bind(delete)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    audit::append(connection, &decision.act).await?;
    Ok(gone)
}
