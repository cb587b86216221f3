//! Who signed a request: reads the header that [`jeoul_record::signed_request`] describes.

use axum::http::{HeaderMap, Method, StatusCode};
use jeoul_record::signature::{SignatureError, author_id, verify};
use jeoul_record::signed_request::{HEADER, WINDOW_MS, message};

use crate::problem::Problem;

/// Who signed a request, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// Author id of the key.
    pub(crate) author: String,
    /// The time that was signed, in milliseconds since 1970 UTC.
    pub(crate) asked_ms: i64,
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
    use jeoul_record::signature::Key;
    use jeoul_record::signed_request::sign;

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
