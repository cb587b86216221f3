//! Datasets of the Hugging Face hub, through the browser's `fetch`, kept in the browser's cache so that a second visit needs no
//! network.

use gloo_net::http::Request;
use jeoul_dataset::hub::{Fetch, FetchError, HubError, Response};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Cache};

use crate::desk::{desk, scope};
use crate::fault::Stop;
use crate::protocol::{Fault, FaultKind};
use crate::source::reason;

/// Name of the browser's cache.
const CACHE: &str = "jeoul-datasets";

/// Asks the hub.
pub(crate) struct Browser {
    /// `None` where the browser keeps nothing, as in some private windows.
    cache: Option<Cache>,
}

impl Browser {
    pub(crate) async fn new() -> Self {
        let caches = scope().caches().ok();
        let cache = match caches {
            Some(caches) => JsFuture::from(caches.open(CACHE)).await.ok(),
            None => None,
        };
        Self {
            cache: cache.map(JsCast::unchecked_into),
        }
    }

    async fn kept(&self, url: &str) -> Option<web_sys::Response> {
        let found = JsFuture::from(self.cache.as_ref()?.match_with_str(url)).await;
        found.ok()?.dyn_into().ok()
    }

    async fn ask(&self, url: &str) -> Result<web_sys::Response, JsValue> {
        if let Some(response) = self.kept(url).await {
            return Ok(response);
        }
        let controller = AbortController::new()?;
        let request = Request::get(url).abort_signal(Some(&controller.signal()));
        desk().hold(controller);
        let failed = |error: gloo_net::Error| JsValue::from(js_sys::Error::new(&error.to_string()));
        let response: web_sys::Response = request.send().await.map_err(failed)?.into();
        if let (true, Some(cache), Ok(copy)) = (response.ok(), &self.cache, response.clone()) {
            // A full storage costs the next visit a download.
            _ = JsFuture::from(cache.put_with_str(url, &copy)).await;
        }
        Ok(response)
    }
}

impl Fetch for Browser {
    async fn get(&mut self, url: &str) -> Result<Response, FetchError> {
        let failed = |thrown: JsValue| FetchError {
            url: url.into(),
            reason: reason(&thrown),
        };
        let response = self.ask(url).await.map_err(failed)?;
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let body = JsFuture::from(response.array_buffer().map_err(failed)?).await;
        Ok(Response {
            status: response.status(),
            body: Uint8Array::new(&body.map_err(failed)?).to_vec(),
            commit: header("x-repo-commit"),
            retry_after_s: header("retry-after").and_then(|after| after.parse().ok()),
        })
    }
}

impl From<HubError> for Stop {
    fn from(error: HubError) -> Self {
        if desk().check().is_err() {
            return Self::Cancelled;
        }
        let kind = match &error {
            HubError::Documents(_) => FaultKind::Task,
            _ => FaultKind::Network,
        };
        Fault::new(kind, error).into()
    }
}
