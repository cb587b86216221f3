//! What a board is asked over HTTP. Nothing of the answers but what is looked for reaches the terminal, and no control characters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use jeoul_record::signature::Key;
use jeoul_record::signed_request::{HEADER, sign};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::Uri;

use crate::failure::Failure;

/// Longest wait for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const BYTES_MAX: u64 = 1 << 20;

/// The address of a board: scheme, host and port.
#[derive(Clone)]
pub(crate) struct Address(String);

impl Address {
    /// `http://HOST` or `https://HOST`, with a port or without.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        match (uri.scheme_str(), uri.authority(), uri.path(), uri.query()) {
            (Some("http" | "https"), Some(authority), "" | "/", None)
                if !authority.as_str().contains('@') =>
            {
                Ok(Self(text.trim_end_matches('/').to_owned()))
            }
            _ => Err("an address such as https://board.example is needed".into()),
        }
    }

    /// Where the page shows a run.
    pub(crate) fn permalink(&self, board: &str, id: &str) -> String {
        format!("{}/#/board/{board}/run/{id}", self.0)
    }
}

/// Asks one board.
pub(super) struct Client<'a> {
    agent: Agent,
    address: &'a Address,
}

/// What a board answers when something is wrong.
#[derive(Deserialize)]
struct Problem {
    code: String,
    pointer: String,
    detail: String,
    retry_after_s: Option<u64>,
}

/// What goes with a request beside its address.
#[derive(Default)]
pub(super) struct With<'a> {
    /// JSON; of a POST alone.
    pub(super) body: &'a [u8],
    /// Key that signs the request itself.
    pub(super) key: Option<&'a Key>,
    /// A room's token.
    pub(super) token: Option<&'a str>,
    /// The posted run's id, so that sending it twice stores it once.
    pub(super) idempotency_key: Option<&'a str>,
}

impl<'a> Client<'a> {
    pub(super) fn new(address: &'a Address) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // What is signed and secret goes where the person said, or nowhere.
            .max_redirects(0)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(PATIENCE))
            .user_agent(concat!("jeoul/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            address,
        }
    }

    /// Asks for JSON; `path` with its query.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        with: &With<'_>,
    ) -> Result<T, Failure> {
        let bytes = self.send(method, path, with)?;
        let parsed = serde_json::from_slice(&bytes);
        Ok(parsed.map_err(|_| self.no_board("something else than was asked for"))?)
    }

    /// Asks for anything.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        with: &With<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let address = &self.address.0;
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{address}{path}"));
        if let Some(key) = with.key {
            request = request.header(HEADER, sign(key, method, path, now_ms(), with.body));
        }
        if let Some(token) = with.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(id) = with.idempotency_key {
            request = request.header("idempotency-key", id);
        }
        if !with.body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let answer = match method {
            "POST" => self.agent.run(request.body(with.body)?),
            _ => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| format!("`{address}` did not answer"))?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(BYTES_MAX);
        let bytes = body
            .read_to_vec()
            .with_context(|| format!("the answer of `{address}` broke off"))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
            return Err(self.no_board(&format!("status {status}")).into());
        };
        let place = match plain(&problem.pointer) {
            pointer if pointer.is_empty() => String::new(),
            pointer => format!(" at `{pointer}`"),
        };
        let (code, detail) = (plain(&problem.code), plain(&problem.detail));
        let failure = Failure::from(anyhow!("the board refuses it: {code}{place}: {detail}"));
        Err(match problem.retry_after_s {
            Some(seconds) => failure.hint(format!("try again in {seconds} s")),
            None => failure,
        })
    }

    fn no_board(&self, what: &str) -> anyhow::Error {
        anyhow!("`{}` answers as no board does: {what}", self.address.0)
    }
}

/// Without characters that a terminal would act on.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
