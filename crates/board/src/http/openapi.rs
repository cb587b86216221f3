//! The API's description, made from the handlers themselves.

use axum::http::HeaderMap;
use axum::response::Response;
use utoipa::OpenApi;

use super::headers::tagged;
use super::{
    audit, bulk, checks, events, export, flags, moderation, presenter, rooms, submissions, tables,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Jeoul board",
        description = "Posted runs of small language models, and how far each can be trusted. Writes are signed with the header \
                       `jeoul-signature` (key, time in milliseconds, Ed25519 signature over method, path, time and the body's SHA-256) or \
                       carry a bearer token. What is not there and what is not yours to see both answer 404."
    ),
    paths(
        tables::boards,
        tables::table,
        tables::model,
        events::events,
        export::export,
        submissions::post,
        submissions::get,
        submissions::log,
        submissions::delete,
        submissions::restore,
        checks::list,
        checks::draw,
        checks::get,
        checks::answer,
        flags::list,
        flags::flag,
        flags::appeal,
        rooms::open,
        rooms::join,
        rooms::get,
        rooms::run,
        presenter::members,
        presenter::revoke,
        presenter::freeze,
        presenter::thaw,
        presenter::close,
        presenter::publish,
        moderation::login,
        moderation::logout,
        moderation::waiting,
        moderation::hide,
        moderation::show,
        bulk::decide,
        audit::entries,
        audit::health,
    ),
    // Parameters, unlike bodies, do not bring the types they name.
    components(schemas(export::Format))
)]
struct Description;

/// The description.
pub(crate) async fn json(headers: HeaderMap) -> Response {
    tagged(&headers, &Description::openapi())
}
