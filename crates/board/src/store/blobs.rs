//! Item logs: what was posted, byte for byte, named by its SHA-256 and packed with zstd. They lie in the table `blobs`, or outside
//! the database (see [`crate::Logs`]).

use jeoul_record::canonical::sha256;
use sqlx::{AnyConnection, Row};

use super::{Store, StoreError};

/// Level 3: 20 KB of JSON in about 0.1 ms, an eighth of the size; higher levels save a tenth more at ten times the cost.
const LEVEL: i32 = 3;
/// Largest log that is unpacked, in bytes: that of the largest body which is taken, with room to spare.
const UNPACKED_MAX: u64 = 16 << 20;
/// Largest packed log that is read from object storage, in bytes: what does not shrink grows by a little.
pub(crate) const PACKED_MAX: u64 = UNPACKED_MAX + (1 << 20);

/// Bytes, packed and named.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) hash: String,
    pub(crate) size_bytes: i64,
    pub(crate) packed: Vec<u8>,
}

impl Blob {
    /// Packs `bytes`.
    pub(crate) fn pack(bytes: &[u8]) -> Result<Self, StoreError> {
        let hash = sha256(bytes);
        let packed = zstd::bulk::compress(bytes, LEVEL);
        Ok(Self {
            packed: packed.map_err(|error| damaged(&hash, error.to_string()))?,
            size_bytes: bytes.len() as i64,
            hash,
        })
    }

    /// A log as it lies in object storage, where its size is written in the packed bytes alone.
    pub(crate) fn packed(hash: &str, packed: Vec<u8>) -> Result<Self, StoreError> {
        let size = zstd::zstd_safe::get_frame_content_size(&packed).ok();
        let size = size.flatten().and_then(|size| i64::try_from(size).ok());
        Ok(Self {
            size_bytes: size.ok_or_else(|| damaged(hash, "it does not say its size".to_owned()))?,
            hash: hash.to_owned(),
            packed,
        })
    }

    /// The bytes, compared with their name.
    pub(crate) fn unpack(&self) -> Result<Vec<u8>, StoreError> {
        let size = u64::try_from(self.size_bytes).unwrap_or(u64::MAX);
        if size > UNPACKED_MAX {
            return Err(damaged(
                &self.hash,
                format!("it says {size} bytes; at most {UNPACKED_MAX} are unpacked"),
            ));
        }
        let bytes = zstd::bulk::decompress(&self.packed, size as usize)
            .map_err(|error| damaged(&self.hash, error.to_string()))?;
        let found = sha256(&bytes);
        if found == self.hash && bytes.len() as u64 == size {
            Ok(bytes)
        } else {
            Err(damaged(
                &self.hash,
                format!("its {} bytes hash to {found}", bytes.len()),
            ))
        }
    }
}

fn damaged(hash: &str, reason: String) -> StoreError {
    StoreError::Blob {
        hash: hash.to_owned(),
        reason,
    }
}

/// Stores `blob`, once.
pub(crate) async fn put(connection: &mut AnyConnection, blob: &Blob) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO blobs (hash, size_bytes, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&blob.hash)
    .bind(blob.size_bytes)
    .bind(&blob.packed)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The bytes named `hash`.
    pub(crate) async fn blob(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(objects) = self.objects()
            && let Some(blob) = objects.get(hash).await?
        {
            return blob.unpack().map(Some);
        }
        let row = sqlx::query("SELECT size_bytes, bytes FROM blobs WHERE hash = $1")
            .bind(hash)
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let blob = Blob {
            hash: hash.to_owned(),
            size_bytes: row.try_get(0)?,
            packed: row.try_get(1)?,
        };
        blob.unpack().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_damage_shows() {
        let bytes = b"{\"doc_id\":0}".repeat(100);
        let mut blob = Blob::pack(&bytes).unwrap();
        assert!(blob.packed.len() < 100);
        assert_eq!(blob.unpack().unwrap(), bytes);
        let last = blob.packed.len() - 1;
        blob.packed[last] ^= 1;
        assert!(matches!(blob.unpack(), Err(StoreError::Blob { .. })));
    }
}
