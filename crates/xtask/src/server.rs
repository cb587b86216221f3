//! The local server: the page, the engine modules and the checkpoints, with the headers a deployment needs too.
//!
//! Only GET and HEAD; ranges, entity tags and safe paths are tower-http's. Listens on the loopback interface alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_RANGE, RANGE,
};
use axum::http::{Extensions, HeaderValue, Method, StatusCode, Version};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::compression::CompressionLayer;
use tower_http::services::ServeDir;

use crate::place::Place;

/// Headers of every answer. COOP and COEP isolate the page, which threads need; the policy lets code and data come from
/// here and checkpoints from Hugging Face, and nothing else.
const HEADERS: [(&str, &str); 7] = [
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

/// Largest file that is compressed on the way, in bytes; over the loopback interface compressing more costs more than it saves.
const COMPRESSED_MAX: u64 = 32 << 20;

/// Takes a port of the loopback interface, 0 for any free one.
pub(crate) fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("port {port} cannot be used\n\nhint: `--port` takes another one"))
}

/// Serves until the process ends, on a thread of its own.
pub(crate) fn start(place: &Place, listener: TcpListener) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let app = router(place);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let serving =
        async move { axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await };
    thread::spawn(move || {
        if let Err(error) = runtime.block_on(serving) {
            eprintln!("the server stopped: {error}");
        }
    });
    Ok(address)
}

fn router(place: &Place) -> Router {
    let compression = CompressionLayer::new().compress_when(
        |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
            is_worth_compressing(headers)
        },
    );
    // Checkpoints made for tests lie beside the registry, fetched ones in the cache.
    let models = ServeDir::new(place.models()).fallback(ServeDir::new(place.cache()));
    Router::new()
        .nest_service("/engine", ServeDir::new(place.engine()))
        .nest_service("/models", models)
        .fallback_service(ServeDir::new(place.dist()))
        .layer(compression)
        .layer(middleware::from_fn(answer))
}

/// What holds for every answer: methods, `If-Range`, caching and [`HEADERS`].
async fn answer(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match *request.method() {
        Method::GET | Method::HEAD if is_open(&path) => if_range(request, next).await,
        Method::GET | Method::HEAD => StatusCode::NOT_FOUND.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET, HEAD")]).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(cache_control(&path)),
    );
    response
}

/// The folder of the checkpoints holds more than the page may ask for: half-fetched files, for one.
fn is_open(path: &str) -> bool {
    path.strip_prefix("/models/")
        .is_none_or(|file| file == "registry.json" || file.ends_with(".gguf"))
}

/// Serves a part of a file only if the client's other parts are of the same file; else the whole.
async fn if_range(mut request: Request, next: Next) -> Response {
    let Some(expected) = request.headers_mut().remove(IF_RANGE) else {
        return next.run(request).await;
    };
    let mut whole = Request::new(axum::body::Body::empty());
    *whole.method_mut() = request.method().clone();
    *whole.uri_mut() = request.uri().clone();
    *whole.headers_mut() = request.headers().clone();
    whole.headers_mut().remove(RANGE);
    let response = next.clone().run(request).await;
    if response.headers().get(ETAG) == Some(&expected) {
        response
    } else {
        next.run(whole).await
    }
}

/// Built files carry a hash in their name; checkpoints go to the page's own storage; the rest is asked for anew.
fn cache_control(path: &str) -> &'static str {
    if path.starts_with("/assets/") {
        "public, max-age=31536000, immutable"
    } else if path.starts_with("/models/") && path.ends_with(".gguf") {
        "no-store"
    } else {
        "no-cache"
    }
}

fn is_worth_compressing(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let length: u64 = text(CONTENT_LENGTH).parse().unwrap_or(u64::MAX);
    let kinds = [
        "text/",
        "application/wasm",
        "application/json",
        "application/javascript",
        "image/svg",
    ];
    (256..=COMPRESSED_MAX).contains(&length)
        && kinds
            .iter()
            .any(|kind| text(CONTENT_TYPE).starts_with(kind))
}
