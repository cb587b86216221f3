//! Checkpoints kept by this browser: in its private file system, or, where a page is refused one, in memory until the worker ends.
//!
//! A checkpoint is `<id>.gguf`, which grows while it is downloaded, and `<id>.ok`, which holds the sha256 that the whole file was
//! found to have. Only with both it counts as stored. Files may vanish at any time: the browser and the person may remove them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jeoul_checkpoint::ByteSource;
use js_sys::Array;
use thiserror::Error;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FileSystemDirectoryHandle};

use crate::disk::{Mode, Refused, available, file, folder, is_locked, open, remove};
use crate::fault::Stop;
use crate::part::{Part, size};
use crate::protocol::{Fault, FaultKind};
use crate::registry::Entry;
use crate::source::{BlobSource, StoredSource, reason};

/// Largest checkpoint that is kept in memory, in bytes.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// Why something cannot be stored or read.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// No room.
    #[error(
        "the browser's storage is full: `{file}` needs {needed} bytes more, {} are available",
        available.map_or_else(|| "too few".to_owned(), |bytes| bytes.to_string())
    )]
    Full {
        file: String,
        needed: u64,
        available: Option<u64>,
    },
    /// Another tab, or another program in this one.
    #[error("`{file}` is in use by another tab; close it or wait until it is done")]
    Locked { file: String },
    /// Never stored, half stored, or removed.
    #[error("`{file}` is not stored in this browser; it must be downloaded first")]
    Missing { file: String },
    /// No storage, and too large to do without.
    #[error(
        "this browser refuses the page its storage ({reason}); `{file}` has {found} bytes, and at most {allowed} are kept in memory"
    )]
    TooLarge {
        file: String,
        reason: String,
        found: u64,
        allowed: u64,
    },
    /// Anything else.
    #[error("`{file}` in the browser's storage: {reason}")]
    Browser { file: String, reason: String },
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Fault::new(FaultKind::Storage, error).into()
    }
}

/// What is stored of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Whether they are the whole file, verified.
    pub(crate) ready: bool,
}

/// The checkpoints kept by this browser.
pub(crate) enum Store {
    /// In its private file system.
    Disk(FileSystemDirectoryHandle),
    /// In memory.
    Memory {
        /// Why not on disk.
        reason: String,
        kept: RefCell<BTreeMap<String, Kept>>,
    },
}

/// A checkpoint in memory: blobs, which the browser holds outside of the module's memory.
#[derive(Default)]
pub(crate) struct Kept {
    blobs: Array,
    ready: bool,
}

impl Store {
    /// Asks the browser for its private file system.
    pub(crate) async fn open() -> Self {
        match folder().await {
            Ok(folder) => Self::Disk(folder),
            Err(thrown) => Self::Memory {
                reason: reason(&thrown),
                kept: RefCell::default(),
            },
        }
    }

    /// What is stored of a checkpoint.
    pub(crate) async fn state(&self, entry: &Entry) -> Result<State, StoreError> {
        match self {
            Self::Disk(folder) => {
                let failed = |thrown| browser(entry, &thrown);
                let Some(file) = file(folder, &data(entry)).await.map_err(failed)? else {
                    return Ok(State::default());
                };
                let bytes = file.size() as u64;
                let ready =
                    bytes == entry.size && is_marked(folder, entry).await.map_err(failed)?;
                Ok(State {
                    bytes: bytes.min(entry.size),
                    ready,
                })
            }
            Self::Memory { kept, .. } => {
                let kept = kept.borrow();
                Ok(kept
                    .get(&entry.id)
                    .map_or_else(State::default, |kept| State {
                        bytes: size(&kept.blobs),
                        ready: kept.ready,
                    }))
            }
        }
    }

    /// Opens what is stored of a checkpoint to add to it. It does not count as stored until [`Store::seal`].
    pub(crate) async fn part(&self, entry: &Entry) -> Result<Part, StoreError> {
        match self {
            Self::Disk(folder) => {
                let needed = entry.size - self.state(entry).await?.bytes;
                let available = available().await;
                if available.is_some_and(|available| available < needed) {
                    return Err(StoreError::Full {
                        file: entry.file.clone(),
                        needed,
                        available,
                    });
                }
                match open_part(folder, entry).await {
                    Ok(part) => Ok(part),
                    Err(error) => Err(refused(entry, needed, error).await),
                }
            }
            Self::Memory { reason, kept } => {
                if entry.size > KEPT_BYTES_MAX {
                    return Err(StoreError::TooLarge {
                        file: entry.file.clone(),
                        reason: reason.clone(),
                        found: entry.size,
                        allowed: KEPT_BYTES_MAX,
                    });
                }
                let mut kept = kept.borrow_mut();
                let kept = kept.entry(entry.id.clone()).or_default();
                kept.ready = false;
                Ok(Part::in_memory(kept.blobs.clone()))
            }
        }
    }

    /// Marks a checkpoint as stored: whole, with the right sha256.
    pub(crate) async fn seal(&self, entry: &Entry) -> Result<(), StoreError> {
        match self {
            Self::Disk(folder) => match write_mark(folder, entry).await {
                Ok(()) => Ok(()),
                Err(error) => Err(refused(entry, entry.sha256.len() as u64, error).await),
            },
            Self::Memory { kept, .. } => {
                kept.borrow_mut().entry(entry.id.clone()).or_default().ready = true;
                Ok(())
            }
        }
    }

    /// Removes what is stored of a checkpoint.
    pub(crate) async fn forget(&self, entry: &Entry) -> Result<(), StoreError> {
        match self {
            Self::Disk(folder) => {
                for name in [data(entry), mark(entry)] {
                    if let Err(thrown) = remove(folder, &name).await {
                        return Err(refused(entry, 0, thrown.into()).await);
                    }
                }
            }
            Self::Memory { kept, .. } => {
                kept.borrow_mut().remove(&entry.id);
            }
        }
        Ok(())
    }

    /// Opens a stored checkpoint for reading.
    pub(crate) async fn source(&self, entry: &Entry) -> Result<Box<dyn ByteSource>, StoreError> {
        if !self.state(entry).await?.ready {
            return Err(StoreError::Missing {
                file: entry.file.clone(),
            });
        }
        let failed = |thrown| browser(entry, &thrown);
        let name = entry.file.clone();
        let blob = match self {
            Self::Disk(folder) => {
                // Quicker than a blob, but browsers without shared locks refuse it while another tab reads.
                if let Ok(handle) = open(folder, &data(entry), Mode::Read).await {
                    return Ok(Box::new(StoredSource::new(name, handle).map_err(failed)?));
                }
                file(folder, &data(entry))
                    .await
                    .map_err(failed)?
                    .map(Blob::from)
            }
            Self::Memory { kept, .. } => kept
                .borrow()
                .get(&entry.id)
                .map(|kept| Blob::new_with_blob_sequence(&kept.blobs))
                .transpose()
                .map_err(failed)?,
        };
        let blob = blob.ok_or_else(|| StoreError::Missing {
            file: entry.file.clone(),
        })?;
        Ok(Box::new(BlobSource::new(name, blob).map_err(failed)?))
    }
}

/// Has a refusal say which file it is about, and how much room is lacking for `needed` bytes.
pub(crate) async fn refused(entry: &Entry, needed: u64, refused: Refused) -> StoreError {
    let file = entry.file.clone();
    match refused {
        // Some browsers tell every page of 10 GiB, so that none can be recognised by its quota.
        Refused::Full => StoreError::Full {
            file,
            needed,
            available: available().await.filter(|available| *available < needed),
        },
        Refused::Thrown(thrown) if is_locked(&thrown) => StoreError::Locked { file },
        Refused::Thrown(thrown) => browser(entry, &thrown),
    }
}

fn data(entry: &Entry) -> String {
    format!("{}.gguf", entry.id)
}

fn mark(entry: &Entry) -> String {
    format!("{}.ok", entry.id)
}

fn browser(entry: &Entry, thrown: &JsValue) -> StoreError {
    StoreError::Browser {
        file: entry.file.clone(),
        reason: reason(thrown),
    }
}

async fn is_marked(folder: &FileSystemDirectoryHandle, entry: &Entry) -> Result<bool, JsValue> {
    let Some(file) = file(folder, &mark(entry)).await? else {
        return Ok(false);
    };
    let text = JsFuture::from(file.text()).await?;
    Ok(text.as_string().is_some_and(|text| text == entry.sha256))
}

/// Opens the file, and takes its mark away.
async fn open_part(folder: &FileSystemDirectoryHandle, entry: &Entry) -> Result<Part, Refused> {
    let handle = open(folder, &data(entry), Mode::Write).await?;
    remove(folder, &mark(entry)).await?;
    if handle.len()? > entry.size {
        handle.clear()?;
    }
    Part::on_disk(handle)
}

async fn write_mark(folder: &FileSystemDirectoryHandle, entry: &Entry) -> Result<(), Refused> {
    let handle = open(folder, &mark(entry), Mode::Write).await?;
    handle.clear()?;
    let count = handle.write_at(0, entry.sha256.as_bytes())?;
    if count != entry.sha256.len() {
        return Err(Refused::Full);
    }
    Ok(handle.flush()?)
}
