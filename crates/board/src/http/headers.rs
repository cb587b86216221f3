//! What holds for every answer: security headers, entity tags, a time limit, counting.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jeoul_record::canonical::sha256;
use serde::Serialize;

use crate::board::Board;
use crate::problem::{Code, Problem};

/// Time in which a request must have come in whole and been answered. Events go on after their answer has begun.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Headers of every answer; those of the page are the same as `cargo xtask serve` gives it.
///
/// COOP and COEP isolate the page, which threads need. The policy lets code and data come from here and checkpoints from
/// Hugging Face, and nothing go anywhere else: `connect-src` is what makes "nothing leaves unless you post it" enforceable.
pub const SECURITY_HEADERS: [(&str, &str); 7] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self' https://huggingface.co https://*.hf.co; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Puts [`SECURITY_HEADERS`] on an answer, and keeps caches from guessing.
pub(crate) async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// Bounds the time of requests, and counts answers.
pub(crate) async fn bounded(State(board): State<Board>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("file", MatchedPath::as_str).to_owned();
    let file = request.uri().path().to_owned();
    let mut response = match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let seconds = REQUEST_MAX.as_secs();
            let detail = format!("the request was not whole and answered within {seconds} s");
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail).into_response()
        }
    };
    if file.starts_with("/assets/") && response.status().is_success() {
        // Built files carry a hash in their name.
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, forever);
    }
    let code = response
        .extensions()
        .get::<Code>()
        .map(|code| code.0.as_ref());
    let seconds = begun.elapsed().as_secs_f64();
    board
        .inner
        .metrics
        .answered(&route, &method, response.status().as_u16(), code, seconds);
    response
}

/// JSON with an entity tag over its bytes: who has them already is told so and gets none.
///
/// The tag is made of the answer itself, so that it holds whichever server gives it.
pub(crate) fn tagged(asked: &HeaderMap, value: &impl Serialize) -> Response {
    let Ok(bytes) = serde_json::to_vec(value) else {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unwritable",
            "the answer cannot be written",
        )
        .into_response();
    };
    let tag = format!("\"{}\"", &sha256(&bytes)[..32]);
    let known = asked.get_all(IF_NONE_MATCH).iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(str::trim)
            .any(|one| one.trim_start_matches("W/") == tag)
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(bytes));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
