//! Flags against a run, their public log, and what its author says to them.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jeoul_record::text::Kind as TextKind;
use serde::{Deserialize, Serialize};

use super::body::{Body, Path};
use super::caller::Caller;
use super::headers::tagged;
use super::rooms::checked_text;
use crate::access;
use crate::board::Board;
use crate::config::millis;
use crate::events::Event;
use crate::problem::Problem;
use crate::store::audit::Act;
use crate::store::flags::{Flag, Flagged, NewFlag};

/// Longest link, in characters.
const LINK_MAX: usize = 500;

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// The model was trained on the test documents.
    Contamination,
    /// The scores are not the model's.
    Forged,
    /// The model is described wrongly.
    Misdescribed,
    /// The model may not be shown: licence or law.
    Legal,
    /// The texts offend, or advertise.
    Abuse,
    /// Something else.
    Other,
}

/// A flag to raise.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flagging {
    /// What kind of objection it is.
    reason: Reason,
    /// Where it is argued: an `https://` address.
    #[schema(pattern = "^https://.", max_length = 500)]
    link: String,
    /// A sentence or two.
    note: String,
}

/// What became of a flag.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FlagReceipt {
    /// Whether it counts towards hiding: its key has posted a run long enough ago.
    counts: bool,
    /// Whether the run is now hidden until a moderator has looked.
    hidden: bool,
}

/// The public log of flags.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Flags {
    /// Oldest first.
    flags: Vec<Flag>,
}

/// What an author says to flags.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Appeal {
    /// The text.
    note: String,
}

/// The flags of a run.
#[utoipa::path(get, path = "/api/submissions/{id}/flags", tag = "moderation", params(("id" = String, Path)),
    responses((status = 200, body = Flags), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = access::run(&board, &caller, &id).await?;
    let flags = board.store().flags(&row.id).await?;
    Ok(tagged(&headers, &Flags { flags }))
}

/// Flag a run; signed by a key. Once for each key; three that count hide the run until a moderator has looked.
#[utoipa::path(post, path = "/api/submissions/{id}/flags", tag = "moderation", params(("id" = String, Path)), request_body = Flagging,
    responses((status = 201, body = FlagReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn flag(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(flagging): Body<Flagging>,
) -> Result<Response, Problem> {
    let signer = caller.signed()?;
    let row = access::run(&board, &caller, &id).await?;
    if !is_link(&flagging.link) {
        let detail = format!(
            "a link begins with https:// and has at most {LINK_MAX} characters, all visible ASCII"
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-link", detail).at("/link"));
    }
    checked_text(&flagging.note, TextKind::Note, "/note")?;
    let now_ms = board.now_ms();
    let reason = serde_json::to_value(flagging.reason).unwrap_or_default();
    let new = NewFlag {
        submission: row.id.clone(),
        flag: Flag {
            author: signer.author.clone(),
            reason: reason.as_str().unwrap_or_default().to_owned(),
            link: flagging.link,
            note: flagging.note,
            at_ms: now_ms,
            counts: 0,
            dismissed: 0,
        },
        known_before_ms: now_ms - millis(board.inner.config.limits.flag_age),
    };
    match board.store().flag(new).await? {
        Flagged::Logged { hid, counts } => {
            if hid {
                board
                    .inner
                    .events
                    .tell(&row.board, Event::new("gone", &row.id));
            }
            let receipt = FlagReceipt {
                counts,
                hidden: hid || row.hidden != 0,
            };
            Ok((StatusCode::CREATED, axum::Json(receipt)).into_response())
        }
        Flagged::Again => Err(Problem::new(
            StatusCode::CONFLICT,
            "flagged",
            "this key has flagged this run",
        )),
        Flagged::Gone => Err(Problem::not_found()),
    }
}

/// A page may make a link of it: no script, no spaces, no characters that change direction.
fn is_link(link: &str) -> bool {
    let visible = |one: char| {
        one.is_ascii_graphic()
            && !matches!(one, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    link.len() <= LINK_MAX
        && link.len() > 8
        && link.starts_with("https://")
        && link.chars().all(visible)
}

/// Say something to the flags of one's own run; signed by the key that posted it. A moderator reads it.
#[utoipa::path(post, path = "/api/submissions/{id}/appeal", tag = "moderation", params(("id" = String, Path)), request_body = Appeal,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn appeal(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(appeal): Body<Appeal>,
) -> Result<StatusCode, Problem> {
    let signer = caller.signed()?;
    let row = access::run(&board, &caller, &id).await?;
    if signer.author != row.author {
        return Err(Problem::not_found());
    }
    checked_text(&appeal.note, TextKind::Note, "/note")?;
    let act = Act {
        at_ms: board.now_ms(),
        actor: format!("key:{}", signer.author),
        action: "appeal",
        object: row.id.clone(),
        detail: String::new(),
    };
    board.store().appeal(row.id, appeal.note, act).await?;
    Ok(StatusCode::NO_CONTENT)
}
