//! How a key signs a request to a board, without a cookie or a password.
//!
//! The header `jeoul-signature` holds three words: public key, time and signature.
//!
//! ```text
//! jeoul-signature: <64 hex digits> <milliseconds since 1970 UTC> <128 hex digits>
//! ```
//!
//! The signature is Ed25519 over these five lines, each ended by a line feed:
//!
//! ```text
//! jeoul-request/1
//! DELETE
//! /api/submissions/3f…
//! 1764111547000
//! e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//! ```
//!
//! which are the scheme, the method, path and query as sent, the time, and the SHA-256 of the body (here of none). The time
//! may be five minutes off. Within them a request can be sent again: everything that is signed either changes nothing the
//! second time or, like undoing a deletion, is refused if something later has been asked for.

use crate::canonical::sha256;
use crate::signature::Key;

/// Name of the header.
pub const HEADER: &str = "jeoul-signature";
/// How far a signer's clock may be off, in milliseconds.
pub const WINDOW_MS: i64 = 5 * 60 * 1000;

/// What is signed; `path` with its query.
pub fn message(method: &str, path: &str, time_ms: i64, body: &[u8]) -> Vec<u8> {
    format!(
        "jeoul-request/1\n{method}\n{path}\n{time_ms}\n{}\n",
        sha256(body)
    )
    .into_bytes()
}

/// The header's value for a request that `key` signs at `time_ms` (milliseconds since 1970 UTC); `path` with its query.
pub fn sign(key: &Key, method: &str, path: &str, time_ms: i64, body: &[u8]) -> String {
    let signature = key.sign(&message(method, path, time_ms, body));
    format!("{} {time_ms} {signature}", key.public_key())
}
