//! What a verb reads: a file or stdin.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

/// All of stdin.
pub(crate) fn read_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .context("cannot read `-`")?;
    Ok(text)
}

/// A JSON list in a file, or on stdin if `path` is `-`; `shape` says what its entries look like.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, shape: &str) -> anyhow::Result<Vec<T>> {
    let name = path.display();
    let text = match path.as_os_str() == "-" {
        true => read_stdin()?,
        false => fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?,
    };
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .with_context(|| format!("`{name}` is no JSON list of {shape}"))
}
