//! How a browser key signs a request, without a cookie or a password.
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

use axum::http::{HeaderMap, Method, StatusCode};
use jeoul_record::canonical::sha256;
use jeoul_record::signature::{Key, SignatureError, author_id, verify};

use crate::problem::Problem;

/// Name of the header.
pub const HEADER: &str = "jeoul-signature";
/// How far a signer's clock may be off, in milliseconds.
pub const WINDOW_MS: i64 = 5 * 60 * 1000;

/// Who signed a request, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// Author id of the key.
    pub(crate) author: String,
    /// The time that was signed, in milliseconds since 1970 UTC.
    pub(crate) asked_ms: i64,
}

/// What is signed; `path` with its query.
fn message(method: &str, path: &str, time_ms: i64, body: &[u8]) -> Vec<u8> {
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

/// Who signed a request; `None` if it carries no signature.
pub(crate) fn signer(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    body: &[u8],
    now_ms: i64,
) -> Result<Option<Signer>, Problem> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let refuse =
        |code: &'static str, detail: &str| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    let words: Vec<&str> = value.to_str().unwrap_or_default().split(' ').collect();
    let [public_key, time, signature] = words[..] else {
        return Err(refuse(
            "bad-signature-header",
            "`jeoul-signature` holds a public key, a time and a signature, one space between them",
        ));
    };
    let Some(asked_ms) = time.parse().ok().filter(|ms: &i64| ms.to_string() == time) else {
        return Err(refuse(
            "bad-signature-header",
            "the time is in milliseconds since 1970",
        ));
    };
    if (now_ms - asked_ms).unsigned_abs() > WINDOW_MS.unsigned_abs() {
        return Err(refuse(
            "stale-signature",
            &format!("the time is more than five minutes from the server's, which is {now_ms}"),
        ));
    }
    verify(
        public_key,
        &message(method.as_str(), path, asked_ms, body),
        signature,
    )
    .map_err(|error| {
        let code = match error {
            SignatureError::PublicKeyHex | SignatureError::SignatureHex => "bad-signature-header",
            SignatureError::Key => "bad-key",
            SignatureError::Signature => "bad-signature",
        };
        refuse(code, &error.to_string())
    })?;
    let author = author_id(public_key).map_err(|error| refuse("bad-key", &error.to_string()))?;
    Ok(Some(Signer { author, asked_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_111_547_000;

    #[track_caller]
    fn code_of(value: &str, path: &str, body: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, value.parse().unwrap());
        match signer(&headers, &Method::POST, path, body, NOW) {
            Ok(signer) => {
                assert!(signer.is_some());
                None
            }
            Err(problem) => Some(problem.code().to_owned()),
        }
    }

    #[test]
    fn a_signature_holds_for_one_request_alone() {
        let key = Key::from_secret(&[7; 32]);
        let good = sign(&key, "POST", "/api/rooms?x=1", NOW, b"{}");
        assert_eq!(code_of(&good, "/api/rooms?x=1", b"{}"), None);
        assert_eq!(
            code_of(&good, "/api/rooms", b"{}").as_deref(),
            Some("bad-signature")
        );
        assert_eq!(
            code_of(&good, "/api/rooms?x=1", b"{ }").as_deref(),
            Some("bad-signature")
        );
        let other = sign(&key, "DELETE", "/api/rooms?x=1", NOW, b"{}");
        assert_eq!(
            code_of(&other, "/api/rooms?x=1", b"{}").as_deref(),
            Some("bad-signature")
        );
    }

    #[test]
    fn times_are_taken_within_five_minutes() {
        let key = Key::from_secret(&[7; 32]);
        for (off, expected) in [
            (WINDOW_MS, None),
            (-WINDOW_MS, None),
            (WINDOW_MS + 1, Some("stale-signature")),
            (-WINDOW_MS - 1, Some("stale-signature")),
        ] {
            let value = sign(&key, "POST", "/", NOW + off, b"");
            assert_eq!(code_of(&value, "/", b"").as_deref(), expected, "{off}");
        }
    }

    #[test]
    fn what_is_no_signature_is_named() {
        let key = Key::from_secret(&[7; 32]);
        let good = sign(&key, "POST", "/", NOW, b"");
        for (value, expected) in [
            (String::new(), "bad-signature-header"),
            ("a b c".to_owned(), "bad-signature-header"),
            (format!("{good} x"), "bad-signature-header"),
            (
                good.replace(&NOW.to_string(), &format!("+{NOW}")),
                "bad-signature-header",
            ),
            (good.to_uppercase(), "bad-signature-header"),
            (good.replace(&key.public_key(), &"0".repeat(64)), "bad-key"),
        ] {
            assert_eq!(
                code_of(&value, "/", b"").as_deref(),
                Some(expected),
                "{value}"
            );
        }
    }
}
