//! A checkpoint while it is downloaded: bytes are gathered and written in large pieces.

use std::io;

use jeoul_checkpoint::ByteSource;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::Blob;

use crate::disk::{Handle, Refused};
use crate::source::{BlobSource, failed};

/// Bytes gathered before they are written. What is lost when a tab closes is no more than this.
const PIECE_BYTES: usize = 1 << 20;
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
    /// A file, which holds the beginning of the checkpoint.
    pub(crate) fn on_disk(handle: Handle) -> Result<Self, Refused> {
        Ok(Self {
            written: handle.len()?,
            pending: Vec::new(),
            sink: Sink::Disk(handle),
        })
    }

    /// A list of blobs, which hold the beginning of the checkpoint.
    pub(crate) fn in_memory(blobs: Array) -> Self {
        Self {
            written: size(&blobs),
            pending: Vec::new(),
            sink: Sink::Memory(blobs),
        }
    }

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
                source.map_err(failed)?.read_at(offset, buffer)
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

/// Bytes of a list of blobs.
pub(crate) fn size(blobs: &Array) -> u64 {
    blobs
        .iter()
        .map(|blob| blob.unchecked_into::<Blob>().size() as u64)
        .sum()
}
