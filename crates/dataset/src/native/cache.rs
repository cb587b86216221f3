//! What the hub gave, kept in a folder with its sha256, so that a second run needs no network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use jeoul_eval::Documents;
use jeoul_eval::origin::OriginFile;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hub::{Fetch, FetchError, HubError, Response, Split, documents};
use crate::sha256;

/// A folder of fetched files.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A cache that cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The system names no folder for caches.
    #[error("there is no folder for caches; JEOUL_CACHE can name one")]
    NoFolder,
    /// The hub does not give the split, and it is not in the cache.
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// What stands beside a kept file.
#[derive(Deserialize, Serialize)]
struct Note {
    url: String,
    sha256: String,
    commit: Option<String>,
}

impl Cache {
    /// The folder that `JEOUL_CACHE` names, else `jeoul` among the system's caches.
    pub fn open() -> Result<Self, CacheError> {
        if let Some(folder) = std::env::var_os("JEOUL_CACHE") {
            return Ok(Self::at(folder.into()));
        }
        let system = etcetera::choose_base_strategy().map_err(|_| CacheError::NoFolder)?;
        Ok(Self::at(system.cache_dir().join("jeoul")))
    }

    /// A folder of one's own.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The documents of a split: fetched once, from then on read from the folder.
    pub async fn documents<F: Fetch>(
        &self,
        fetch: &mut F,
        hub: &str,
        split: &Split,
    ) -> Result<(Documents, Vec<OriginFile>), CacheError> {
        let mut kept = Kept { cache: self, fetch };
        Ok(documents(&mut kept, hub, split).await?)
    }

    fn place(&self, url: &str) -> PathBuf {
        self.folder.join("hub").join(sha256(url.as_bytes()))
    }

    /// A kept answer, if its bytes are still those that came.
    fn read(&self, url: &str) -> Option<Response> {
        let place = self.place(url);
        let note: Note =
            serde_json::from_slice(&fs::read(place.with_extension("json")).ok()?).ok()?;
        let body = fs::read(place).ok()?;
        (note.url == url && sha256(&body) == note.sha256).then_some(Response {
            status: 200,
            body,
            commit: note.commit,
            retry_after_s: None,
        })
    }

    /// Keeps an answer; a folder that cannot be written to costs the next run a download, nothing else.
    fn write(&self, url: &str, response: &Response) -> io::Result<()> {
        let place = self.place(url);
        fs::create_dir_all(place.parent().unwrap_or(Path::new(".")))?;
        let note = Note {
            url: url.into(),
            sha256: sha256(&response.body),
            commit: response.commit.clone(),
        };
        // Whole files only: written under another name, then renamed.
        let part = place.with_extension(format!("{}.part", std::process::id()));
        fs::write(&part, &response.body)?;
        fs::rename(&part, &place)?;
        fs::write(&part, serde_json::to_vec(&note)?)?;
        fs::rename(&part, place.with_extension("json"))
    }
}

/// Answers from the folder, else from the network.
struct Kept<'a, F> {
    cache: &'a Cache,
    fetch: &'a mut F,
}

impl<F: Fetch> Fetch for Kept<'_, F> {
    async fn get(&mut self, url: &str) -> Result<Response, FetchError> {
        if let Some(response) = self.cache.read(url) {
            return Ok(response);
        }
        let response = self.fetch.get(url).await?;
        if response.status == 200 {
            _ = self.cache.write(url, &response);
        }
        Ok(response)
    }
}
