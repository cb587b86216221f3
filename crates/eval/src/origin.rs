//! Where the documents of a task come from, for result files.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Where the documents of a task come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Origin {
    /// What kind of place it is.
    pub kind: OriginKind,
    /// The files, those of the documents first.
    pub files: Vec<OriginFile>,
}

/// A kind of place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum OriginKind {
    /// Sample documents written for Jeoul: not the benchmark.
    #[default]
    Samples,
    /// Files of the person who runs the task.
    Local,
    /// The Hugging Face hub.
    Hub,
}

/// A file of documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct OriginFile {
    /// Path or address.
    pub name: String,
    /// Hash of its bytes, in hexadecimal; empty for bundled samples.
    pub sha256: String,
    /// Commit of the hub's repository, where it is known.
    pub commit: Option<String>,
}

impl Origin {
    pub(crate) fn json(&self) -> Json {
        // A struct of strings has a JSON form.
        serde_json::to_value(self).unwrap_or_default()
    }
}
