//! Posting a run, reading it, deleting it, undoing that.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jeoul_record::text::Kind as TextKind;
use jeoul_record::{Context, check};
use serde::{Deserialize, Serialize};

use super::body::{OptionalBody, Path, Query};
use super::caller::{Caller, Token};
use super::headers::tagged;
use super::moderation::Deciding;
use super::rooms::checked_text;
use super::row::{TableRow, stored};
use crate::access;
use crate::board::Board;
use crate::config::millis;
use crate::events::Event;
use crate::problem::Problem;
use crate::rates::Kind;
use crate::store::audit::Act;
use crate::store::submissions::{Deleted, Deletion, NewSubmission, Stored};

/// Where a post goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// A public board; left out for the first, and with a room's token.
    board: Option<String>,
}

/// What a post is answered with.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Receipt {
    /// The permalink: SHA-256 of what was signed.
    id: String,
    /// The board.
    board: String,
    /// When it was stored, in milliseconds since 1970 UTC.
    stored_ms: i64,
    /// The trust label it earned by itself.
    trust: &'static str,
}

/// Post a run: a signed envelope in canonical JSON (RFC 8785), byte for byte.
///
/// 201 once it is on disk; 200 with the same answer if it was posted before. `idempotency-key`, if sent, must be the SHA-256 of
/// the canonical envelope. A room's token posts to its room, and only what its own key signed.
#[utoipa::path(post, path = "/api/submissions", tag = "submissions",
    params(("board" = Option<String>, Query, description = "a public board; the first if left out"),
        ("idempotency-key" = Option<String>, Header, description = "SHA-256 of the canonical envelope")),
    request_body(content = Object, description = "a signed envelope, schema `jeoul-record/1`", content_type = "application/json"),
    responses((status = 201, body = Receipt), (status = 200, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn post(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Query(target): Query<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if let Some(who) = &caller.counted_as {
        board.inner.rates.count(Kind::Post, who)?;
    }
    let (name, member) = match (&caller.token, target.board) {
        (Some(Token::Member { room, author }), None) => (room.clone(), Some(author.clone())),
        (Some(Token::Member { .. }), Some(_)) => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "board-and-token",
                "a room's token posts to its room; leave `board` out",
            ));
        }
        (_, None) => (board.inner.config.boards[0].clone(), None),
        (_, Some(name)) if board.inner.config.boards.contains(&name) => (name, None),
        (_, Some(_)) => return Err(Problem::not_found()),
    };
    let new = checked(&board, name, member.is_some(), body).await?;
    if let Some(author) = &member
        && *author != new.row.author
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "other-key",
            "the room's token was given to another key than the one that signed this run",
        )
        .at("/public_key"));
    }
    if let Some(key) = headers.get("idempotency-key")
        && key.as_bytes() != new.row.id.as_bytes()
    {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency-key-mismatch",
            "`idempotency-key` is not the SHA-256 of the canonical envelope",
        ));
    }
    if caller.counted_as.is_none() {
        board.inner.rates.count(Kind::Post, &new.row.author)?;
    }
    store(&board, new).await
}

/// Checks what was posted, on a thread of its own: it computes, for some milliseconds.
async fn checked(
    board: &Board,
    name: String,
    in_room: bool,
    body: Bytes,
) -> Result<NewSubmission, Problem> {
    let stopped = |_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the board is stopping",
        )
        .retry_after(5)
    };
    let _permit = board.inner.checking.acquire().await.map_err(stopped)?;
    let (tasks, unknown_tasks) = (
        Arc::clone(&board.inner.config.tasks),
        board.inner.config.unknown_tasks,
    );
    let now_ms = board.now_ms();
    let work = move || {
        let context = Context {
            board: &name,
            now: now_ms.div_euclid(1000),
            tasks: &*tasks,
            unknown_tasks,
            // Standard errors without a formula are left out: a hundred thousand resamples are not for every post.
            bootstrap_iters: 0,
        };
        let (signed, checked) = check(&body, &context)?;
        stored(&signed.envelope, checked, &body, now_ms, in_room).map_err(Problem::from)
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a check ended without an answer");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "check-failed",
                "the check ended without an answer",
            ))
        })
}

async fn store(board: &Board, new: NewSubmission) -> Result<Response, Problem> {
    let row = new.row.clone();
    let outcome = board.store().insert(new).await?;
    let conflict = |code, detail: &str| Err(Problem::new(StatusCode::CONFLICT, code, detail));
    let (status, stored_ms) = match outcome {
        Stored::New => (StatusCode::CREATED, row.stored_ms),
        Stored::Again { stored_ms } => (StatusCode::OK, stored_ms),
        Stored::Deleted => {
            return Err(Problem::new(
                StatusCode::GONE,
                "deleted",
                "this run was deleted and is not taken again",
            ));
        }
        Stored::NonceUsed => {
            let used = conflict(
                "nonce-used",
                "this key has posted another run with this nonce",
            );
            return used.map_err(|problem| problem.at("/envelope/nonce"));
        }
        Stored::RoomShut => {
            return conflict(
                "room-shut",
                "the room takes no runs: it is frozen, closed or over",
            );
        }
    };
    let row = TableRow::new(row);
    let receipt = Receipt {
        id: row.id.clone(),
        board: row.board.clone(),
        stored_ms,
        trust: row.trust,
    };
    if status == StatusCode::CREATED {
        board.inner.metrics.stored.inc();
        // As the table shows it, with what is known of it by now.
        if let Some(row) = board.store().submission(&row.id).await? {
            let event = Event::new("row", &TableRow::new(row));
            board.inner.events.tell(&receipt.board, event);
        }
    }
    Ok((status, axum::Json(receipt)).into_response())
}

/// One run, as tables show it.
#[utoipa::path(get, path = "/api/submissions/{id}", tag = "submissions", params(("id" = String, Path)),
    responses((status = 200, body = TableRow), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = access::run(&board, &caller, &id).await?;
    Ok(tagged(&headers, &TableRow::new(row)))
}

/// What was posted, byte for byte: the signed envelope with every document's outcome.
#[utoipa::path(get, path = "/api/submissions/{id}/log", tag = "submissions", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn log(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = access::run(&board, &caller, &id).await?;
    let bytes = board
        .store()
        .blob(&row.log)
        .await?
        .ok_or_else(Problem::not_found)?;
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // It never changes, but it can be deleted: caches must ask.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", row.log)) {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

/// Delete a run: signed by the key that posted it, or by a moderator's token. 204, and 204 again.
///
/// It is gone from every answer at once, can be restored for ten minutes, and is then erased but for its id and the time.
/// A moderator gives a reason in the body; an author need not.
#[utoipa::path(delete, path = "/api/submissions/{id}", tag = "submissions", params(("id" = String, Path)), request_body = Option<Deciding>,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn delete(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    OptionalBody(deciding): OptionalBody<Deciding>,
) -> Result<StatusCode, Problem> {
    let (name, mut deletion) = deletion(&board, &caller, id, "delete").await?;
    if let Some(Deciding { reason }) = deciding {
        checked_text(&reason, TextKind::Note, "/reason")?;
        deletion.act.detail = reason;
    }
    let object = deletion.id.clone();
    match board.store().delete(deletion).await? {
        Deleted::Done => board.inner.events.tell(&name, Event::new("gone", &object)),
        Deleted::Already => {}
        Deleted::Replay => return Err(replayed()),
        Deleted::TooLate => return Err(Problem::not_found()),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Undo a deletion, within ten minutes, with the key that posted the run or as a moderator.
#[utoipa::path(post, path = "/api/submissions/{id}/restore", tag = "submissions", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn restore(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (name, deletion) = deletion(&board, &caller, id, "restore").await?;
    let object = deletion.id.clone();
    let since = board.now_ms() - millis(board.inner.config.limits.undo);
    match board.store().restore(deletion, since).await? {
        Deleted::Done => {
            if let Some(row) = board.store().submission(&object).await? {
                board
                    .inner
                    .events
                    .tell(&name, Event::new("row", &TableRow::new(row)));
            }
        }
        Deleted::Already => {}
        Deleted::Replay => return Err(replayed()),
        Deleted::TooLate => {
            return Err(Problem::new(
                StatusCode::GONE,
                "deleted",
                "it was deleted too long ago to be restored",
            ));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn replayed() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "replayed",
        "a later request about this run has been carried out; sign a new one",
    )
}

/// A deletion or its undoing, if the caller owns the run or is a moderator who does not; the run's board with it.
async fn deletion(
    board: &Board,
    caller: &Caller,
    id: String,
    action: &'static str,
) -> Result<(String, Deletion), Problem> {
    let now_ms = board.now_ms();
    let row = access::any_run(board, &id).await?;
    let owner = caller
        .signer
        .as_ref()
        .filter(|signer| signer.author == row.author);
    let (actor, asked_ms) = match (owner, caller.moderator()) {
        (Some(signer), _) => (format!("key:{}", signer.author), signer.asked_ms),
        (None, Some(moderator)) => (format!("moderator:{}", moderator.id), now_ms),
        (None, None) => return Err(Problem::not_found()),
    };
    let act = Act {
        at_ms: now_ms,
        actor,
        action,
        object: id.clone(),
        detail: String::new(),
    };
    Ok((row.board, Deletion { id, asked_ms, act }))
}
