//! A file as it is written: lines, counted and hashed.

use jeoul_record::canonical::hex;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{HEAD, TransferError, Transferred};

/// A file that is being written.
pub(super) struct Writing<'a, W> {
    out: &'a mut W,
    hash: Sha256,
    rows: u64,
    line: Vec<u8>,
}

impl<'a, W: AsyncWrite + Unpin + Send> Writing<'a, W> {
    /// Writes the head.
    pub(super) async fn begin(out: &'a mut W) -> Result<Self, TransferError> {
        let mut hash = Sha256::new();
        let line = format!("{HEAD}\n").into_bytes();
        hash.update(&line);
        out.write_all(&line).await?;
        Ok(Self {
            out,
            hash,
            rows: 0,
            line,
        })
    }

    /// Writes a row.
    pub(super) async fn write(&mut self, row: &Json) -> Result<(), TransferError> {
        self.line.clear();
        // A map of texts and finite numbers has a JSON form.
        serde_json::to_writer(&mut self.line, row).map_err(std::io::Error::from)?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line).await?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the hash.
    pub(super) async fn end(self) -> Result<Transferred, TransferError> {
        let hash = hex(&self.hash.finalize());
        let last = format!("{{\"sha256\":\"{hash}\"}}\n");
        self.out.write_all(last.as_bytes()).await?;
        self.out.flush().await?;
        Ok(Transferred {
            rows: self.rows,
            hash,
        })
    }
}
