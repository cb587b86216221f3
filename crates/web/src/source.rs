//! Checkpoints in the browser as the bytes that `checkpoint` reads. Both sources are synchronous, which only workers allow.
//!
//! Neither reads ahead: headers are read through a buffer of `checkpoint`'s own, weights in large pieces.

use std::io;

use jeoul_checkpoint::ByteSource;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Blob, FileReaderSync, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

/// Largest piece of a blob that is read at once, in bytes: it lies in the browser's memory beside the copy in ours.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Name and message of what JavaScript threw.
pub(crate) fn reason(thrown: &JsValue) -> String {
    use wasm_bindgen::JsCast;
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => format!(
            "{}: {}",
            String::from(error.name()),
            String::from(error.message())
        ),
        None => format!("{thrown:?}"),
    }
}

fn failed(thrown: JsValue) -> io::Error {
    io::Error::other(reason(&thrown))
}

/// A file in the browser's storage, open; closed when dropped.
pub(crate) struct Handle(FileSystemSyncAccessHandle);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Handle {
    pub(crate) fn new(handle: FileSystemSyncAccessHandle) -> Self {
        Self(handle)
    }

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

/// A stored checkpoint.
pub(crate) struct StoredSource {
    name: String,
    len: u64,
    handle: Handle,
}

impl StoredSource {
    pub(crate) fn new(name: String, handle: Handle) -> Result<Self, JsValue> {
        Ok(Self {
            name,
            len: handle.len()?,
            handle,
        })
    }
}

impl ByteSource for StoredSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.handle.read_at(offset, buffer)
    }
}

/// A file of the visitor's, or bytes that the browser keeps for us.
pub(crate) struct BlobSource {
    name: String,
    blob: Blob,
    reader: FileReaderSync,
}

impl BlobSource {
    pub(crate) fn new(name: String, blob: Blob) -> Result<Self, JsValue> {
        Ok(Self {
            name,
            blob,
            reader: FileReaderSync::new()?,
        })
    }
}

impl ByteSource for BlobSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.blob.size() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut offset = offset;
        for piece in buffer.chunks_mut(PIECE_BYTES_MAX) {
            let end = offset + piece.len() as u64;
            let part = self
                .blob
                .slice_with_f64_and_f64(offset as f64, end as f64)
                .map_err(failed)?;
            // Fails if the file was changed or removed since it was chosen.
            let bytes = self.reader.read_as_array_buffer(&part).map_err(failed)?;
            let bytes = Uint8Array::new(&bytes);
            if bytes.length() as usize != piece.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.copy_to(piece);
            offset = end;
        }
        Ok(())
    }
}
