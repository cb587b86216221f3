//! Rooms: private boards for an hour's workshop, joined with a code.
//!
//! A room's id is also the name of its board. Its code, its presenter's secret and its members' tokens are stored as hashes.

use sqlx::{AnyConnection, FromRow, Row};

use super::audit::{self, Act};
use super::{Store, StoreError};

/// A room.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) opened_by: String,
    pub(crate) opened_ms: i64,
    pub(crate) expires_ms: i64,
    pub(crate) capacity: i64,
    pub(crate) frozen: i64,
    pub(crate) closed: i64,
    pub(crate) published: i64,
}

const COLUMNS: &str =
    "id, name, opened_by, opened_ms, expires_ms, capacity, frozen, closed, published";

/// A room about to be opened.
pub(crate) struct NewRoom {
    pub(crate) room: Room,
    pub(crate) code_hash: String,
    pub(crate) presenter_hash: String,
}

/// Somebody who joins.
pub(crate) struct NewMember {
    pub(crate) code_hash: String,
    pub(crate) author: String,
    pub(crate) token_hash: String,
    pub(crate) now_ms: i64,
}

/// What became of an attempt to join.
pub(crate) enum Joined {
    /// In, with the new token; an older one of the same key ends.
    In(Room),
    /// No room has this code, or it is over, or the presenter removed this key.
    NoRoom,
    /// As many as it takes are in already.
    Full(i64),
}

/// A member of a room.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Member {
    /// Author id of the member's key.
    pub author: String,
    /// When it joined, in milliseconds since 1970 UTC.
    pub joined_ms: i64,
    /// 1 if the presenter removed it.
    pub revoked: i64,
}

/// What a presenter may change about a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomChange {
    Freeze,
    Thaw,
    Close,
    Publish,
}

impl RoomChange {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Close => "close",
            Self::Publish => "publish",
        }
    }
}

/// A change, who makes it and when.
pub(crate) struct ChangeRoom {
    pub(crate) room: String,
    pub(crate) change: RoomChange,
    pub(crate) act: Act,
}

/// A member to remove.
pub(crate) struct RevokeMember {
    pub(crate) room: String,
    pub(crate) author: String,
    pub(crate) act: Act,
}

impl Store {
    /// Opens a room.
    pub(crate) async fn open_room(&self, new: NewRoom) -> Result<(), StoreError> {
        self.write(new, |new, connection| {
            Box::pin(async move {
                let room = &new.room;
                sqlx::query(
                    "INSERT INTO rooms (id, name, code_hash, presenter_hash, opened_by, opened_ms, expires_ms, capacity) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(&room.id)
                .bind(&room.name)
                .bind(&new.code_hash)
                .bind(&new.presenter_hash)
                .bind(&room.opened_by)
                .bind(room.opened_ms)
                .bind(room.expires_ms)
                .bind(room.capacity)
                .execute(&mut *connection)
                .await?;
                let act = Act {
                    at_ms: room.opened_ms,
                    actor: format!("key:{}", room.opened_by),
                    action: "open-room",
                    object: room.id.clone(),
                    detail: String::new(),
                };
                audit::append(connection, &act).await
            })
        })
        .await
    }

    /// The room with this id.
    pub(crate) async fn room(&self, id: &str) -> Result<Option<Room>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM rooms WHERE id = $1"));
        Ok(sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(self.pool())
            .await?)
    }

    /// Id of the room that this secret presents.
    pub(crate) async fn presented(
        &self,
        presenter_hash: &str,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT id FROM rooms WHERE presenter_hash = $1")
            .bind(presenter_hash)
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Room and author of a member's token, unless it was revoked or its room expired.
    pub(crate) async fn member(
        &self,
        token_hash: &str,
        now_ms: i64,
    ) -> Result<Option<(String, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT members.room, members.author FROM members JOIN rooms ON rooms.id = members.room \
             WHERE token_hash = $1 AND revoked = 0 AND expires_ms > $2",
        )
        .bind(token_hash)
        .bind(now_ms)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((row.try_get(0)?, row.try_get(1)?)))
    }

    /// Lets somebody in.
    pub(crate) async fn join(&self, new: NewMember) -> Result<Joined, StoreError> {
        self.write(new, |new, connection| Box::pin(join(new, connection)))
            .await
    }

    /// The members of a room, in the order in which they joined.
    pub(crate) async fn members(&self, room: &str) -> Result<Vec<Member>, StoreError> {
        let sql = "SELECT author, joined_ms, revoked FROM members WHERE room = $1 ORDER BY joined_ms, author";
        Ok(sqlx::query_as(sql)
            .bind(room)
            .fetch_all(self.pool())
            .await?)
    }

    /// Changes a room.
    pub(crate) async fn change_room(&self, change: ChangeRoom) -> Result<(), StoreError> {
        self.write(change, |change, connection| {
            Box::pin(async move {
                let sql = match change.change {
                    RoomChange::Freeze => "UPDATE rooms SET frozen = 1 WHERE id = $1",
                    RoomChange::Thaw => "UPDATE rooms SET frozen = 0 WHERE id = $1",
                    RoomChange::Close => "UPDATE rooms SET closed = 1, frozen = 1 WHERE id = $1",
                    RoomChange::Publish => "UPDATE rooms SET published = 1 WHERE id = $1",
                };
                sqlx::query(sql)
                    .bind(&change.room)
                    .execute(&mut *connection)
                    .await?;
                audit::append(connection, &change.act).await
            })
        })
        .await
    }

    /// Removes a member; `false` if there is none with this key.
    pub(crate) async fn revoke_member(&self, revoke: RevokeMember) -> Result<bool, StoreError> {
        self.write(revoke, |revoke, connection| {
            Box::pin(async move {
                let done =
                    sqlx::query("UPDATE members SET revoked = 1 WHERE room = $1 AND author = $2")
                        .bind(&revoke.room)
                        .bind(&revoke.author)
                        .execute(&mut *connection)
                        .await?;
                if done.rows_affected() == 0 {
                    return Ok(false);
                }
                audit::append(connection, &revoke.act).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn join(new: &NewMember, connection: &mut AnyConnection) -> Result<Joined, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM rooms WHERE code_hash = $1 AND closed = 0 AND expires_ms > $2"
    ));
    let room: Option<Room> = sqlx::query_as(sql)
        .bind(&new.code_hash)
        .bind(new.now_ms)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(room) = room else {
        return Ok(Joined::NoRoom);
    };
    let known = sqlx::query("SELECT revoked FROM members WHERE room = $1 AND author = $2")
        .bind(&room.id)
        .bind(&new.author)
        .fetch_optional(&mut *connection)
        .await?;
    match known {
        Some(row) if row.try_get::<i64, _>(0)? == 1 => return Ok(Joined::NoRoom),
        Some(_) => {
            sqlx::query("UPDATE members SET token_hash = $1 WHERE room = $2 AND author = $3")
                .bind(&new.token_hash)
                .bind(&room.id)
                .bind(&new.author)
                .execute(connection)
                .await?;
        }
        None => {
            let row = sqlx::query("SELECT COUNT(*) FROM members WHERE room = $1 AND revoked = 0")
                .bind(&room.id)
                .fetch_one(&mut *connection)
                .await?;
            if row.try_get::<i64, _>(0)? >= room.capacity {
                return Ok(Joined::Full(room.capacity));
            }
            sqlx::query(
                "INSERT INTO members (token_hash, room, author, joined_ms) VALUES ($1, $2, $3, $4)",
            )
            .bind(&new.token_hash)
            .bind(&room.id)
            .bind(&new.author)
            .bind(new.now_ms)
            .execute(connection)
            .await?;
        }
    }
    Ok(Joined::In(room))
}
