//! As much of S3 as the board asks for, in memory: PUT, GET, HEAD, DELETE, the deletion of many, and lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;
use tokio::net::TcpListener;

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server of one bucket, named `bucket`. It ends with the test's runtime.
pub(crate) struct S3 {
    endpoint: String,
    pub(crate) objects: Objects,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let objects = Objects::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&objects));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, objects }
    }

    /// What the environment would hold.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "reader"),
            ("AWS_SECRET_ACCESS_KEY", "of-logs"),
            ("AWS_REGION", "nowhere-1"),
            ("HOME", "/"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }
}

async fn answer(State(objects): State<Objects>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 24).await.unwrap().to_vec();
    let signed = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 Credential=reader/")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut objects = objects.lock().unwrap();
    let Some(key) = path.strip_prefix("/bucket") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let key = key.trim_start_matches('/').to_owned();
    match parts.method {
        Method::PUT => {
            objects.insert(key, body);
            ([("etag", "\"e\"")], "").into_response()
        }
        Method::DELETE => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::POST if query.contains("delete") => {
            let text = String::from_utf8(body).unwrap();
            let mut gone = String::new();
            for part in text.split("<Key>").skip(1) {
                let key = part.split("</Key>").next().unwrap();
                objects.remove(key);
                gone.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            xml(format!("<DeleteResult>{gone}</DeleteResult>"))
        }
        Method::GET if key.is_empty() => {
            let wanted = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("prefix="));
            let wanted = wanted.unwrap_or_default().replace("%2F", "/");
            let contents: String = objects
                .iter()
                .filter(|(key, _)| key.starts_with(&wanted))
                .map(|(key, bytes)| {
                    let size = bytes.len();
                    format!(
                        "<Contents><Key>{key}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>\
                         <ETag>\"e\"</ETag><Size>{size}</Size></Contents>"
                    )
                })
                .collect();
            xml(format!(
                "<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
            ))
        }
        Method::GET | Method::HEAD => match objects.get(&key) {
            // The length of what a HEAD would send comes from the body that is left out.
            Some(bytes) => (
                [
                    ("etag", "\"e\""),
                    ("last-modified", "Sun, 01 Nov 2026 00:00:00 GMT"),
                ],
                bytes.clone(),
            )
                .into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn xml(text: String) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}");
    ([("content-type", "application/xml")], text).into_response()
}
