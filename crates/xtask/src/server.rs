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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::PathBuf;

    use super::*;

    /// An answer, as bytes came over the wire.
    struct Answer {
        status: u16,
        head: String,
        body: Vec<u8>,
    }

    impl Answer {
        #[track_caller]
        fn header(&self, name: &str) -> &str {
            let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value)
                .unwrap_or_default()
        }
    }

    /// A server over a folder of its own, which goes with it.
    struct Site {
        address: SocketAddr,
        root: PathBuf,
    }

    impl Drop for Site {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    /// Serves a page, a module and two checkpoints.
    fn serve(name: &str) -> Site {
        let root = std::env::temp_dir().join(format!("jeoul-server-{}-{name}", std::process::id()));
        let place = Place {
            root: root.clone(),
            target: root.join("target"),
        };
        let files: [(&str, Vec<u8>); 9] = [
            ("www/dist/index.html", b"<!doctype html>".to_vec()),
            (
                "www/dist/assets/page-1a2b.js",
                b"export const a = 1;".repeat(100),
            ),
            ("www/public/engine/cpu/jeoul_web_bg.wasm", vec![0; 10_000]),
            ("www/secret.txt", b"secret".to_vec()),
            ("models/registry.json", b"[]".to_vec()),
            ("models/README.md", b"# Models".to_vec()),
            ("models/tiny.gguf", b"0123456789".to_vec()),
            ("models/cache/big.gguf", vec![7; 100_000]),
            ("models/cache/big.gguf.part", vec![7; 10]),
        ];
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Site {
            address: start(&place, listen(0).unwrap()).unwrap(),
            root,
        }
    }

    #[track_caller]
    fn ask(site: &Site, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(site.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        )
        .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    #[test]
    fn every_answer_carries_the_headers() {
        let site = serve("headers");
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nothing"),
            ("POST", "/"),
            ("GET", "/models/tiny.gguf"),
        ] {
            let answer = ask(&site, method, path, "");
            for (name, value) in HEADERS {
                assert_eq!(answer.header(name), value, "{name} of {method} {path}");
            }
        }
    }

    #[test]
    fn files_come_with_their_types() {
        let site = serve("types");
        for (path, kind) in [
            ("/", "text/html"),
            ("/assets/page-1a2b.js", "text/javascript"),
            ("/engine/cpu/jeoul_web_bg.wasm", "application/wasm"),
            ("/models/registry.json", "application/json"),
            ("/models/tiny.gguf", "application/octet-stream"),
            ("/models/big.gguf", "application/octet-stream"),
        ] {
            let answer = ask(&site, "GET", path, "");
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, kind),
                "{path}"
            );
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        let site = serve("methods");
        let answer = ask(&site, "DELETE", "/models/tiny.gguf", "");
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
        let answer = ask(&site, "HEAD", "/models/tiny.gguf", "");
        assert_eq!(
            (
                answer.status,
                answer.header("content-length"),
                answer.body.len()
            ),
            (200, "10", 0)
        );
    }

    #[test]
    fn nothing_outside_the_served_folders_is_reached() {
        let site = serve("paths");
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/engine/../../secret.txt",
            "/engine/..%2f..%2fsecret.txt",
            "/models/README.md",
            "/models/big.gguf.part",
            "/models/cache/big.gguf.part",
            "/engine/gpu/jeoul_web.js",
        ] {
            assert_eq!(ask(&site, "GET", path, "").status, 404, "{path}");
        }
    }

    #[test]
    fn a_download_goes_on_where_it_stopped() {
        let site = serve("ranges");
        let answer = ask(&site, "GET", "/models/tiny.gguf", "range: bytes=4-\r\n");
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (206, b"456789".as_slice())
        );
        assert_eq!(answer.header("content-range"), "bytes 4-9/10");
        assert_eq!(
            ask(&site, "GET", "/models/tiny.gguf", "range: bytes=10-\r\n").status,
            416
        );
    }

    #[test]
    fn a_download_of_another_file_begins_anew() {
        let site = serve("if-range");
        let tag = ask(&site, "HEAD", "/models/tiny.gguf", "")
            .header("etag")
            .to_owned();
        assert!(tag.starts_with('"'));
        let same = ask(
            &site,
            "GET",
            "/models/tiny.gguf",
            &format!("range: bytes=4-\r\nif-range: {tag}\r\n"),
        );
        assert_eq!((same.status, same.body.len()), (206, 6));
        let other = ask(
            &site,
            "GET",
            "/models/tiny.gguf",
            "range: bytes=4-\r\nif-range: \"other\"\r\n",
        );
        assert_eq!((other.status, other.body.len()), (200, 10));
    }

    #[test]
    fn code_is_compressed_and_checkpoints_are_not() {
        let site = serve("gzip");
        let module = ask(
            &site,
            "GET",
            "/engine/cpu/jeoul_web_bg.wasm",
            "accept-encoding: gzip, br\r\n",
        );
        assert_eq!(
            (module.status, module.header("content-encoding")),
            (200, "gzip")
        );
        assert!(module.body.len() < 1000);
        let plain = ask(&site, "GET", "/engine/cpu/jeoul_web_bg.wasm", "");
        assert_eq!(
            (plain.header("content-encoding"), plain.body.len()),
            ("", 10_000)
        );
        let checkpoint = ask(
            &site,
            "GET",
            "/models/big.gguf",
            "accept-encoding: gzip\r\n",
        );
        assert_eq!(
            (checkpoint.header("content-encoding"), checkpoint.body.len()),
            ("", 100_000)
        );
    }

    #[test]
    fn what_has_not_changed_is_not_sent_again() {
        let site = serve("caching");
        let first = ask(&site, "GET", "/engine/cpu/jeoul_web_bg.wasm", "");
        assert_eq!(first.header("cache-control"), "no-cache");
        let again = format!("if-none-match: {}\r\n", first.header("etag"));
        assert_eq!(
            ask(&site, "GET", "/engine/cpu/jeoul_web_bg.wasm", &again).status,
            304
        );
        let asset = ask(&site, "GET", "/assets/page-1a2b.js", "");
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            ask(&site, "GET", "/models/big.gguf", "").header("cache-control"),
            "no-store"
        );
    }
}
