//! The browser's private file system: files of this origin alone, which a worker may read and write without waiting.

use std::io;

use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle,
    StorageEstimate, StorageManager,
};

use crate::desk::scope;
use crate::source::failed;

/// Folder of our files.
const FOLDER: &str = "checkpoints";
/// How often a file that another worker holds is tried again; one that was just ended lets go within moments.
const LOCKED_TRIES: u32 = 10;
/// Wait between two tries, in ms.
const LOCKED_WAIT_MS: u32 = 100;

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
pub(crate) enum Mode {
    /// Alone.
    Write,
    /// Beside other readers, where the browser can.
    Read,
}

/// A file in the browser's storage, open; closed when dropped.
pub(crate) struct Handle(FileSystemSyncAccessHandle);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Handle {
    /// Bytes of the file.
    pub(crate) fn len(&self) -> Result<u64, JsValue> {
        self.0.get_size().map(|size| size as u64)
    }

    /// Writes at `offset`. Returns how many bytes were taken: another number than given when the storage is full, fewer by the
    /// book, 2^32 - 1 in Chromium 156.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, JsValue> {
        self.0
            .write_with_u8_array_and_options(bytes, &at(offset))
            .map(|count| count as usize)
    }

    /// Makes the file empty.
    pub(crate) fn clear(&self) -> Result<(), JsValue> {
        self.0.truncate_with_u32(0)
    }

    /// Has what was written reach the disk.
    pub(crate) fn flush(&self) -> Result<(), JsValue> {
        self.0.flush()
    }

    /// Fills `buffer` from `offset` on, or fails.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            let count = self
                .0
                .read_with_u8_array_and_options(rest, &at(offset + done as u64))
                .map_err(failed)? as usize;
            if count == 0 || count > buffer.len() - done {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += count;
        }
        Ok(())
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
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

pub(crate) fn is_named(thrown: &JsValue, name: &str) -> bool {
    thrown
        .dyn_ref::<js_sys::Error>()
        .is_some_and(|error| error.name() == name)
}

pub(crate) fn is_locked(thrown: &JsValue) -> bool {
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
pub(crate) async fn available() -> Option<u64> {
    let estimate: StorageEstimate = JsFuture::from(manager().ok()?.estimate().ok()?)
        .await
        .ok()?
        .unchecked_into();
    Some((estimate.get_quota()? - estimate.get_usage()?).max(0.0) as u64)
}

pub(crate) async fn folder() -> Result<FileSystemDirectoryHandle, JsValue> {
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
pub(crate) async fn file(
    folder: &FileSystemDirectoryHandle,
    name: &str,
) -> Result<Option<File>, JsValue> {
    let handle: FileSystemFileHandle = match JsFuture::from(folder.get_file_handle(name)).await {
        Ok(handle) => handle.unchecked_into(),
        Err(thrown) if is_named(&thrown, "NotFoundError") => return Ok(None),
        Err(thrown) => return Err(thrown),
    };
    Ok(Some(
        JsFuture::from(handle.get_file()).await?.unchecked_into(),
    ))
}

/// Opens a file, and makes it if it is to be written.
pub(crate) async fn open(
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
    Ok(Handle(handle))
}

/// Removes a file, if it is there.
pub(crate) async fn remove(folder: &FileSystemDirectoryHandle, name: &str) -> Result<(), JsValue> {
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
