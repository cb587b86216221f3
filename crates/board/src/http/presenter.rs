//! What the presenter of a room may do: freeze and thaw, close, publish, see and remove members. Moderators may, too.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::body::Path;
use super::caller::Caller;
use super::headers::tagged;
use super::rooms::RoomState;
use crate::access;
use crate::board::Board;
use crate::events::Event;
use crate::problem::Problem;
use crate::secret::is_hex;
use crate::store::audit::Act;
use crate::store::rooms::{ChangeRoom, Member, RevokeMember, RoomChange};

/// The members of a room.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Members {
    /// In the order in which they joined.
    members: Vec<Member>,
}

/// Who is in.
#[utoipa::path(get, path = "/api/rooms/{room}/members", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = Members), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn members(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    access::present(&board, &caller, &id).await?;
    let members = board.store().members(&id).await?;
    Ok(tagged(&headers, &Members { members }))
}

/// Remove a member: its token ends, and its key cannot join again.
#[utoipa::path(delete, path = "/api/rooms/{room}/members/{author}", tag = "rooms", params(("room" = String, Path), ("author" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn revoke(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path((id, author)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    access::present(&board, &caller, &id).await?;
    if !is_hex(&author, 32) {
        return Err(Problem::not_found());
    }
    let mut act = act(&board, &caller, &id, "remove-member");
    act.detail.clone_from(&author);
    let revoke = RevokeMember {
        room: id,
        author,
        act,
    };
    if board.store().revoke_member(revoke).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

/// Freeze the table: no runs are taken until it is thawed.
#[utoipa::path(post, path = "/api/rooms/{room}/freeze", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = RoomState), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn freeze(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<axum::Json<RoomState>, Problem> {
    change(&board, &caller, id, RoomChange::Freeze).await
}

/// Thaw a frozen table.
#[utoipa::path(post, path = "/api/rooms/{room}/thaw", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = RoomState), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn thaw(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<axum::Json<RoomState>, Problem> {
    change(&board, &caller, id, RoomChange::Thaw).await
}

/// Close a room for good: nobody joins, no runs are taken. Its members see it until it expires.
#[utoipa::path(post, path = "/api/rooms/{room}/close", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = RoomState), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn close(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<axum::Json<RoomState>, Problem> {
    change(&board, &caller, id, RoomChange::Close).await
}

/// Let everyone see a room's table, for good.
#[utoipa::path(post, path = "/api/rooms/{room}/publish", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = RoomState), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn publish(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<axum::Json<RoomState>, Problem> {
    change(&board, &caller, id, RoomChange::Publish).await
}

fn act(board: &Board, caller: &Caller, room: &str, action: &'static str) -> Act {
    let actor = match caller.moderator() {
        Some(moderator) => format!("moderator:{}", moderator.id),
        None => format!("presenter:{room}"),
    };
    Act {
        at_ms: board.now_ms(),
        actor,
        action,
        object: room.to_owned(),
        detail: String::new(),
    }
}

async fn change(
    board: &Board,
    caller: &Caller,
    id: String,
    change: RoomChange,
) -> Result<axum::Json<RoomState>, Problem> {
    let room = access::present(board, caller, &id).await?;
    if room.closed != 0 && change == RoomChange::Thaw {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "room-closed",
            "the room was closed for good",
        ));
    }
    let act = act(board, caller, &id, change.name());
    board
        .store()
        .change_room(ChangeRoom {
            room: id.clone(),
            change,
            act,
        })
        .await?;
    let room = access::present(board, caller, &id).await?;
    // Everyone who watches hears it; what members are running is not for a published room's viewers.
    let state = RoomState::new(room, Vec::new());
    board.inner.events.tell(&id, Event::new("room", &state));
    Ok(axum::Json(state))
}
