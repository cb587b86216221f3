//! A viewer: reads a board's events as they come.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Client, Person};

pub(crate) struct Viewer {
    body: Incoming,
    text: String,
}

impl Viewer {
    /// Begins to watch, with the person's token if there is one.
    pub(crate) async fn watch(client: &Client, person: &Person, board: &str) -> Self {
        let bearer = person.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let path = format!("/api/boards/{board}/events");
        let response = client.begin("GET", &path, &headers, "").await.unwrap();
        assert_eq!(response.status(), 200);
        let mut viewer = Self {
            body: response.into_body(),
            text: String::new(),
        };
        assert_eq!(viewer.next().await.0, "hello");
        viewer
    }

    /// The next event's name and data; fails after ten seconds.
    pub(crate) async fn next(&mut self) -> (String, String) {
        let next = tokio::time::timeout(Duration::from_secs(10), self.read());
        next.await
            .expect("an event comes")
            .expect("the stream goes on")
    }

    /// The next event; `None` once the stream has ended.
    pub(crate) async fn read(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let found = (field("event:"), field("data:"));
                self.text = rest.to_owned();
                if !found.0.is_empty() {
                    return Some(found);
                }
                continue;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(bytes) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
    }
}
