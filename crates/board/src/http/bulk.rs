//! Hiding or deleting all runs of a key, a room or a model.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jeoul_record::text::Kind as TextKind;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::caller::Caller;
use super::rooms::checked_text;
use crate::access;
use crate::board::Board;
use crate::events::Event;
use crate::problem::Problem;
use crate::secret::is_hex;
use crate::store::audit::Act;
use crate::store::bulk::{BulkDecision, Common};

/// A decision about many runs.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bulk {
    action: BulkAction,
    by: BulkBy,
    /// Author id of the key, id of the room or SHA-256 of the model's file.
    value: String,
    /// For the public audit table.
    reason: String,
}

/// What becomes of them. What is deleted can be restored, run by run, for ten minutes.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum BulkAction {
    Hide,
    Delete,
}

/// What they have in common.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum BulkBy {
    Key,
    Room,
    Model,
}

/// What was done.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BulkDone {
    /// Runs that were hidden or deleted; those that were so before are not among them.
    runs: usize,
}

/// Hide or delete all runs of a key, a room or a model, as one act of the audit table. A moderator's own runs are left out.
#[utoipa::path(post, path = "/api/moderation/bulk", tag = "moderation", request_body = Bulk,
    responses((status = 200, body = BulkDone), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn decide(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Body(bulk): Body<Bulk>,
) -> Result<Json<BulkDone>, Problem> {
    let moderator = access::moderator(&caller)?;
    let (common, digits, word) = match bulk.by {
        BulkBy::Key => (Common::Key, 32, "key"),
        BulkBy::Room => (Common::Room, 16, "room"),
        BulkBy::Model => (Common::Model, 64, "model"),
    };
    if !is_hex(&bulk.value, digits) {
        let detail = format!("it must be {digits} digits of lower-case hexadecimal");
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-name", detail);
        return Err(problem.at("/value"));
    }
    checked_text(&bulk.reason, TextKind::Note, "/reason")?;
    let delete = matches!(bulk.action, BulkAction::Delete);
    let act = Act {
        at_ms: board.now_ms(),
        actor: format!("moderator:{}", moderator.id),
        action: if delete { "delete-all" } else { "hide-all" },
        object: format!("{word}:{}", bulk.value),
        detail: bulk.reason,
    };
    let decision = BulkDecision {
        common,
        value: bulk.value,
        delete,
        but: moderator.author.clone(),
        act,
    };
    let gone = board.store().decide_bulk(decision).await?;
    for run in &gone {
        let event = Event::new("gone", &run.id);
        board.inner.events.tell(&run.board, event);
    }
    Ok(Json(BulkDone { runs: gone.len() }))
}
