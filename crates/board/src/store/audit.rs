//! Who did what: an append-only table whose entries are chained by hashes, so that a change of the past shows.
//!
//! An entry's hash is the SHA-256 of its fields and the hash of the entry before, each with its length in front, so that
//! no two entries give the same bytes. Entries name keys, moderators, rows and rooms by their ids; no text of a person.

use jeoul_record::canonical::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Row};

use super::{Store, StoreError};

/// What the first entry is chained to.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened, before it has a place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) at_ms: i64,
    /// `key:…`, `moderator:…`, `presenter:…` or `board`.
    pub(crate) actor: String,
    pub(crate) action: &'static str,
    pub(crate) object: String,
    pub(crate) detail: String,
}

/// One entry of the audit table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// Place in the chain, from 1.
    pub number: i64,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Who: `key:…`, `moderator:…`, `presenter:…` or `board`.
    pub actor: String,
    /// What was done, such as `delete` or `hide`.
    pub action: String,
    /// What it was done to, by its id.
    pub object: String,
    /// What else is to know, such as a reason.
    pub detail: String,
    /// Hash of the entry before.
    pub previous: String,
    /// Hash of this entry.
    pub hash: String,
}

impl Entry {
    /// The hash that the entry should have.
    fn expected(&self) -> String {
        let mut hash = Sha256::new();
        let number = self.number.to_string();
        let at = self.at_ms.to_string();
        for field in [
            &number,
            &at,
            &self.actor,
            &self.action,
            &self.object,
            &self.detail,
            &self.previous,
        ] {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field.as_bytes());
        }
        hex(&hash.finalize())
    }
}

/// What [`crate::Board::verify_audit`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditState {
    /// Every entry follows from the one before.
    Whole {
        /// Entries.
        entries: i64,
        /// Hash of the last one, to compare with one noted elsewhere: a chain cut at its end shows only there.
        head: String,
    },
    /// An entry is not what it was, or is missing.
    Broken {
        /// Number of the first entry that does not fit.
        number: i64,
        /// What does not.
        reason: &'static str,
    },
}

/// Appends `act` within a transaction. Two at once collide on `audit_chain`, and the second is done again.
pub(crate) async fn append(connection: &mut AnyConnection, act: &Act) -> Result<(), sqlx::Error> {
    let last = sqlx::query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let (number, previous) = match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get(1)?),
        None => (1, BEGINNING.to_owned()),
    };
    let mut entry = Entry {
        number,
        at_ms: act.at_ms,
        actor: act.actor.clone(),
        action: act.action.to_owned(),
        object: act.object.clone(),
        detail: act.detail.clone(),
        previous,
        hash: String::new(),
    };
    entry.hash = entry.expected();
    sqlx::query(
        "INSERT INTO audit (number, at_ms, actor, action, object, detail, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.number)
    .bind(entry.at_ms)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.object)
    .bind(entry.detail)
    .bind(entry.previous)
    .bind(entry.hash)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Up to `limit` entries after number `after`, in order.
    pub(crate) async fn audit(&self, after: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query(
            "SELECT number, at_ms, actor, action, object, detail, previous, hash FROM audit \
             WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        let entry = |row: &sqlx::any::AnyRow| {
            Ok(Entry {
                number: row.try_get(0)?,
                at_ms: row.try_get(1)?,
                actor: row.try_get(2)?,
                action: row.try_get(3)?,
                object: row.try_get(4)?,
                detail: row.try_get(5)?,
                previous: row.try_get(6)?,
                hash: row.try_get(7)?,
            })
        };
        rows.iter().map(entry).collect()
    }

    /// Follows the chain from its beginning.
    pub(crate) async fn verify_audit(&self) -> Result<AuditState, StoreError> {
        const STEP: i64 = 1000;
        let (mut entries, mut head) = (0, BEGINNING.to_owned());
        loop {
            let next = self.audit(entries, STEP).await?;
            if next.is_empty() {
                return Ok(AuditState::Whole { entries, head });
            }
            for entry in next {
                let number = entry.number;
                let reason = if number != entries + 1 {
                    Some("an entry before it is missing")
                } else if entry.previous != head {
                    Some("it is not chained to the entry before")
                } else if entry.hash != entry.expected() {
                    Some("its fields do not give its hash")
                } else {
                    None
                };
                if let Some(reason) = reason {
                    return Ok(AuditState::Broken { number, reason });
                }
                (entries, head) = (number, entry.hash);
            }
        }
    }
}
