//! What an answer says when something is wrong: `application/problem+json` (RFC 9457) with a code and a JSON pointer.
//!
//! A code stays the same between versions; programs look at it. The sentence is for people and holds nothing of what was
//! sent, so that an answer cannot carry somebody's markup. Faults of the server are logged, never told.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jeoul_record::{Refusal, RefusalCode};
use serde::Serialize;

use crate::store::StoreError;

/// Media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Problem(Box<ProblemDetails>);

/// What a problem says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct ProblemDetails {
    /// Always `about:blank`: the code tells the kind.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What kind of fault it is, in words with hyphens.
    code: Cow<'static, str>,
    /// Where in the body, as a JSON pointer (RFC 6901); empty for the whole, and for what is not about a body.
    pointer: String,
    /// A sentence for people, in English.
    detail: String,
    /// Seconds to wait before trying again, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem with the whole request.
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(ProblemDetails {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: code.into(),
            pointer: String::new(),
            detail: detail.into(),
            retry_after_s: None,
        }))
    }

    /// The same, with its place in the body.
    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = pointer.into();
        self
    }

    /// The same, with when to try again.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// For what is not there, and for what is not the caller's to see: the two look alike.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is nothing of this name that you may see",
        )
    }

    /// For a request that must be signed and is not.
    pub(crate) fn unsigned() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "signature-required",
            "this request must carry the header `jeoul-signature`",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.0.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Code(self.0.code));
        response
    }
}

/// A problem's code, for counting.
#[derive(Clone, Debug)]
pub(crate) struct Code(pub(crate) Cow<'static, str>);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RefusalCode::BadJson | RefusalCode::TooDeep => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refusal.code.as_str(), refusal.detail).at(refusal.pointer)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage-failed",
            "the board could not read or write what it stores; nothing was acknowledged",
        )
        .retry_after(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_s_words_are_not_told() {
        let error = StoreError::Database(sqlx::Error::Protocol("secret-table".to_owned()));
        let problem = serde_json::to_string(&Problem::from(error)).unwrap();
        assert!(
            problem.contains("storage-failed") && !problem.contains("secret-table"),
            "{problem}"
        );
    }
}
