//! Who asks: found out once for every request, before anything else looks at it.
//!
//! A request can carry a signature (a browser key), a bearer token (room member, presenter, moderator) or a moderator's
//! cookie. A signature or bearer token that does not hold ends the request with 401: silently going on without it would
//! answer 404 for things that are there. A cookie that has ended counts as none.

use std::net::IpAddr;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use jeoul_record::canonical::sha256;
use tokio::sync::SemaphorePermit;

use crate::accept::Arrival;
use crate::board::Board;
use crate::problem::Problem;
use crate::rates::Kind;
use crate::secret::TokenKind;
use crate::signed_request::{Signer, signer};
use crate::store::moderators::Moderator;

/// Largest body of a submission, in bytes.
pub(crate) const SUBMISSION_MAX: usize = jeoul_record::check::BYTES_MAX;
/// Largest body of anything else, in bytes.
pub(crate) const BODY_MAX: usize = 1 << 20;
/// Where submissions go; a spot check's answers may be as large.
pub(crate) const SUBMISSIONS: &str = "/api/submissions";
const CHECKS: &str = "/api/checks/";
/// Bodies up to this come in without leave: as many as there are connections are 128 MiB.
const SMALL_BODY: usize = 64 << 10;
/// Room in memory for larger ones, in MiB: who has none of it is told to come back.
pub(crate) const LARGE_BODIES_MIB: usize = 256;
/// The moderator's cookie. `__Host-`: this host alone, over TLS or to localhost, and no subdomain can set it.
pub(crate) const COOKIE_NAME: &str = "__Host-jeoul-moderator";

/// Address of the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What a bearer token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Member { room: String, author: String },
    Presenter { room: String },
    Moderator(Moderator),
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) signer: Option<Signer>,
    pub(crate) token: Option<Token>,
    /// Hash of the session's cookie, if that is how a moderator came in.
    pub(crate) session: Option<String>,
    /// What rates are counted by: token, else key; `None` for the anonymous.
    pub(crate) counted_as: Option<String>,
}

impl Caller {
    /// The key that signed, or 401.
    pub(crate) fn signed(&self) -> Result<&Signer, Problem> {
        self.signer.as_ref().ok_or_else(Problem::unsigned)
    }

    pub(crate) fn moderator(&self) -> Option<&Moderator> {
        match &self.token {
            Some(Token::Moderator(moderator)) => Some(moderator),
            _ => None,
        }
    }

    /// Whether the caller presents this room.
    pub(crate) fn presents(&self, room: &str) -> bool {
        matches!(&self.token, Some(Token::Presenter { room: own }) if own == room)
    }

    /// The caller's author id as a member of this room.
    pub(crate) fn member_of(&self, room: &str) -> Option<&str> {
        match &self.token {
            Some(Token::Member { room: own, author }) if own == room => Some(author),
            _ => None,
        }
    }
}

/// Middleware: reads the body, finds out who asks, counts the request, and passes all three on.
pub(crate) async fn identify(State(board): State<Board>, request: Request, next: Next) -> Response {
    let arrival = request.extensions().get::<Arrival>().cloned();
    let (request, _room) = match whole(&board, request).await {
        Ok(whole) => whole,
        Err(problem) => return problem.into_response(),
    };
    if let Some(arrival) = arrival {
        arrival.arrived();
    }
    // Whoever sends slowly waits in none of these places.
    let Ok(_place) = board.inner.in_flight.try_acquire() else {
        return busy().into_response();
    };
    match identified(&board, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "the board has as many requests as it can work on",
    )
    .retry_after(1)
}

/// The request with its whole body, and the room in memory that a large one takes.
async fn whole(
    board: &Board,
    request: Request,
) -> Result<(axum::http::Request<Bytes>, Option<SemaphorePermit<'_>>), Problem> {
    let now_ms = board.now_ms();
    let (parts, body) = request.into_parts();
    let rates = &board.inner.rates;
    if let Some(address) = address(
        &parts.extensions,
        &parts.headers,
        board.inner.config.proxies,
    ) {
        rates.count(Kind::Address, &rates.address(address, now_ms))?;
    }
    let uri = as_sent(&parts);
    let large = uri.path() == SUBMISSIONS || uri.path().starts_with(CHECKS);
    let most = if large { SUBMISSION_MAX } else { BODY_MAX };
    let hint = body.size_hint();
    let Some(length) = hint.exact() else {
        return Err(Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "length-required",
            "a body comes with its `content-length`",
        ));
    };
    if length > most as u64 {
        discard(body).await;
        return Err(too_large(most));
    }
    let room = match length as usize {
        0..=SMALL_BODY => None,
        length => {
            let mib = length.div_ceil(1 << 20) as u32;
            let room = board.inner.large_bodies.try_acquire_many(mib);
            Some(room.map_err(|_| busy())?)
        }
    };
    let bytes = to_bytes(body, most).await.map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "broken-body",
            "the body ended before it was whole",
        )
    })?;
    Ok((axum::http::Request::from_parts(parts, bytes), room))
}

/// Reads a body that is too large and forgets it, up to twice what is ever taken: who is still writing when the connection closes
/// does not hear why.
async fn discard(mut body: Body) {
    let mut left = 2 * SUBMISSION_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(length);
        if left == 0 {
            break;
        }
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the body has more than {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

/// The address as it was sent: routing takes `/api` off.
fn as_sent(parts: &Parts) -> Uri {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or_else(|| parts.uri.clone(), |OriginalUri(uri)| uri.clone())
}

async fn identified(
    board: &Board,
    request: axum::http::Request<Bytes>,
) -> Result<Request, Problem> {
    let now_ms = board.now_ms();
    let (mut parts, bytes) = request.into_parts();
    let rates = &board.inner.rates;
    let uri = as_sent(&parts);
    let path = uri.path();
    if !bytes.is_empty() && !is_json(&parts.headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "bodies are `application/json`, in UTF-8 and not compressed",
        ));
    }
    let target = uri.path_and_query().map_or(path, |target| target.as_str());
    let mut caller = Caller {
        signer: signer(&parts.headers, &parts.method, target, &bytes, now_ms)?,
        ..Caller::default()
    };
    if let Some(token) = bearer(&parts.headers)? {
        let hash = sha256(token.as_bytes());
        caller.token = Some(token_of(board, &token, &hash, now_ms).await?);
        caller.counted_as = Some(hash);
    } else if let Some(session) = cookie(&parts.headers) {
        let hash = sha256(session.as_bytes());
        if let Some(moderator) = board.store().session(&hash, now_ms).await? {
            same_origin(&parts.method, &parts.headers)?;
            caller.token = Some(Token::Moderator(moderator));
            caller.session = Some(hash.clone());
            caller.counted_as = Some(hash);
        }
    }
    if caller.counted_as.is_none() {
        caller.counted_as = caller.signer.as_ref().map(|signer| signer.author.clone());
    }
    if let Some(who) = &caller.counted_as {
        let kind = if parts.method.is_safe() {
            Kind::Read
        } else {
            Kind::Write
        };
        // Posts are counted by their own rule, once their author is known.
        if path != SUBMISSIONS {
            rates.count(kind, who)?;
        }
    }
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The visitor's address: the connection's or, behind `proxies` proxies, what the outermost of them saw.
fn address(
    extensions: &axum::http::Extensions,
    headers: &HeaderMap,
    proxies: usize,
) -> Option<IpAddr> {
    let peer = extensions.get::<Peer>()?.0;
    if proxies == 0 {
        return Some(peer);
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let entries: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let seen = entries
        .len()
        .checked_sub(proxies)
        .and_then(|index| entries.get(index));
    Some(seen.and_then(|entry| entry.parse().ok()).unwrap_or(peer))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = kind.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts.all(|one| one.eq_ignore_ascii_case("charset=utf-8"))
        && !headers.contains_key("content-encoding")
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    token.map(|token| Some(token.to_owned())).ok_or_else(ended)
}

fn ended() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "token-ended",
        "the bearer token is none, has expired or was taken back",
    )
}

async fn token_of(board: &Board, token: &str, hash: &str, now_ms: i64) -> Result<Token, Problem> {
    let store = board.store();
    let found = match TokenKind::of(token) {
        Some(TokenKind::Member) => store
            .member(hash, now_ms)
            .await?
            .map(|(room, author)| Token::Member { room, author }),
        Some(TokenKind::Presenter) => store
            .presented(hash)
            .await?
            .map(|room| Token::Presenter { room }),
        Some(TokenKind::Moderator) => store.moderator(hash).await?.map(Token::Moderator),
        // A session is a cookie and nothing else: scripts of the page cannot read it.
        Some(TokenKind::Session) | None => None,
    };
    found.ok_or_else(ended)
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE_NAME)?;
    (TokenKind::of(value) == Some(TokenKind::Session)).then(|| value.to_owned())
}

/// The browser sends a cookie whoever made it ask: a write must come from our own page, which the browser says too.
fn same_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let by_site = text("sec-fetch-site").is_some_and(|site| site == "same-origin");
    let host = text(HOST.as_str()).unwrap_or_default();
    let origin = text(ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    let by_origin = origin.is_some_and(|(_, origin)| !host.is_empty() && origin == host);
    if method.is_safe() || by_site || by_origin {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "other-origin",
            "a moderator's session writes from this board's own page alone",
        ))
    }
}
