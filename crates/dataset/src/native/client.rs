//! An HTTP client in Rust alone.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;

use crate::hub::{Fetch, FetchError, Response};

/// Longest wait for a connection and between two parts of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest file that is taken.
const BYTES_MAX: u64 = 1 << 30;

/// Asks servers.
pub struct Client(Agent);

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .user_agent(concat!("jeoul/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }
}

impl Fetch for Client {
    async fn get(&mut self, url: &str) -> Result<Response, FetchError> {
        let failed = |reason: String| FetchError {
            url: url.into(),
            reason,
        };
        let mut response = self
            .0
            .get(url)
            .call()
            .map_err(|error| failed(error.to_string()))?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(String::from)
        };
        let (commit, retry_after) = (header("x-repo-commit"), header("retry-after"));
        let length: Option<u64> = header("content-length").and_then(|length| length.parse().ok());
        let mut body = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(BYTES_MAX + 1)
            .read_to_end(&mut body)
            .map_err(|error| failed(error.to_string()))?;
        if body.len() as u64 > BYTES_MAX {
            return Err(failed(format!("it is larger than {BYTES_MAX} bytes")));
        }
        if let Some(length) = length.filter(|length| *length > body.len() as u64) {
            return Err(failed(format!("{} of {length} bytes came", body.len())));
        }
        Ok(Response {
            status: response.status().as_u16(),
            body,
            commit,
            retry_after_s: retry_after.and_then(|after| after.parse().ok()),
        })
    }
}
