//! The checkpoints that come with Jeoul by name: `models/registry.json`.

use serde::Deserialize;

use crate::protocol::ModelCard;

/// One checkpoint; the fields are explained in `models/README.md`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// Unique name.
    pub id: String,
    name: String,
    urls: Vec<String>,
    /// Name of the file.
    pub file: String,
    /// Bytes of the file.
    pub size: u64,
    /// Lower-case hex sha256 of the file.
    pub sha256: String,
    license: String,
    architecture: String,
    quantization: String,
    parameters: u64,
    #[serde(rename = "type")]
    kind: String,
    languages: Vec<String>,
    homepage: String,
    /// Whether people do not see it.
    #[serde(default)]
    pub for_tests: bool,
}

impl Entry {
    /// Where a page can have the file, in the order to try: its own server, then others. Not wheels, which only `fetch` opens.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let is_for_pages = |url: &&str| url.starts_with('/') || url.starts_with("https://");
        self.urls.iter().map(String::as_str).filter(is_for_pages)
    }

    /// What the page shows of it, with what is stored of it here.
    pub fn card(&self, stored: u64, ready: bool) -> ModelCard {
        ModelCard {
            id: self.id.clone(),
            name: self.name.clone(),
            size: self.size as f64,
            sha256: self.sha256.clone(),
            license: self.license.clone(),
            architecture: self.architecture.clone(),
            quantization: self.quantization.clone(),
            parameters: self.parameters as f64,
            kind: self.kind.clone(),
            languages: self.languages.clone(),
            homepage: self.homepage.clone(),
            stored: stored as f64,
            ready,
        }
    }
}

/// All entries. The file is part of the build, and a test reads it: an error here is a broken build.
pub fn entries() -> Result<Vec<Entry>, serde_json::Error> {
    serde_json::from_str(include_str!("../../../models/registry.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_can_be_had_from_the_pages_own_server_first() {
        let entries = entries().unwrap();
        assert!(entries.iter().any(|entry| !entry.for_tests));
        for entry in entries {
            let first = format!("/models/{}", entry.file);
            assert_eq!(entry.urls().next(), Some(first.as_str()));
            assert!(
                entry.urls().all(|url| !url.starts_with("pypi:")),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn ids_are_plain_enough_to_name_files() {
        for entry in entries().unwrap() {
            let is_plain =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            assert!(entry.id.chars().all(is_plain), "{}", entry.id);
        }
    }
}
