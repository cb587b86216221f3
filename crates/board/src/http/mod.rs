//! The HTTP surface: routes, and what holds for every answer. One file for each kind of thing that is asked for.

pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod bulk;
pub(crate) mod caller;
pub(crate) mod checks;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod flags;
pub(crate) mod headers;
pub(crate) mod moderation;
pub(crate) mod openapi;
pub(crate) mod presenter;
pub(crate) mod rooms;
pub(crate) mod row;
pub(crate) mod submissions;
pub(crate) mod tables;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::services::ServeDir;

use crate::board::Board;
use crate::problem::Problem;

/// All routes of `board`.
pub(crate) fn router(board: Board) -> Router {
    let api = Router::new()
        .route("/boards", get(tables::boards))
        .route("/boards/{board}", get(tables::table))
        .route("/boards/{board}/events", get(events::events))
        .route("/boards/{board}/export", get(export::export))
        .route("/models/{hash}", get(tables::model))
        .route("/submissions", post(submissions::post))
        .route(
            "/submissions/{id}",
            get(submissions::get).delete(submissions::delete),
        )
        .route("/submissions/{id}/log", get(submissions::log))
        .route("/submissions/{id}/restore", post(submissions::restore))
        .route(
            "/submissions/{id}/checks",
            get(checks::list).post(checks::draw),
        )
        .route(
            "/submissions/{id}/flags",
            get(flags::list).post(flags::flag),
        )
        .route("/submissions/{id}/appeal", post(flags::appeal))
        .route("/submissions/{id}/hide", post(moderation::hide))
        .route("/submissions/{id}/show", post(moderation::show))
        .route("/checks/{check}", get(checks::get).post(checks::answer))
        .route("/rooms", post(rooms::open))
        .route("/rooms/join", post(rooms::join))
        .route("/rooms/{room}", get(rooms::get))
        .route("/rooms/{room}/runs/{run}", put(rooms::run))
        .route("/rooms/{room}/members", get(presenter::members))
        .route("/rooms/{room}/members/{author}", delete(presenter::revoke))
        .route("/rooms/{room}/freeze", post(presenter::freeze))
        .route("/rooms/{room}/thaw", post(presenter::thaw))
        .route("/rooms/{room}/close", post(presenter::close))
        .route("/rooms/{room}/publish", post(presenter::publish))
        .route(
            "/moderator/session",
            post(moderation::login).delete(moderation::logout),
        )
        .route("/moderation", get(moderation::waiting))
        .route("/moderation/bulk", post(bulk::decide))
        .route("/audit", get(audit::entries))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "this address does not take this method",
            )
        })
        // `caller` has a bound of its own for each route.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(board.clone(), caller::identify))
        // Neither is about anyone, so nobody is asked who they are.
        .route("/health", get(audit::health))
        .route("/openapi.json", get(openapi::json));
    let mut router = Router::new()
        .nest("/api", api)
        .route("/metrics", get(audit::metrics));
    let root = board
        .inner
        .config
        .folders
        .iter()
        .find(|folder| folder.at == "/");
    for folder in board
        .inner
        .config
        .folders
        .iter()
        .filter(|folder| folder.at != "/")
    {
        router = router.nest_service(&folder.at, ServeDir::new(&folder.path));
    }
    router = match root {
        Some(folder) => router.fallback_service(ServeDir::new(&folder.path)),
        None => router.fallback(async || Problem::not_found().into_response()),
    };
    // Checkpoints do not shrink, and a part of one must be a part of the file; events must not wait in a buffer.
    let compressed =
        DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"));
    router
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(map_response(headers::secure))
        .layer(from_fn_with_state(board.clone(), headers::bounded))
        .with_state(board)
}
