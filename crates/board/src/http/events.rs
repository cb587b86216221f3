//! What happens on a board, as server-sent events.
//!
//! `row` is a run that was posted or came back, `gone` the id of one that went, `run` an open run of a room, `room` a change of it,
//! `reload` says that some were missed: ask for the table again. A browser's `EventSource` sends no headers, so the page
//! reads a private room's events with `fetch`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::body::Path;
use super::caller::Caller;
use crate::accept::Ending;
use crate::access;
use crate::board::Board;
use crate::events::Event;
use crate::problem::Problem;

/// How often a quiet stream says that it lives: proxies cut what is silent for a minute.
const ALIVE: Duration = Duration::from_secs(20);
/// When a browser that lost its stream asks again: after this and up to as long again, so that a class does not come back
/// in one instant.
const RETRY_MS: u64 = 2_000;

/// Counts a viewer for as long as its stream lasts.
struct Viewer(Board);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.inner.metrics.viewers.dec();
    }
}

/// One viewer's stream.
struct Viewing {
    watching: broadcast::Receiver<Event>,
    ending: watch::Receiver<bool>,
    insider: bool,
    hello: Option<Sent>,
    _viewer: Viewer,
}

impl Viewing {
    /// What is sent next; `None` when the server ends.
    async fn next(&mut self) -> Option<Sent> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        loop {
            let heard = tokio::select! {
                _ = self.ending.wait_for(|ended| *ended) => return None,
                heard = self.watching.recv() => heard,
            };
            match heard {
                Ok(event) if event.name == "run" && !self.insider => {}
                Ok(event) => return Some(Sent::default().event(event.name).data(&*event.json)),
                Err(RecvError::Lagged(_)) => {
                    return Some(Sent::default().event("reload").data("{}"));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// What happens on a board from now on, as server-sent events.
#[utoipa::path(get, path = "/api/boards/{board}/events", tag = "tables", params(("board" = String, Path)),
    responses((status = 200, description = "events `row`, `gone`, `run`, `room` and `reload`", content_type = "text/event-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn events(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Extension(Ending(ending)): Extension<Ending>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    access::see(&board, &caller, &id).await?;
    // What members are running is for the room, not for everyone who sees a published table.
    let insider = caller.member_of(&id).is_some() || caller.presents(&id);
    let watching = board.inner.events.watch(&id);
    board.inner.metrics.viewers.inc();
    let [jitter] = crate::secret::random::<1>();
    let retry = Duration::from_millis(RETRY_MS + RETRY_MS * u64::from(jitter) / 256);
    let hello = Sent::default().retry(retry).event("hello").data("{}");
    let viewing = Viewing {
        watching,
        ending,
        insider,
        hello: Some(hello),
        _viewer: Viewer(board),
    };
    let stream = stream::unfold(viewing, |mut viewing| async {
        let sent = viewing.next().await?;
        Some((Ok::<_, Infallible>(sent), viewing))
    });
    let keep_alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}
