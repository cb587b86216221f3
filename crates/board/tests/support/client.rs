//! A client that signs, and what it is answered.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jeoul_record::signature::Key;
use jeoul_record::signed_request::{HEADER, sign};
use serde_json::Value as Json;

use super::Run;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The problem's code; empty if it is none.
    pub(crate) fn code(&self) -> String {
        let json: Json = serde_json::from_slice(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

/// Connections to one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: String,
    now_ms: i64,
}

impl Client {
    pub(crate) fn new(address: std::net::SocketAddr, now_ms: i64) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            http: Http::builder(TokioExecutor::new()).build(connector),
            base: format!("http://{address}"),
            now_ms,
        }
    }

    /// The time by which it signs.
    pub(crate) fn at(&self, now_ms: i64) -> Self {
        Self {
            now_ms,
            ..self.clone()
        }
    }

    /// Begins to read an answer; an error if the connection broke.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let body = body.into();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        self.http
            .request(request.body(Full::new(body)).unwrap())
            .await
    }

    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let response = self.begin(method, path, headers, body).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body)
            .await
            .expect("the server answers")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }
}

/// Somebody with a key and perhaps a bearer token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) key: Option<Key>,
    pub(crate) token: Option<String>,
}

impl Person {
    pub(crate) fn anonymous() -> Self {
        Self {
            key: None,
            token: None,
        }
    }

    pub(crate) fn new(seed: u8) -> Self {
        Self::with_secret([seed; 32])
    }

    pub(crate) fn with_secret(secret: [u8; 32]) -> Self {
        Self {
            key: Some(Key::from_secret(&secret)),
            token: None,
        }
    }

    pub(crate) fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    pub(crate) fn key(&self) -> &Key {
        self.key.as_ref().unwrap()
    }

    /// Asks, signing with the key and showing the token, as far as there are any.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        body: &Json,
    ) -> Answer {
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        self.send(client, method, path, body).await
    }

    pub(crate) async fn send(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Answer {
        let signature = self
            .key
            .as_ref()
            .map(|key| sign(key, method, path, client.now_ms, &body));
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(signature.as_deref().map(|value| (HEADER, value)));
        headers.extend(bearer.as_deref().map(|value| ("authorization", value)));
        client.send(method, path, &headers, body).await
    }

    /// Posts a run and returns its id.
    pub(crate) async fn post(&self, client: &Client, run: Run) -> (String, Answer) {
        let (id, body) = run.sealed(self.key());
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        (
            id,
            client
                .send("POST", "/api/submissions", &headers, body)
                .await,
        )
    }
}
