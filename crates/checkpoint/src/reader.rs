//! Reads a header front to back through a small buffer, and knows how much of the file is left.

use std::io;

use crate::gguf::GgufError;
use crate::source::ByteSource;
use crate::text::shown;

/// Bytes of a read ahead.
const BUFFER_BYTES: u64 = 64 << 10;
/// Longest string: a chat template has some 10 KB, a token a few hundred bytes.
const STRING_BYTES_MAX: u64 = 16 << 20;
/// Longest header: a vocabulary of 262,144 tokens with its merges has 15 MB. All of it is held in memory.
pub(crate) const HEADER_BYTES_MAX: u64 = 64 << 20;

/// A place in a file.
pub(crate) struct Reader<'a, S: ByteSource + ?Sized> {
    source: &'a S,
    at: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a, S: ByteSource + ?Sized> Reader<'a, S> {
    pub(crate) fn new(source: &'a S) -> Self {
        Self {
            source,
            at: 0,
            buffer: Vec::new(),
            buffer_at: 0,
        }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes from here to the end.
    pub(crate) fn left(&self) -> u64 {
        self.source.len().saturating_sub(self.at)
    }

    /// Bytes from here to where the header must have ended.
    pub(crate) fn header_left(&self) -> u64 {
        self.left().min(HEADER_BYTES_MAX.saturating_sub(self.at))
    }

    /// The next `N` bytes of `field`.
    pub(crate) fn bytes<const N: usize>(&mut self, field: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, field)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self, field: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes(field)?))
    }

    pub(crate) fn u64(&mut self, field: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes(field)?))
    }

    /// A string with its length before it, of at most `max` bytes.
    pub(crate) fn short_string(&mut self, field: &str, max: u64) -> Result<String, GgufError> {
        let at = self.at;
        let found = self.u64(field)?;
        self.check_left(field, at, found)?;
        if found > max {
            return Err(GgufError::TooLong {
                field: shown(field),
                at,
                found,
                allowed: max,
            });
        }
        let bytes = self.vec(field, found)?;
        String::from_utf8(bytes).map_err(|error| GgufError::Utf8 {
            field: shown(field),
            at: at
                .saturating_add(8)
                .saturating_add(error.utf8_error().valid_up_to() as u64),
        })
    }

    /// A string with its length before it.
    pub(crate) fn string(&mut self, field: &str) -> Result<String, GgufError> {
        self.short_string(field, STRING_BYTES_MAX)
    }

    /// `count` bytes, which must be there before room is made for them.
    pub(crate) fn vec(&mut self, field: &str, count: u64) -> Result<Vec<u8>, GgufError> {
        self.check_left(field, self.at, count)?;
        let mut bytes = vec![0; length(count)?];
        self.fill(&mut bytes, field)?;
        Ok(bytes)
    }

    fn check_left(&self, field: &str, at: u64, needed: u64) -> Result<(), GgufError> {
        if needed > self.left() {
            return Err(GgufError::Truncated {
                field: shown(field),
                at,
                found: needed,
                left: self.left(),
            });
        }
        if needed > self.header_left() {
            return Err(GgufError::Header {
                field: shown(field),
                at,
                found: needed,
                allowed: HEADER_BYTES_MAX,
            });
        }
        Ok(())
    }

    fn fill(&mut self, out: &mut [u8], field: &str) -> Result<(), GgufError> {
        self.check_left(field, self.at, out.len() as u64)?;
        if out.len() as u64 > BUFFER_BYTES {
            self.read(self.at, out)?;
        } else {
            let start = self.at.wrapping_sub(self.buffer_at);
            if self.at < self.buffer_at
                || start.saturating_add(out.len() as u64) > self.buffer.len() as u64
            {
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.resize(length(self.left().min(BUFFER_BYTES))?, 0);
                self.read(self.at, &mut buffer)?;
                (self.buffer, self.buffer_at) = (buffer, self.at);
            }
            let start = length(self.at.wrapping_sub(self.buffer_at))?;
            if let Some(bytes) = self
                .buffer
                .get(start..)
                .and_then(|rest| rest.get(..out.len()))
            {
                out.copy_from_slice(bytes);
            }
        }
        self.at += out.len() as u64;
        Ok(())
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<(), GgufError> {
        self.source
            .read_at(at, out)
            .map_err(|error: io::Error| GgufError::Io {
                at,
                bytes: out.len() as u64,
                error,
            })
    }
}

/// A length within the header, which fits any `usize`.
fn length(bytes: u64) -> Result<usize, GgufError> {
    usize::try_from(bytes).map_err(|_| GgufError::Io {
        at: 0,
        bytes,
        error: io::ErrorKind::OutOfMemory.into(),
    })
}
