//! Spot checks: which documents were drawn for whom, and what came back.

use sqlx::{AnyConnection, FromRow, Row};

use super::audit::{self, Act};
use super::{Store, StoreError};

/// Who checks for the board itself.
pub(crate) const BOARD: &str = "board";

/// A spot check.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) submission: String,
    /// Author id of the key that checks, or [`BOARD`].
    pub(crate) author: String,
    /// The drawn documents, as JSON.
    pub(crate) drawn: String,
    /// What was drawn with: 64 hexadecimal digits.
    pub(crate) seed: String,
    pub(crate) drawn_ms: i64,
    pub(crate) done_ms: Option<i64>,
    /// Verdict, once it is done, as JSON has it.
    pub(crate) verdict: Option<String>,
    /// The comparison, as JSON.
    pub(crate) detail: Option<String>,
}

const COLUMNS: &str = "id, submission, author, drawn, seed, drawn_ms, done_ms, verdict, detail";

/// A check's end, and the label that its submission then has.
pub(crate) struct Finish {
    pub(crate) check: String,
    pub(crate) submission: String,
    pub(crate) now_ms: i64,
    pub(crate) verdict: String,
    pub(crate) detail: String,
    /// What the checks earn.
    pub(crate) earns: Earns,
    pub(crate) act: Act,
}

/// Given the submission's author, the label that the check at posting gave, and author and verdict of every finished check: the
/// label now, and whether somebody disputes the run.
pub(crate) type Earns = fn(&str, i64, &[(String, String)]) -> (i64, bool);

impl Store {
    /// Stores a draw, or finds the one that this key has for this submission: nobody draws until they like it.
    pub(crate) async fn draw(&self, check: Check) -> Result<Check, StoreError> {
        self.write(check, |check, connection| Box::pin(draw(check, connection)))
            .await
    }

    /// The check with this id.
    pub(crate) async fn check(&self, id: &str) -> Result<Option<Check>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM checks WHERE id = $1"));
        Ok(sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(self.pool())
            .await?)
    }

    /// The checks of a submission, oldest first.
    pub(crate) async fn checks(&self, submission: &str) -> Result<Vec<Check>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM checks WHERE submission = $1 ORDER BY drawn_ms, id"
        ));
        Ok(sqlx::query_as(sql)
            .bind(submission)
            .fetch_all(self.pool())
            .await?)
    }

    /// Runs with recomputed metrics that `author` has not finished checking, newest first.
    pub(crate) async fn unchecked(
        &self,
        author: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM submissions WHERE deleted_ms IS NULL AND own_trust > 0 AND NOT EXISTS \
             (SELECT 1 FROM checks WHERE submission = submissions.id AND checks.author = $1 AND done_ms IS NOT NULL) \
             ORDER BY stored_ms DESC, id LIMIT $2",
        )
        .bind(author)
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Ends a check and sets the submission's label; `None` if it was ended before or the submission is gone.
    pub(crate) async fn finish_check(&self, finish: Finish) -> Result<Option<i64>, StoreError> {
        self.write(finish, |finish, connection| {
            Box::pin(self::finish(finish, connection))
        })
        .await
    }
}

async fn draw(check: &Check, connection: &mut AnyConnection) -> Result<Check, sqlx::Error> {
    sqlx::query(
        "INSERT INTO checks (id, submission, author, drawn, seed, drawn_ms) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(&check.id)
    .bind(&check.submission)
    .bind(&check.author)
    .bind(&check.drawn)
    .bind(&check.seed)
    .bind(check.drawn_ms)
    .execute(&mut *connection)
    .await?;
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM checks WHERE submission = $1 AND author = $2"
    ));
    sqlx::query_as(sql)
        .bind(&check.submission)
        .bind(&check.author)
        .fetch_one(connection)
        .await
}

async fn finish(
    finish: &Finish,
    connection: &mut AnyConnection,
) -> Result<Option<i64>, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE checks SET done_ms = $1, verdict = $2, detail = $3 WHERE id = $4 AND done_ms IS NULL \
         AND EXISTS (SELECT 1 FROM submissions WHERE id = $5 AND deleted_ms IS NULL)",
    )
    .bind(finish.now_ms)
    .bind(&finish.verdict)
    .bind(&finish.detail)
    .bind(&finish.check)
    .bind(&finish.submission)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let rows = sqlx::query(
        "SELECT author, verdict FROM checks WHERE submission = $1 AND done_ms IS NOT NULL",
    )
    .bind(&finish.submission)
    .fetch_all(&mut *connection)
    .await?;
    let reports: Vec<(String, String)> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, sqlx::Error>>()?;
    let row = sqlx::query("SELECT author, own_trust FROM submissions WHERE id = $1")
        .bind(&finish.submission)
        .fetch_one(&mut *connection)
        .await?;
    let author: String = row.try_get(0)?;
    let (trust, disputed) = (finish.earns)(&author, row.try_get(1)?, &reports);
    sqlx::query("UPDATE submissions SET trust = $1, disputed = $2 WHERE id = $3")
        .bind(trust)
        .bind(i64::from(disputed))
        .bind(&finish.submission)
        .execute(&mut *connection)
        .await?;
    audit::append(connection, &finish.act).await?;
    Ok(Some(trust))
}
