//! Flags, hiding and appeals: the public log of what others object to, and what moderators make of it.

use sqlx::{AnyConnection, FromRow, Row};

use super::audit::{self, Act};
use super::{Store, StoreError};

/// Flags of different keys that hide a run until a moderator has looked.
pub(crate) const HIDING_FLAGS: i64 = 3;

/// Why a run is hidden, as `submissions.hidden` has it; 0 if it is not.
pub(crate) const HIDDEN_BY_FLAGS: i64 = 1;
pub(crate) const HIDDEN_BY_MODERATOR: i64 = 2;

/// One flag, as the public log shows it.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Flag {
    /// Author id of the key that flagged.
    pub author: String,
    /// What kind of objection it is.
    pub reason: String,
    /// Where it is argued: an https address.
    pub link: String,
    /// A sentence or two.
    pub note: String,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// 1 if it counts towards hiding: its key is not the author's, and has posted a run long enough ago.
    pub counts: i64,
    /// 1 if a moderator found it unfounded.
    pub dismissed: i64,
}

/// A flag about to be raised.
pub(crate) struct NewFlag {
    pub(crate) submission: String,
    pub(crate) flag: Flag,
    /// Its key must have posted before this for the flag to count.
    pub(crate) known_before_ms: i64,
}

/// What became of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flagged {
    /// It is in the log.
    Logged {
        /// Whether it hid the run.
        hid: bool,
        /// Whether it counts.
        counts: bool,
    },
    /// This key has flagged this run before.
    Again,
    /// There is no such run.
    Gone,
}

/// A moderator's decision about a run.
pub(crate) struct Decision {
    pub(crate) submission: String,
    pub(crate) hide: bool,
    pub(crate) act: Act,
}

/// A run that waits for a moderator.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Waiting {
    /// Submission.
    pub id: String,
    /// Its board.
    pub board: String,
    /// Its author.
    pub author: String,
    /// Name of its model, as its poster typed it.
    pub model_name: String,
    /// SHA-256 of its model's file.
    pub model_hash: String,
    /// 0 shown, 1 hidden by flags, 2 hidden by a moderator.
    pub hidden: i64,
    /// Flags that count.
    pub flags: i64,
    /// What its author says against it, if anything.
    pub appeal: Option<String>,
}

impl Store {
    /// Raises a flag.
    pub(crate) async fn flag(&self, new: NewFlag) -> Result<Flagged, StoreError> {
        self.write(new, |new, connection| Box::pin(flag(new, connection)))
            .await
    }

    /// The flags of a run, oldest first.
    pub(crate) async fn flags(&self, submission: &str) -> Result<Vec<Flag>, StoreError> {
        let sql = "SELECT author, reason, link, note, at_ms, counts, dismissed FROM flags \
                   WHERE submission = $1 ORDER BY at_ms, author";
        Ok(sqlx::query_as(sql)
            .bind(submission)
            .fetch_all(self.pool())
            .await?)
    }

    /// Stores what an author says against hiding a run; a later text replaces it.
    pub(crate) async fn appeal(
        &self,
        submission: String,
        note: String,
        act: Act,
    ) -> Result<(), StoreError> {
        self.write((submission, note, act), |(submission, note, act), connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO appeals (submission, note, at_ms) VALUES ($1, $2, $3) \
                     ON CONFLICT (submission) DO UPDATE SET note = $2, at_ms = $3, answered_ms = NULL",
                )
                .bind(submission)
                .bind(note)
                .bind(act.at_ms)
                .execute(&mut *connection)
                .await?;
                audit::append(connection, act).await
            })
        })
        .await
    }

    /// Hides or shows a run; showing dismisses its flags, and either answers an appeal. `false` if there is no such run.
    pub(crate) async fn decide(&self, decision: Decision) -> Result<bool, StoreError> {
        self.write(decision, |decision, connection| {
            Box::pin(decide(decision, connection))
        })
        .await
    }

    /// Runs with flags, hidden runs and open appeals, up to 500.
    pub(crate) async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let sql = "SELECT submissions.id AS id, board, author, model_name, model_hash, hidden, flags, appeals.note AS appeal FROM submissions \
                   LEFT JOIN appeals ON appeals.submission = submissions.id AND appeals.answered_ms IS NULL \
                   WHERE deleted_ms IS NULL AND (flags > 0 OR hidden > 0 OR appeals.note IS NOT NULL) \
                   ORDER BY flags DESC, stored_ms DESC, submissions.id LIMIT 500";
        Ok(sqlx::query_as(sql).fetch_all(self.pool()).await?)
    }
}

async fn flag(new: &NewFlag, connection: &mut AnyConnection) -> Result<Flagged, sqlx::Error> {
    let flag = &new.flag;
    let row =
        sqlx::query("SELECT author, hidden FROM submissions WHERE id = $1 AND deleted_ms IS NULL")
            .bind(&new.submission)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(row) = row else {
        return Ok(Flagged::Gone);
    };
    let (author, hidden): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    // Keys cost nothing: three made in a minute must not hide anybody's run.
    let known =
        sqlx::query("SELECT 1 FROM submissions WHERE author = $1 AND stored_ms < $2 LIMIT 1")
            .bind(&flag.author)
            .bind(new.known_before_ms)
            .fetch_optional(&mut *connection)
            .await?;
    let counts = known.is_some() && author != flag.author;
    let done = sqlx::query(
        "INSERT INTO flags (submission, author, reason, link, note, at_ms, counts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(&new.submission)
    .bind(&flag.author)
    .bind(&flag.reason)
    .bind(&flag.link)
    .bind(&flag.note)
    .bind(flag.at_ms)
    .bind(i64::from(counts))
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Flagged::Again);
    }
    let row = sqlx::query(
        "SELECT COUNT(*) FROM flags WHERE submission = $1 AND counts = 1 AND dismissed = 0",
    )
    .bind(&new.submission)
    .fetch_one(&mut *connection)
    .await?;
    let flags: i64 = row.try_get(0)?;
    let hides = flags >= HIDING_FLAGS && hidden == 0;
    sqlx::query("UPDATE submissions SET flags = $1, hidden = $2 WHERE id = $3")
        .bind(flags)
        .bind(if hides { HIDDEN_BY_FLAGS } else { hidden })
        .bind(&new.submission)
        .execute(&mut *connection)
        .await?;
    let mut act = Act {
        at_ms: flag.at_ms,
        actor: format!("key:{}", flag.author),
        action: "flag",
        object: new.submission.clone(),
        detail: flag.reason.clone(),
    };
    audit::append(&mut *connection, &act).await?;
    if hides {
        act.actor = "board".to_owned();
        act.action = "hide";
        act.detail = format!("{flags} flags");
        audit::append(connection, &act).await?;
    }
    Ok(Flagged::Logged { hid: hides, counts })
}

async fn decide(decision: &Decision, connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let id = &decision.submission;
    let sql = if decision.hide {
        "UPDATE submissions SET hidden = $1 WHERE id = $2 AND deleted_ms IS NULL"
    } else {
        "UPDATE submissions SET hidden = $1, flags = 0 WHERE id = $2 AND deleted_ms IS NULL"
    };
    let done = sqlx::query(sql)
        .bind(if decision.hide {
            HIDDEN_BY_MODERATOR
        } else {
            0
        })
        .bind(id)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    if !decision.hide {
        sqlx::query("UPDATE flags SET dismissed = 1 WHERE submission = $1")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("UPDATE appeals SET answered_ms = $1 WHERE submission = $2")
        .bind(decision.act.at_ms)
        .bind(id)
        .execute(&mut *connection)
        .await?;
    audit::append(connection, &decision.act).await?;
    Ok(true)
}
