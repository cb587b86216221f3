//! The moderators' side: logging in, what waits, hiding and showing. To everyone else it is not there.

use axum::Extension;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jeoul_record::canonical::sha256;
use jeoul_record::text::Kind as TextKind;
use serde::{Deserialize, Serialize};

use super::body::{Body, Path};
use super::caller::{COOKIE_NAME, Caller};
use super::headers::tagged;
use super::rooms::checked_text;
use super::row::TableRow;
use crate::access;
use crate::board::Board;
use crate::config::millis;
use crate::events::Event;
use crate::problem::Problem;
use crate::secret::{self, TokenKind};
use crate::store::audit::Act;
use crate::store::flags::{Decision, Waiting};
use crate::store::moderators::NewSession;

/// A moderator's token, to begin a session with.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The token that the command line printed.
    token: String,
}

/// A session that has begun.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Session {
    /// Id of the moderator.
    moderator: String,
    /// When it ends, in milliseconds since 1970 UTC.
    expires_ms: i64,
}

/// Why a moderator decides as they do.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deciding {
    /// For the public audit table.
    pub(crate) reason: String,
}

/// What waits for a moderator.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Queue {
    /// Runs with flags, hidden runs and open appeals; most flags first.
    waiting: Vec<Waiting>,
}

/// Log in with a moderator's token; answers with a cookie that scripts cannot read.
#[utoipa::path(post, path = "/api/moderator/session", tag = "moderation", request_body = Login,
    responses((status = 201, body = Session), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn login(
    State(board): State<Board>,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let found = match TokenKind::of(&login.token) {
        Some(TokenKind::Moderator) => {
            board
                .store()
                .moderator(&sha256(login.token.as_bytes()))
                .await?
        }
        _ => None,
    };
    let wrong = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong-token",
            "this is no moderator's token",
        )
        .at("/token")
    };
    let moderator = found.ok_or_else(wrong)?;
    let token = secret::token(TokenKind::Session);
    let now_ms = board.now_ms();
    let lasts = board.inner.config.limits.session;
    let session = NewSession {
        token_hash: sha256(token.as_bytes()),
        moderator: moderator.id.clone(),
        expires_ms: now_ms + millis(lasts),
        now_ms,
    };
    let answer = Session {
        moderator: moderator.id,
        expires_ms: session.expires_ms,
    };
    board.store().begin_session(session).await?;
    Ok((
        StatusCode::CREATED,
        cookie(&format!("{token}; Path=/")),
        axum::Json(answer),
    )
        .into_response())
}

/// The header that sets the cookie to `value`. Without an age the browser keeps it in memory and forgets it when it is closed.
fn cookie(value: &str) -> HeaderMap {
    let text = format!("{COOKIE_NAME}={value}; Secure; HttpOnly; SameSite=Strict");
    let mut headers = HeaderMap::new();
    // Hexadecimal digits and the words above are a header's text.
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(SET_COOKIE, value);
    }
    headers
}

/// Log out.
#[utoipa::path(delete, path = "/api/moderator/session", tag = "moderation",
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn logout(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    access::moderator(&caller)?;
    if let Some(session) = caller.session {
        board.store().end_session(session).await?;
    }
    Ok((StatusCode::NO_CONTENT, cookie("; Path=/; Max-Age=0")).into_response())
}

/// What waits for a moderator.
#[utoipa::path(get, path = "/api/moderation", tag = "moderation",
    responses((status = 200, body = Queue), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn waiting(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    access::moderator(&caller)?;
    let waiting = board.store().waiting().await?;
    Ok(tagged(&headers, &Queue { waiting }))
}

/// Hide a run from tables.
#[utoipa::path(post, path = "/api/submissions/{id}/hide", tag = "moderation", params(("id" = String, Path)), request_body = Deciding,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn hide(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(deciding): Body<Deciding>,
) -> Result<StatusCode, Problem> {
    decide(&board, &caller, id, deciding, true).await
}

/// Show a hidden run again, and dismiss its flags.
#[utoipa::path(post, path = "/api/submissions/{id}/show", tag = "moderation", params(("id" = String, Path)), request_body = Deciding,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(deciding): Body<Deciding>,
) -> Result<StatusCode, Problem> {
    decide(&board, &caller, id, deciding, false).await
}

async fn decide(
    board: &Board,
    caller: &Caller,
    id: String,
    deciding: Deciding,
    hide: bool,
) -> Result<StatusCode, Problem> {
    let moderator = access::moderator(caller)?;
    let row = access::run(board, caller, &id).await?;
    if moderator.author.as_ref() == Some(&row.author) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "own-run",
            "no moderator decides about a run of their own",
        ));
    }
    checked_text(&deciding.reason, TextKind::Note, "/reason")?;
    let decision = Decision {
        submission: id.clone(),
        hide,
        act: Act {
            at_ms: board.now_ms(),
            actor: format!("moderator:{}", moderator.id),
            action: if hide { "hide" } else { "show" },
            object: id.clone(),
            detail: deciding.reason,
        },
    };
    if !board.store().decide(decision).await? {
        return Err(Problem::not_found());
    }
    let event = match board.store().submission(&id).await? {
        Some(row) if !hide => Event::new("row", &TableRow::new(row)),
        _ => Event::new("gone", &id),
    };
    board.inner.events.tell(&row.board, event);
    Ok(StatusCode::NO_CONTENT)
}
