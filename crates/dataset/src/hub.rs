//! The Hugging Face hub: which Parquet files hold a split of a dataset, and how to get them.
//!
//! The hub converts every dataset to Parquet on a branch of its own, `refs/convert/parquet`; its API lists the files.

use std::collections::BTreeMap;

use jeoul_eval::Documents;
use jeoul_eval::origin::{Origin, OriginFile, OriginKind};
use serde::Deserialize;
use thiserror::Error;

use crate::error::DatasetError;
use crate::{read, sha256};

/// The hub itself.
pub const HUB: &str = "https://huggingface.co";

/// What a server sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// `X-Repo-Commit`: the commit of the dataset's repository.
    pub commit: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

/// Gets addresses: the command with an HTTP client and a cache, the page with the browser's own.
// Futures stay on one thread, as those of a language model do.
#[allow(async_fn_in_trait)]
pub trait Fetch {
    /// Follows redirects. An answer with any status is no error; none at all is.
    async fn get(&mut self, url: &str) -> Result<Response, FetchError>;
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{url}` cannot be reached: {reason}")]
pub struct FetchError {
    /// Address.
    pub url: String,
    /// The client's words.
    pub reason: String,
}

/// A split that the hub does not give.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HubError {
    /// No answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A dataset that does not exist, or that one must ask for.
    #[error("the hub has no dataset `{dataset}` that is open to all (status {status})")]
    Dataset {
        /// `dataset_path`.
        dataset: String,
        /// HTTP status.
        status: u16,
    },
    /// Too many requests.
    #[error("the hub asks to wait{}", .after_s.map_or(String::new(), |s| format!(" {s} s")))]
    Busy {
        /// Seconds to wait.
        after_s: Option<u32>,
    },
    /// Another status.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// Address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// A listing that cannot be read.
    #[error("`{url}` is no listing of Parquet files: {reason}")]
    Listing {
        /// Address.
        url: String,
        /// The parser's words.
        reason: String,
    },
    /// A configuration or a split that the dataset lacks.
    #[error("the dataset `{dataset}` has no {what} `{name}`; it has {known}")]
    Unknown {
        /// `dataset_path`.
        dataset: String,
        /// `configuration` or `split`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file that holds no documents.
    #[error(transparent)]
    Documents(#[from] DatasetError),
}

/// One split of one configuration of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// `dataset_path`, such as `allenai/ai2_arc`.
    pub dataset: String,
    /// `dataset_name`; the only configuration, or `default`, if `None`.
    pub configuration: Option<String>,
    /// Such as `test`.
    pub split: String,
}

/// Files of every split of every configuration.
#[derive(Debug, Deserialize)]
struct Listing(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// Brings the documents of a split: all its files, one after the other.
pub async fn documents<F: Fetch>(
    fetch: &mut F,
    hub: &str,
    split: &Split,
) -> Result<(Documents, Vec<OriginFile>), HubError> {
    let urls = files(fetch, hub, split).await?;
    let mut rows = Vec::new();
    let mut files = Vec::new();
    for url in urls {
        let Response { body, commit, .. } = answered(fetch, &url, split).await?;
        files.push(OriginFile {
            sha256: sha256(&body),
            name: url.clone(),
            commit,
        });
        let mut part = read(
            &format!("{}.parquet", url.trim_end_matches(".parquet")),
            body,
        )?;
        rows.append(&mut part.rows);
    }
    // Rows are counted over all files.
    for (index, row) in rows.iter_mut().enumerate() {
        row.line = index + 1;
    }
    let name = format!("{}/{}", split.dataset, split.split);
    let documents = Documents::new(name, rows).map_err(DatasetError::from)?;
    Ok((documents, files))
}

/// Where documents of the hub come from.
pub fn origin(files: Vec<OriginFile>) -> Origin {
    Origin {
        kind: OriginKind::Hub,
        files,
    }
}

/// Addresses of the files of a split, in order.
async fn files<F: Fetch>(fetch: &mut F, hub: &str, split: &Split) -> Result<Vec<String>, HubError> {
    let url = format!("{hub}/api/datasets/{}/parquet", split.dataset);
    let response = answered(fetch, &url, split).await?;
    let Listing(configurations) =
        serde_json::from_slice(&response.body).map_err(|error| HubError::Listing {
            url,
            reason: error.to_string(),
        })?;
    let unknown = |what, name: &str, known: Vec<&String>| HubError::Unknown {
        dataset: split.dataset.clone(),
        what,
        name: name.into(),
        known: known
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let name = match (&split.configuration, configurations.len()) {
        (Some(name), _) => name.as_str(),
        (None, 1) => configurations
            .keys()
            .next()
            .map_or("default", String::as_str),
        (None, _) => "default",
    };
    let splits = configurations
        .get(name)
        .ok_or_else(|| unknown("configuration", name, configurations.keys().collect()))?;
    let urls = splits
        .get(&split.split)
        .ok_or_else(|| unknown("split", &split.split, splits.keys().collect()))?;
    // Another hub lists addresses of its own; relative ones are its too.
    let absolute = |url: &String| match url.strip_prefix(HUB) {
        Some(path) if hub != HUB => format!("{hub}{path}"),
        _ if url.starts_with('/') => format!("{hub}{url}"),
        _ => url.clone(),
    };
    Ok(urls.iter().map(absolute).collect())
}

async fn answered<F: Fetch>(fetch: &mut F, url: &str, split: &Split) -> Result<Response, HubError> {
    let response = fetch.get(url).await?;
    match response.status {
        200 => Ok(response),
        status @ (401 | 403 | 404) => Err(HubError::Dataset {
            dataset: split.dataset.clone(),
            status,
        }),
        429 => Err(HubError::Busy {
            after_s: response.retry_after_s,
        }),
        status => Err(HubError::Status {
            url: url.into(),
            status,
        }),
    }
}
