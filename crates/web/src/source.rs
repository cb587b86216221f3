//! Checkpoints in the browser as the bytes that `checkpoint` reads. Both sources are synchronous, which only workers allow.
//!
//! A stored one reads what it is asked for; a blob, of which every piece takes a trip to another process, larger pieces.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use jeoul_checkpoint::ByteSource;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync};

use crate::disk::Handle;

/// Pieces in which a blob is read, in bytes. Pieces of a mebibyte took three times as long.
const PIECE_BYTES: u64 = 8 << 20;
/// Pieces that stay in the browser's memory: a layer's matrices are not read in the order of the file, and may lie in two.
const PIECES: usize = 2;

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
    /// Where the last pieces begin, and their bytes, the newest first.
    pieces: RefCell<VecDeque<(u64, Uint8Array)>>,
}

impl BlobSource {
    pub(crate) fn new(name: String, blob: Blob) -> Result<Self, JsValue> {
        Ok(Self {
            name,
            blob,
            reader: FileReaderSync::new()?,
            pieces: RefCell::default(),
        })
    }

    /// The piece that begins at `begin`.
    fn piece(&self, begin: u64) -> io::Result<Uint8Array> {
        let mut pieces = self.pieces.borrow_mut();
        if let Some((_, bytes)) = pieces.iter().find(|(at, _)| *at == begin) {
            return Ok(bytes.clone());
        }
        let end = (begin + PIECE_BYTES).min(self.len());
        let part = self
            .blob
            .slice_with_f64_and_f64(begin as f64, end as f64)
            .map_err(failed)?;
        // Fails if the file was changed or removed since it was chosen.
        let bytes = self.reader.read_as_array_buffer(&part).map_err(failed)?;
        let bytes = Uint8Array::new(&bytes);
        pieces.truncate(PIECES - 1);
        pieces.push_front((begin, bytes.clone()));
        Ok(bytes)
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
        let (mut offset, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let begin = offset / PIECE_BYTES * PIECE_BYTES;
            let piece = self.piece(begin)?;
            // Both below the size of a piece.
            let (from, length) = ((offset - begin) as u32, piece.length());
            if from >= length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = rest.len().min((length - from) as usize);
            let (now, later) = rest.split_at_mut(count);
            piece.subarray(from, from + count as u32).copy_to(now);
            (offset, rest) = (offset + count as u64, later);
        }
        Ok(())
    }
}
