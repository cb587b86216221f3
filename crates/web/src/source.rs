//! Checkpoints in the browser as the bytes that `checkpoint` reads. Both sources are synchronous, which only workers allow.
//!
//! Neither reads ahead: headers are read through a buffer of `checkpoint`'s own, weights in large pieces.

use std::io;

use jeoul_checkpoint::ByteSource;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync};

use crate::disk::Handle;

/// Largest piece of a blob that is read at once, in bytes: it lies in the browser's memory beside the copy in ours.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Name and message of what JavaScript threw.
pub(crate) fn reason(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => format!(
            "{}: {}",
            String::from(error.name()),
            String::from(error.message())
        ),
        None => format!("{thrown:?}"),
    }
}

/// What JavaScript threw, as an error of a read.
pub(crate) fn failed(thrown: JsValue) -> io::Error {
    io::Error::other(reason(&thrown))
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
