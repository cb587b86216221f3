//! Where item logs lie: in the board's database or, as objects named by their hash, in an S3-compatible store or a folder.
//!
//! A log is put under its hash first and the row that refers to it is committed after, so that no row is without its log. A log
//! without a row (its post was refused, or the server died between the two) is swept an hour later; therefore **a bucket's prefix
//! or a folder belongs to one board alone**.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use thiserror::Error;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use url::Url;

use crate::secret::is_hex;
use crate::store::StoreError;
use crate::store::blobs::{Blob, PACKED_MAX};

/// Time in which an object must have been written or read, retries included: half of what a request has.
const OBJECT_MAX: Duration = Duration::from_secs(15);
/// Objects that are read, written or erased at once.
pub(crate) const AT_ONCE: usize = 16;

/// Where item logs lie.
#[derive(Clone, Default)]
pub enum Logs {
    /// In the table `blobs` of the board's database.
    #[default]
    Database,
    /// As `<first two digits>/<SHA-256>`, packed with zstd. Logs that lie in the database from before are still found there.
    Objects(Arc<dyn ObjectStore>),
}

/// A place for item logs that cannot be used.
#[derive(Debug, Error)]
pub enum LogsError {
    /// An address that is none.
    #[error(
        "`{address}` is no place for item logs; allowed are `s3://BUCKET/PREFIX` and `file:///FOLDER`"
    )]
    Address {
        /// The address.
        address: String,
    },
    /// An S3 address in a build without S3.
    #[error("`{address}` needs a board that was built with the feature `s3`")]
    WithoutS3 {
        /// The address.
        address: String,
    },
    /// A folder that cannot be made.
    #[error("the folder `{address}` cannot be made: {reason}")]
    Folder {
        /// The address.
        address: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// Settings that do not fit together.
    #[error("item logs cannot be kept in `{address}`: {reason}")]
    Settings {
        /// The address.
        address: String,
        /// What the client says.
        reason: object_store::Error,
    },
}

impl Logs {
    /// A folder, which is made if it is not there.
    pub fn in_folder(path: &std::path::Path) -> Result<Self, LogsError> {
        folder(&path.display().to_string(), path)
    }

    /// The place with this address, as the environment's `AWS_…` variables set it up: see [`Self::with_variables`].
    pub fn from_address(address: &str) -> Result<Self, LogsError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::with_variables(address, variables)
    }

    /// `s3://BUCKET/PREFIX`, with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT` (another server than
    /// Amazon's), `AWS_ALLOW_HTTP` and what else `object_store` knows, or `file:///FOLDER`, which is made if it is not there.
    pub fn with_variables(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, LogsError> {
        let wrong = || LogsError::Address {
            address: address.to_owned(),
        };
        let url = Url::parse(address).map_err(|_| wrong())?;
        match url.scheme() {
            "s3" => s3(address, &url, variables),
            "file" => folder(address, &url.to_file_path().map_err(|()| wrong())?),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("Database"),
            // A client's own form may hold more than its place.
            Self::Objects(store) => write!(f, "Objects({store})"),
        }
    }
}

fn folder(address: &str, folder: &std::path::Path) -> Result<Logs, LogsError> {
    std::fs::create_dir_all(folder).map_err(|reason| LogsError::Folder {
        address: address.to_owned(),
        reason,
    })?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|reason| LogsError::Settings {
        address: address.to_owned(),
        reason,
    })?;
    // A post is acknowledged once it would outlive a power cut, wherever its log lies.
    Ok(Logs::Objects(Arc::new(store.with_fsync(true))))
}

#[cfg(not(feature = "s3"))]
fn s3(
    address: &str,
    _: &Url,
    _: impl IntoIterator<Item = (String, String)>,
) -> Result<Logs, LogsError> {
    Err(LogsError::WithoutS3 {
        address: address.to_owned(),
    })
}

#[cfg(feature = "s3")]
fn s3(
    address: &str,
    url: &Url,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Logs, LogsError> {
    use object_store::aws::AmazonS3Builder;
    use object_store::prefix::PrefixStore;
    use object_store::{ClientOptions, RetryConfig};

    let settings = |reason| LogsError::Settings {
        address: address.to_owned(),
        reason,
    };
    // Whoever chose another provider before keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The client's own bounds are minutes, for jobs; here somebody waits.
    let retry = RetryConfig {
        max_retries: 3,
        retry_timeout: OBJECT_MAX,
        ..RetryConfig::default()
    };
    let client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(3))
        .with_timeout(OBJECT_MAX);
    let mut builder = AmazonS3Builder::new()
        .with_url(format!("s3://{}", url.host_str().unwrap_or_default()))
        .with_retry(retry)
        .with_client_options(client);
    for (name, value) in variables {
        let key = name.to_ascii_lowercase();
        if let (true, Ok(key)) = (name.starts_with("AWS_"), key.parse()) {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder.build().map_err(settings)?;
    let prefix = Path::from_url_path(url.path()).map_err(|error| settings(error.into()))?;
    Ok(Logs::Objects(Arc::new(PrefixStore::new(store, prefix))))
}

/// Item logs as objects.
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Held for reading from before a log is put until its row is there, and for writing while logs without a row are erased.
    posting: RwLock<()>,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            posting: RwLock::new(()),
        }
    }

    /// To be held until the row of a log that is put is there.
    pub(crate) async fn posting(&self) -> RwLockReadGuard<'_, ()> {
        self.posting.read().await
    }

    /// To be held while logs without a row are looked for again and erased.
    pub(crate) async fn erasing(&self) -> RwLockWriteGuard<'_, ()> {
        self.posting.write().await
    }

    /// Puts a log under its hash; the answer comes when the store has it.
    pub(crate) async fn put(&self, blob: &Blob) -> Result<(), StoreError> {
        let key = key(&blob.hash);
        let put = self.store.put(&key, blob.packed.clone().into());
        in_time(put).await?;
        Ok(())
    }

    /// The log named `hash`, if it is there.
    pub(crate) async fn get(&self, hash: &str) -> Result<Option<Blob>, StoreError> {
        let key = key(hash);
        let read = async {
            let found = self.store.get(&key).await?;
            let size = found.meta.size;
            if size > PACKED_MAX {
                return Ok(Err(size));
            }
            found.bytes().await.map(Ok)
        };
        match found(in_time(read).await)? {
            None => Ok(None),
            Some(Ok(bytes)) => Blob::packed(hash, bytes.into()).map(Some),
            Some(Err(size)) => Err(StoreError::Blob {
                hash: hash.to_owned(),
                reason: format!("it has {size} bytes packed; at most {PACKED_MAX} are read"),
            }),
        }
    }

    /// Whether there is a log named `hash`.
    pub(crate) async fn has(&self, hash: &str) -> Result<bool, StoreError> {
        let key = key(hash);
        Ok(found(in_time(self.store.head(&key)).await)?.is_some())
    }

    /// Erases logs; those that are not there are none of its business.
    pub(crate) async fn erase(&self, hashes: &[String]) -> Result<(), StoreError> {
        let keys: Vec<_> = hashes.iter().map(|hash| Ok(key(hash))).collect();
        let mut erased = self
            .store
            .delete_stream(futures_util::stream::iter(keys).boxed());
        while found(in_time(erased.try_next()).await)?.is_none_or(|one| one.is_some()) {}
        Ok(())
    }

    /// Logs whose hash begins with the two digits of `first` and that were put before `before_ms`.
    pub(crate) async fn older(&self, first: u8, before_ms: i64) -> Result<Vec<String>, StoreError> {
        let mut listed = self.store.list(Some(&Path::from(format!("{first:02x}"))));
        let mut hashes = Vec::new();
        while let Some(one) = found(in_time(listed.try_next()).await)?.flatten() {
            let name = one.location.filename().unwrap_or_default();
            if one.last_modified.timestamp_millis() < before_ms && is_hex(name, 64) {
                hashes.push(name.to_owned());
            }
        }
        Ok(hashes)
    }
}

/// A folder for each of the first 256, so that none is too full and one can be listed by itself.
fn key(hash: &str) -> Path {
    Path::from_iter([hash.get(..2).unwrap_or_default(), hash])
}

async fn in_time<T>(
    work: impl Future<Output = object_store::Result<T>>,
) -> Result<T, object_store::Error> {
    match tokio::time::timeout(OBJECT_MAX, work).await {
        Ok(done) => done,
        Err(elapsed) => Err(object_store::Error::Generic {
            store: "item logs",
            source: Box::new(elapsed),
        }),
    }
}

/// `None` for what is not there.
fn found<T>(outcome: Result<T, object_store::Error>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
