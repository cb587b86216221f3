//! Rooms, for those who open and join them. What the presenter alone may do is in [`super::presenter`].

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jeoul_record::canonical::sha256;
use jeoul_record::text::{self, Kind as TextKind};
use serde::{Deserialize, Serialize};

use super::body::{Body, Path};
use super::caller::Caller;
use super::headers::tagged;
use crate::access;
use crate::board::Board;
use crate::config::millis;
use crate::events::{OpenRun, RunState};
use crate::problem::Problem;
use crate::rates::Kind;
use crate::secret::{self, TokenKind};
use crate::store::rooms::{Joined, NewMember, NewRoom, Room};

/// Most tasks that an open run names.
const TASKS_MAX: usize = 100;

/// A room to open.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    /// What the room is called.
    name: String,
}

/// A room that was opened. Code and secret are told this once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Opened {
    /// Its id, which is also the name of its board.
    room: String,
    /// What people type to join: 10 characters without I, L, O and U.
    code: String,
    /// Bearer token of who presents it.
    presenter: String,
    /// When it expires, in milliseconds since 1970 UTC.
    expires_ms: i64,
}

/// A code.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Joining {
    /// The code, in either case, with or without dashes.
    code: String,
}

/// What somebody who joined gets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Membership {
    /// The room's id, which is also the name of its board.
    room: String,
    /// What it is called.
    name: String,
    /// Bearer token of this key in this room; an older one ends.
    token: String,
    /// When it expires, in milliseconds since 1970 UTC.
    expires_ms: i64,
}

/// A room, as those in it see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RoomState {
    /// Its id, which is also the name of its board.
    pub(crate) room: String,
    /// What it is called.
    pub(crate) name: String,
    /// When it was opened, in milliseconds since 1970 UTC.
    pub(crate) opened_ms: i64,
    /// When it expires, in milliseconds since 1970 UTC.
    pub(crate) expires_ms: i64,
    /// Whether its table stands still: no runs are taken.
    pub(crate) frozen: bool,
    /// Whether it is over: nobody joins, no runs are taken.
    pub(crate) closed: bool,
    /// Whether everyone may see its table.
    pub(crate) published: bool,
    /// Runs that its members have begun; for those in it alone.
    pub(crate) runs: Vec<OpenRun>,
}

impl RoomState {
    pub(crate) fn new(room: Room, runs: Vec<OpenRun>) -> Self {
        Self {
            room: room.id,
            name: room.name,
            opened_ms: room.opened_ms,
            expires_ms: room.expires_ms,
            frozen: room.frozen != 0,
            closed: room.closed != 0,
            published: room.published != 0,
            runs,
        }
    }
}

/// Checks a text that a person typed.
pub(crate) fn checked_text(text: &str, kind: TextKind, pointer: &str) -> Result<(), Problem> {
    text::check(text, kind).map_err(|error| {
        let code = error.reason.code();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string()).at(pointer)
    })
}

/// Open a room; signed by the key of who opens it.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = Opening,
    responses((status = 201, body = Opened), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn open(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Body(opening): Body<Opening>,
) -> Result<Response, Problem> {
    let signer = caller.signed()?;
    checked_text(&opening.name, TextKind::Name, "/name")?;
    let limits = &board.inner.config.limits;
    let now_ms = board.now_ms();
    let (code, presenter) = (secret::code(), secret::token(TokenKind::Presenter));
    let room = Room {
        id: secret::name(),
        name: opening.name,
        opened_by: signer.author.clone(),
        opened_ms: now_ms,
        expires_ms: now_ms + millis(limits.room),
        capacity: i64::from(limits.room_capacity),
        frozen: 0,
        closed: 0,
        published: 0,
    };
    let opened = Opened {
        room: room.id.clone(),
        expires_ms: room.expires_ms,
        code,
        presenter,
    };
    let new = NewRoom {
        room,
        code_hash: sha256(opened.code.as_bytes()),
        presenter_hash: sha256(opened.presenter.as_bytes()),
    };
    board.store().open_room(new).await?;
    Ok((StatusCode::CREATED, axum::Json(opened)).into_response())
}

/// Join a room with its code; signed by the key that will post.
#[utoipa::path(post, path = "/api/rooms/join", tag = "rooms", request_body = Joining,
    responses((status = 200, body = Membership), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn join(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Body(joining): Body<Joining>,
) -> Result<axum::Json<Membership>, Problem> {
    let signer = caller.signed()?;
    board.inner.rates.count(Kind::Join, &signer.author)?;
    let code = secret::normal_code(&joining.code).ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-code",
            "a code is ten digits and letters without I, L, O and U",
        )
        .at("/code")
    })?;
    let token = secret::token(TokenKind::Member);
    let new = NewMember {
        code_hash: sha256(code.as_bytes()),
        author: signer.author.clone(),
        token_hash: sha256(token.as_bytes()),
        now_ms: board.now_ms(),
    };
    match board.store().join(new).await? {
        Joined::In(room) => Ok(axum::Json(Membership {
            room: room.id,
            name: room.name,
            token,
            expires_ms: room.expires_ms,
        })),
        Joined::NoRoom => Err(Problem::not_found()),
        Joined::Full(capacity) => Err(Problem::new(
            StatusCode::CONFLICT,
            "room-full",
            format!("the room has its {capacity} members"),
        )),
    }
}

/// A room: how it stands, and what its members are running.
#[utoipa::path(get, path = "/api/rooms/{room}", tag = "rooms", params(("room" = String, Path)),
    responses((status = 200, body = RoomState), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let room = access::see(&board, &caller, &id)
        .await?
        .room
        .ok_or_else(Problem::not_found)?;
    let insider = caller.member_of(&id).is_some() || caller.presents(&id);
    let runs = if insider {
        board.inner.events.runs(&id, board.now_ms())
    } else {
        Vec::new()
    };
    Ok(tagged(&headers, &RoomState::new(room, runs)))
}

/// News of a run.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunNews {
    /// Name of the model.
    model: String,
    /// Names of the tasks.
    tasks: Vec<String>,
    /// How far it is.
    state: RunState,
    /// Documents that are scored.
    done: u32,
    /// Documents in all.
    total: u32,
}

/// Tell a room how far a run of a member is; with the member's token. Kept in memory for ten minutes.
#[utoipa::path(put, path = "/api/rooms/{room}/runs/{run}", tag = "rooms", request_body = RunNews,
    params(("room" = String, Path), ("run" = String, Path, description = "1 to 40 of a to z, 0 to 9 and `-`")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn run(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path((id, run)): Path<(String, String)>,
    Body(news): Body<RunNews>,
) -> Result<StatusCode, Problem> {
    let author = caller.member_of(&id).ok_or_else(Problem::not_found)?;
    let plain = |one: u8| matches!(one, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !(1..=40).contains(&run.len()) || !run.bytes().all(plain) {
        return Err(Problem::not_found());
    }
    checked_text(&news.model, TextKind::Name, "/model")?;
    let range = |pointer: &str, detail: &str| {
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "out-of-range", detail).at(pointer))
    };
    if news.tasks.len() > TASKS_MAX {
        return range("/tasks", "at most 100 tasks");
    }
    for (index, task) in news.tasks.iter().enumerate() {
        checked_text(task, TextKind::Name, &format!("/tasks/{index}"))?;
    }
    if news.done > news.total {
        return range("/done", "no more than `total`");
    }
    let run = OpenRun {
        run,
        author: author.to_owned(),
        model: news.model,
        tasks: news.tasks,
        state: news.state,
        done: news.done,
        total: news.total,
        at_ms: board.now_ms(),
    };
    if board.inner.events.run(&id, run) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(
            StatusCode::CONFLICT,
            "too-many-runs",
            "the room shows as many runs as it can",
        ))
    }
}
