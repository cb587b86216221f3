//! Checkpoints kept by this browser: in its private file system, or, where a page is refused one, in memory until the worker ends.
//!
//! A checkpoint is `<id>.gguf`, which grows while it is downloaded, and `<id>.ok`, which holds the sha256 that the whole file was
//! found to have. Only with both it counts as stored. Files may vanish at any time: the browser and the person may remove them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use gloo_timers::future::TimeoutFuture;
use jeoul_checkpoint::ByteSource;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemSyncAccessHandle, StorageEstimate, StorageManager,
};

use crate::desk::scope;
use crate::protocol::{Fault, FaultKind};
use crate::registry::Entry;
use crate::source::{BlobSource, Handle, StoredSource, reason};

/// Folder of our files.
const FOLDER: &str = "checkpoints";
/// Bytes gathered before they are written. What is lost when a tab closes is no more than this.
const PIECE_BYTES: usize = 1 << 20;
/// Largest checkpoint that is kept in memory, in bytes.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// How often a file that another worker holds is tried again; one that was just ended lets go within moments.
const LOCKED_TRIES: u32 = 10;
/// Wait between two tries, in ms.
const LOCKED_WAIT_MS: u32 = 100;

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

impl From<StoreError> for crate::fault::Stop {
    fn from(error: StoreError) -> Self {
        Fault::new(FaultKind::Storage, error).into()
    }
}

#[wasm_bindgen]
extern "C" {
    /// A file with the options of `createSyncAccessHandle`, which web-sys holds back as unstable.
    #[wasm_bindgen(extends = FileSystemFileHandle)]
    type LockableFile;

    #[wasm_bindgen(method, catch, js_name = createSyncAccessHandle)]
    fn create_sync_access_handle(this: &LockableFile, options: &Object)
    -> Result<Promise, JsValue>;
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Alone.
    Write,
    /// Beside other readers, where the browser can.
    Read,
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
        let failed = |thrown| browser(entry, &thrown);
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
                let handle = match open(folder, &data(entry), Mode::Write).await {
                    Ok(handle) => handle,
                    Err(thrown) => return Err(refused(entry, needed, thrown.into()).await),
                };
                remove(folder, &mark(entry)).await.map_err(failed)?;
                if handle.len().map_err(failed)? > entry.size {
                    handle.clear().map_err(failed)?;
                }
                Ok(Part {
                    written: handle.len().map_err(failed)?,
                    pending: Vec::new(),
                    sink: Sink::Disk(handle),
                })
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
                let blobs = kept.blobs.clone();
                Ok(Part {
                    written: size(&blobs),
                    pending: Vec::new(),
                    sink: Sink::Memory(blobs),
                })
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

/// Why the storage did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no room.
    Full,
    /// Anything else.
    Thrown(JsValue),
}

impl From<JsValue> for Refused {
    fn from(thrown: JsValue) -> Self {
        match is_named(&thrown, "QuotaExceededError") {
            true => Self::Full,
            false => Self::Thrown(thrown),
        }
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

/// A checkpoint that is being downloaded.
pub(crate) struct Part {
    written: u64,
    pending: Vec<u8>,
    sink: Sink,
}

enum Sink {
    Disk(Handle),
    Memory(Array),
}

impl Part {
    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Bytes that reached the storage.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.pending.extend_from_slice(bytes);
        match self.pending.len() >= PIECE_BYTES {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Writes what is not written yet.
    fn write(&mut self) -> Result<(), Refused> {
        match &self.sink {
            Sink::Disk(handle) => {
                let count = handle
                    .write_at(self.written, &self.pending)
                    .map_err(Refused::from)?;
                if count != self.pending.len() {
                    return Err(Refused::Full);
                }
            }
            Sink::Memory(blobs) => {
                let bytes = Array::of1(&Uint8Array::from(self.pending.as_slice()));
                let blob = Blob::new_with_u8_array_sequence(&bytes).map_err(Refused::Thrown)?;
                blobs.push(&blob);
            }
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Fills `buffer` from what was stored when the part was opened.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.sink {
            Sink::Disk(handle) => handle.read_at(offset, buffer),
            Sink::Memory(blobs) => {
                let source = Blob::new_with_blob_sequence(blobs)
                    .and_then(|blob| BlobSource::new(String::new(), blob));
                source
                    .map_err(|thrown| io::Error::other(reason(&thrown)))?
                    .read_at(offset, buffer)
            }
        }
    }

    /// Throws away all bytes.
    pub(crate) fn clear(&mut self) -> Result<(), Refused> {
        self.pending.clear();
        self.written = 0;
        match &self.sink {
            Sink::Disk(handle) => handle.clear().map_err(Refused::from),
            Sink::Memory(blobs) => {
                blobs.set_length(0);
                Ok(())
            }
        }
    }

    /// Writes the rest and has it reach the disk.
    pub(crate) fn close(mut self) -> Result<(), Refused> {
        if !self.pending.is_empty() {
            self.write()?;
        }
        match &self.sink {
            Sink::Disk(handle) => handle.flush().map_err(Refused::from),
            Sink::Memory(_) => Ok(()),
        }
    }
}

fn size(blobs: &Array) -> u64 {
    blobs
        .iter()
        .map(|blob| blob.unchecked_into::<Blob>().size() as u64)
        .sum()
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

fn is_named(thrown: &JsValue, name: &str) -> bool {
    thrown
        .dyn_ref::<js_sys::Error>()
        .is_some_and(|error| error.name() == name)
}

fn is_locked(thrown: &JsValue) -> bool {
    is_named(thrown, "NoModificationAllowedError")
}

/// The browser's storage; absent on pages that were not loaded over https or from this machine.
fn manager() -> Result<StorageManager, JsValue> {
    let manager = Reflect::get(&scope().navigator(), &"storage".into())?;
    match manager.is_object() && Reflect::has(&manager, &"getDirectory".into())? {
        true => Ok(manager.unchecked_into()),
        false => Err(js_sys::Error::new(
            "there is none; the page must come over https or from this machine",
        )
        .into()),
    }
}

/// Bytes that may still be stored, as far as the browser tells.
async fn available() -> Option<u64> {
    let estimate: StorageEstimate = JsFuture::from(manager().ok()?.estimate().ok()?)
        .await
        .ok()?
        .unchecked_into();
    Some((estimate.get_quota()? - estimate.get_usage()?).max(0.0) as u64)
}

async fn folder() -> Result<FileSystemDirectoryHandle, JsValue> {
    let root: FileSystemDirectoryHandle = JsFuture::from(manager()?.get_directory())
        .await?
        .unchecked_into();
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    Ok(
        JsFuture::from(root.get_directory_handle_with_options(FOLDER, &options))
            .await?
            .unchecked_into(),
    )
}

/// A file as it is now, if it is there.
async fn file(folder: &FileSystemDirectoryHandle, name: &str) -> Result<Option<File>, JsValue> {
    let handle: FileSystemFileHandle = match JsFuture::from(folder.get_file_handle(name)).await {
        Ok(handle) => handle.unchecked_into(),
        Err(thrown) if is_named(&thrown, "NotFoundError") => return Ok(None),
        Err(thrown) => return Err(thrown),
    };
    Ok(Some(
        JsFuture::from(handle.get_file()).await?.unchecked_into(),
    ))
}

async fn is_marked(folder: &FileSystemDirectoryHandle, entry: &Entry) -> Result<bool, JsValue> {
    let Some(file) = file(folder, &mark(entry)).await? else {
        return Ok(false);
    };
    let text = JsFuture::from(file.text()).await?;
    Ok(text.as_string().is_some_and(|text| text == entry.sha256))
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

/// Opens a file, and makes it if it is to be written.
async fn open(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    mode: Mode,
) -> Result<Handle, JsValue> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(mode == Mode::Write);
    let file: LockableFile = JsFuture::from(folder.get_file_handle_with_options(name, &options))
        .await?
        .unchecked_into();
    let options = Object::new();
    if mode == Mode::Read {
        Reflect::set(&options, &"mode".into(), &"read-only".into())?;
    }
    let handle: FileSystemSyncAccessHandle =
        patiently(async || JsFuture::from(file.create_sync_access_handle(&options)?).await)
            .await?
            .unchecked_into();
    Ok(Handle::new(handle))
}

/// Removes a file, if it is there.
async fn remove(folder: &FileSystemDirectoryHandle, name: &str) -> Result<(), JsValue> {
    match patiently(async || JsFuture::from(folder.remove_entry(name)).await).await {
        Err(thrown) if !is_named(&thrown, "NotFoundError") => Err(thrown),
        _ => Ok(()),
    }
}

/// Tries again while another worker holds the file.
async fn patiently(
    attempt: impl AsyncFn() -> Result<JsValue, JsValue>,
) -> Result<JsValue, JsValue> {
    for _ in 0..LOCKED_TRIES {
        match attempt().await {
            Err(thrown) if is_locked(&thrown) => TimeoutFuture::new(LOCKED_WAIT_MS).await,
            other => return other,
        }
    }
    attempt().await
}
