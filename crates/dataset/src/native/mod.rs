//! The command's side: documents in folders, and a cache of what the hub gave.

mod cache;
mod client;
mod folder;

pub use cache::{Cache, CacheError};
pub use client::Client;
pub use folder::{FolderError, find};
