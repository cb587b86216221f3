//! What operators and auditors read: the audit table, health, metrics.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::body::Query;
use super::headers::tagged;
use crate::board::Board;
use crate::problem::Problem;
use crate::store::audit::Entry;

/// Entries of a page.
const PAGE: i64 = 500;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    /// Number of the last entry that is known.
    after: Option<i64>,
}

/// A page of the audit table.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Entries {
    /// In order; fewer than 500 on the last page.
    entries: Vec<Entry>,
}

/// How the server is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `ok`, if the database answers.
    status: &'static str,
}

/// Who did what: up to 500 entries after a number. Everyone may follow the chain; it holds ids alone.
#[utoipa::path(get, path = "/api/audit", tag = "moderation",
    params(("after" = Option<i64>, Query, description = "number of the last entry that is known")),
    responses((status = 200, body = Entries), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn entries(
    State(board): State<Board>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entries = board.store().audit(after.after.unwrap_or(0), PAGE).await?;
    Ok(tagged(&headers, &Entries { entries }))
}

/// Whether the server can answer.
#[utoipa::path(get, path = "/api/health", tag = "operation",
    responses((status = 200, body = Health), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn health(State(board): State<Board>) -> Result<axum::Json<Health>, Problem> {
    board.store().ping().await?;
    Ok(axum::Json(Health { status: "ok" }))
}

/// Figures in the Prometheus text format.
pub(crate) async fn metrics(State(board): State<Board>) -> Result<Response, Problem> {
    let text = board.inner.metrics.text();
    let text = text.map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unwritable",
            "the figures cannot be written",
        )
    })?;
    let mut response = text.into_response();
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
