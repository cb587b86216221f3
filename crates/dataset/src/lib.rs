//! Documents from bytes, and where they lie.
//!
//! - [`read`] turns a file into the documents of a split: JSON Lines, JSON, CSV or Parquet, by its name and its first bytes.
//! - [`hub`] says which files of the Hugging Face hub hold a split, and brings them through a [`hub::Fetch`], which the command
//!   and the page implement.
//! - `native` (a feature) is the command's side: folders, a cache, an HTTP client.
//!
//! A row keeps its line (or its place in a Parquet file), so that a document which does not fit its task is named.

mod csv;
mod error;
mod format;
pub mod hub;
mod json;
#[cfg(feature = "native")]
pub mod native;
mod parquet;

pub use error::DatasetError;
pub use format::{EXTENSIONS, read};

use sha2::{Digest, Sha256};

/// Hash of a file's bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
