//! Spot checks by other keys: get a draw, send what computing it again gave.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jeoul_record::envelope::{DocumentOutcome, LaneKind};
use jeoul_record::spot::{Comparison, Drawn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::body::{Body, Path};
use super::caller::Caller;
use super::headers::tagged;
use crate::access;
use crate::board::Board;
use crate::problem::Problem;
use crate::secret::is_hex;
use crate::store::checks::Check;
use crate::verify::{VerifyError, drawn};

/// A spot check.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CheckView {
    /// Its id.
    check: String,
    /// The run.
    submission: String,
    /// Author id of who checks, or `board`.
    author: String,
    /// When the documents were drawn, in milliseconds since 1970 UTC.
    drawn_ms: i64,
    /// The drawn documents: `task` counts the envelope's tasks from 0. For who checks; for others once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    documents: Option<Vec<Drawn>>,
    /// What was drawn with, once it is done: with it and the run anyone can draw again.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    /// When the answers came, in milliseconds since 1970 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_ms: Option<i64>,
    /// `agrees`, `disagrees` or `undecided`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    /// What was compared, and which documents differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    comparison: Option<Box<RawValue>>,
}

impl CheckView {
    fn new(check: Check, own: bool) -> Self {
        let done = check.done_ms.is_some();
        Self {
            documents: (done || own).then(|| drawn(&check)),
            seed: done.then_some(check.seed),
            check: check.id,
            submission: check.submission,
            author: check.author,
            drawn_ms: check.drawn_ms,
            done_ms: check.done_ms,
            verdict: check.verdict,
            // It was written as JSON.
            comparison: check
                .detail
                .and_then(|json| RawValue::from_string(json).ok()),
        }
    }
}

/// The spot checks of a run.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Checks {
    /// Oldest first.
    checks: Vec<CheckView>,
}

/// What computing the drawn documents again gave.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    /// Where they were computed: `cpu`, `gpu` or `reference`.
    #[schema(value_type = String, pattern = "^(cpu|gpu|reference)$")]
    lane: LaneKind,
    /// The outcomes, in the order of the draw.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<DocumentOutcome>,
}

/// What the comparison says.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Judged {
    /// The comparison.
    #[schema(value_type = Object)]
    comparison: Comparison,
    /// The run's trust label now.
    trust: &'static str,
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Store(error) => error.into(),
            VerifyError::NoRun { .. } => Self::not_found(),
            VerifyError::NoDocuments { .. } => Self::new(
                StatusCode::CONFLICT,
                "nothing-to-check",
                "the run has no documents of tasks that this board knows",
            ),
            VerifyError::Done { .. } | VerifyError::Rerun { .. } | VerifyError::Damaged { .. } => {
                tracing::error!(%error, "a spot check failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "check-failed",
                    "the run cannot be checked",
                )
            }
        }
    }
}

/// The spot checks of a run.
#[utoipa::path(get, path = "/api/submissions/{id}/checks", tag = "checks", params(("id" = String, Path)),
    responses((status = 200, body = Checks), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = access::run(&board, &caller, &id).await?;
    let checks = board.store().checks(&row.id).await?;
    let checks = checks.into_iter().map(|check| {
        let own = is_own(&caller, &check);
        CheckView::new(check, own)
    });
    let checks = checks.collect();
    Ok(tagged(&headers, &Checks { checks }))
}

fn is_own(caller: &Caller, check: &Check) -> bool {
    caller
        .signer
        .as_ref()
        .is_some_and(|signer| signer.author == check.author)
}

/// Ask for documents to compute again; signed by a key that is not the run's. Asking twice gives the same documents.
#[utoipa::path(post, path = "/api/submissions/{id}/checks", tag = "checks", params(("id" = String, Path)),
    responses((status = 201, body = CheckView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn draw(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let signer = caller.signed()?;
    let row = access::run(&board, &caller, &id).await?;
    if signer.author == row.author {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "own-run",
            "nobody checks a run of their own",
        ));
    }
    let envelope = board.envelope(&row).await?;
    let check = board.draw(&row, &envelope, &signer.author).await?;
    Ok((StatusCode::CREATED, axum::Json(CheckView::new(check, true))).into_response())
}

/// One spot check.
#[utoipa::path(get, path = "/api/checks/{check}", tag = "checks", params(("check" = String, Path)),
    responses((status = 200, body = CheckView), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let check = find(&board, &id).await?;
    access::run(&board, &caller, &check.submission).await?;
    let own = is_own(&caller, &check);
    Ok(tagged(&headers, &CheckView::new(check, own)))
}

async fn find(board: &Board, id: &str) -> Result<Check, Problem> {
    if !is_hex(id, 16) {
        return Err(Problem::not_found());
    }
    board
        .store()
        .check(id)
        .await?
        .ok_or_else(Problem::not_found)
}

/// Send what computing the drawn documents again gave; signed by the key that asked for them. Once.
#[utoipa::path(post, path = "/api/checks/{check}", tag = "checks", params(("check" = String, Path)), request_body = Answers,
    responses((status = 200, body = Judged), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn answer(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(answers): Body<Answers>,
) -> Result<axum::Json<Judged>, Problem> {
    caller.signed()?;
    let check = find(&board, &id).await?;
    let row = access::run(&board, &caller, &check.submission).await?;
    if !is_own(&caller, &check) {
        return Err(Problem::not_found());
    }
    let documents = drawn(&check).len();
    if answers.documents.len() != documents {
        let detail = format!(
            "{} documents; {documents} were drawn",
            answers.documents.len()
        );
        return Err(
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-count", detail).at("/documents"),
        );
    }
    let done = || {
        Problem::new(
            StatusCode::CONFLICT,
            "check-done",
            "this check has its answers",
        )
    };
    if check.done_ms.is_some() {
        return Err(done());
    }
    let envelope = board.envelope(&row).await?;
    let judged = board
        .judge(&row, &envelope, &check, answers.lane, &answers.documents)
        .await?;
    let (comparison, trust) = judged.ok_or_else(done)?;
    Ok(axum::Json(Judged { comparison, trust }))
}
