//! Where the bytes of a checkpoint come from.

use std::borrow::Cow;
use std::io;

/// Random access to the bytes of one file. Synchronous: in the browser a worker has synchronous handles.
pub trait ByteSource {
    /// Name for people, which errors begin with.
    fn name(&self) -> &str;

    /// Bytes of the file.
    fn len(&self) -> u64;

    /// Whether there is no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset` on, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<S: ByteSource + ?Sized> ByteSource for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}

/// Bytes in memory.
pub struct MemorySource {
    name: String,
    bytes: Cow<'static, [u8]>,
}

impl MemorySource {
    /// A file of these bytes.
    pub fn new(name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.bytes.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// A file on disk.
#[cfg(not(target_family = "wasm"))]
pub struct FileSource {
    name: String,
    len: u64,
    file: std::sync::Mutex<std::fs::File>,
}

#[cfg(not(target_family = "wasm"))]
impl FileSource {
    /// Opens a file for reading.
    pub fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        let file = std::fs::File::open(&path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self {
            name: path.as_ref().display().to_string(),
            len: metadata.len(),
            file: file.into(),
        })
    }
}

#[cfg(not(target_family = "wasm"))]
impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self
            .file
            .lock()
            .map_err(|_| io::Error::other("another reader panicked"))?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}
