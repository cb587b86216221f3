//! Moderators and their sessions. A moderator is made on the command line, which prints the token once.

use sqlx::{FromRow, Row};

use super::audit::{self, Act};
use super::{Store, StoreError};

/// A moderator who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moderator {
    pub(crate) id: String,
    /// Key of the moderator's own rows.
    pub(crate) author: Option<String>,
}

/// A moderator as whoever runs the board sees them.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ModeratorEntry {
    /// Id.
    pub id: String,
    /// What they are called.
    pub name: String,
    /// When they were added, in milliseconds since 1970 UTC.
    pub created_ms: i64,
}

pub(crate) struct NewModerator {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) token_hash: String,
    pub(crate) author: Option<String>,
    pub(crate) now_ms: i64,
}

pub(crate) struct NewSession {
    pub(crate) token_hash: String,
    pub(crate) moderator: String,
    pub(crate) expires_ms: i64,
    pub(crate) now_ms: i64,
}

impl Store {
    /// Adds a moderator.
    pub(crate) async fn add_moderator(&self, new: NewModerator) -> Result<(), StoreError> {
        self.write(new, |new, connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO moderators (id, name, token_hash, author, created_ms) VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(&new.id)
                .bind(&new.name)
                .bind(&new.token_hash)
                .bind(&new.author)
                .bind(new.now_ms)
                .execute(&mut *connection)
                .await?;
                let act = Act {
                    at_ms: new.now_ms,
                    actor: "board".to_owned(),
                    action: "add-moderator",
                    object: new.id.clone(),
                    detail: String::new(),
                };
                audit::append(connection, &act).await
            })
        })
        .await
    }

    /// Takes a moderator's rights away; `false` if there is none of this id.
    pub(crate) async fn revoke_moderator(
        &self,
        id: String,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.write((id, now_ms), |(id, now_ms), connection| {
            Box::pin(async move {
                let done =
                    sqlx::query("UPDATE moderators SET revoked = 1 WHERE id = $1 AND revoked = 0")
                        .bind(id)
                        .execute(&mut *connection)
                        .await?;
                if done.rows_affected() == 0 {
                    return Ok(false);
                }
                sqlx::query("DELETE FROM sessions WHERE moderator = $1")
                    .bind(id)
                    .execute(&mut *connection)
                    .await?;
                let act = Act {
                    at_ms: *now_ms,
                    actor: "board".to_owned(),
                    action: "revoke-moderator",
                    object: id.clone(),
                    detail: String::new(),
                };
                audit::append(connection, &act).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Moderators who have their rights, in the order in which they were added.
    pub(crate) async fn moderators(&self) -> Result<Vec<ModeratorEntry>, StoreError> {
        let sql =
            "SELECT id, name, created_ms FROM moderators WHERE revoked = 0 ORDER BY created_ms, id";
        Ok(sqlx::query_as(sql).fetch_all(self.pool()).await?)
    }

    /// The moderator with this token.
    pub(crate) async fn moderator(
        &self,
        token_hash: &str,
    ) -> Result<Option<Moderator>, StoreError> {
        let sql = "SELECT id, author FROM moderators WHERE token_hash = $1 AND revoked = 0";
        let row = sqlx::query(sql)
            .bind(token_hash)
            .fetch_optional(self.pool())
            .await?;
        moderator(row)
    }

    /// The moderator whose session this is.
    pub(crate) async fn session(
        &self,
        token_hash: &str,
        now_ms: i64,
    ) -> Result<Option<Moderator>, StoreError> {
        let row = sqlx::query(
            "SELECT moderators.id, moderators.author FROM sessions \
             JOIN moderators ON moderators.id = sessions.moderator \
             WHERE sessions.token_hash = $1 AND expires_ms > $2 AND revoked = 0",
        )
        .bind(token_hash)
        .bind(now_ms)
        .fetch_optional(self.pool())
        .await?;
        moderator(row)
    }

    /// Begins a session, and forgets those that are over.
    pub(crate) async fn begin_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.write(new, |new, connection| {
            Box::pin(async move {
                sqlx::query("DELETE FROM sessions WHERE expires_ms <= $1")
                    .bind(new.now_ms)
                    .execute(&mut *connection)
                    .await?;
                sqlx::query(
                    "INSERT INTO sessions (token_hash, moderator, expires_ms) VALUES ($1, $2, $3)",
                )
                .bind(&new.token_hash)
                .bind(&new.moderator)
                .bind(new.expires_ms)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, token_hash: String) -> Result<(), StoreError> {
        self.write(token_hash, |token_hash, connection| {
            Box::pin(async move {
                sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
                    .bind(token_hash)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

fn moderator(row: Option<sqlx::any::AnyRow>) -> Result<Option<Moderator>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Moderator {
        id: row.try_get(0)?,
        author: row.try_get(1)?,
    }))
}
