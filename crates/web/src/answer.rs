//! What a server's answer to a range request means for a download.
//!
//! The file's size and sha256 are known beforehand, so an entity tag is not needed: a file that changed between two parts
//! comes out with another sha256 and is fetched anew. Headers that another origin does not expose are `None`.

use thiserror::Error;

/// Longest wait that a server may ask for, in ms.
const RETRY_AFTER_MS_MAX: u32 = 30_000;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// `Content-Length`, unless the body is compressed on the way.
    pub content_length: Option<u64>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
}

/// What to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The body holds the file from this byte on: either the one asked for or the first.
    Take {
        /// Place of the body's first byte.
        from: u64,
    },
    /// The server is busy or troubled; it may answer later.
    Again {
        /// HTTP status.
        status: u16,
        /// How long it asks to be left alone, in ms.
        wait_ms: u32,
    },
    /// This address will not give the file.
    Refuse(Refusal),
}

/// Why an address will not give the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A status that waiting does not change.
    #[error("the server answered with status {status}; expected 206 or 200")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// A web page: a sign-in of the network, or a server that answers everything with its start page.
    #[error("the server sent a web page instead of the file")]
    Page,
    /// Another part than the one asked for.
    #[error("the server sent `{found}`; expected the bytes from {expected} on")]
    Range {
        /// Its `Content-Range`.
        found: String,
        /// First byte asked for.
        expected: u64,
    },
    /// A file of another size.
    #[error("the server's file has {found} bytes; the registry's has {expected}")]
    Size {
        /// Bytes of the server's file, or as many as came before it was cut off.
        found: u64,
        /// Bytes of the registry's file.
        expected: u64,
    },
    /// A file of the right size with other bytes.
    #[error("the file's sha256 is {found}; the registry's is {expected}")]
    Sha256 {
        /// Hex sha256 of what came.
        found: String,
        /// Hex sha256 of the registry's file.
        expected: String,
    },
}

impl Refusal {
    /// Whether a file came, but not the registry's.
    pub fn is_other_file(&self) -> bool {
        matches!(self, Self::Size { .. } | Self::Sha256 { .. })
    }
}

/// Judges the answer to `Range: bytes=<stored>-`, with `stored` below the file's `size`.
pub fn judge(answer: &Answer, stored: u64, size: u64) -> Verdict {
    let Answer {
        status,
        content_length,
        ..
    } = *answer;
    let other_size = |found| {
        Verdict::Refuse(Refusal::Size {
            found,
            expected: size,
        })
    };
    let total = |range: &str| {
        range
            .rsplit_once('/')
            .and_then(|(_, total)| total.trim().parse::<u64>().ok())
    };
    let range = answer.content_range.as_deref();
    match status {
        200 if is_page(answer) => Verdict::Refuse(Refusal::Page),
        200 => match content_length {
            Some(found) if found != size => other_size(found),
            _ => Verdict::Take { from: 0 },
        },
        206 => {
            if let Some(found) = range.filter(|range| first_byte(range) != Some(stored)) {
                return Verdict::Refuse(Refusal::Range {
                    found: found.to_owned(),
                    expected: stored,
                });
            }
            let length = content_length.map(|length| stored.saturating_add(length));
            match range.and_then(total).or(length) {
                Some(found) if found != size => other_size(found),
                _ => Verdict::Take { from: stored },
            }
        }
        416 => match range.and_then(total) {
            Some(found) if found != size => other_size(found),
            _ => Verdict::Refuse(Refusal::Status { status }),
        },
        408 | 425 | 429 | 500 | 502..=504 => Verdict::Again {
            status,
            wait_ms: retry_after_ms(answer),
        },
        _ => Verdict::Refuse(Refusal::Status { status }),
    }
}

fn is_page(answer: &Answer) -> bool {
    answer
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

/// First byte of `bytes 4-9/10`.
fn first_byte(range: &str) -> Option<u64> {
    range
        .trim()
        .strip_prefix("bytes")?
        .trim_start()
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}

/// Seconds only; a date would need a clock that agrees with the server's.
fn retry_after_ms(answer: &Answer) -> u32 {
    let seconds = answer
        .retry_after
        .as_deref()
        .and_then(|text| text.trim().parse::<u32>().ok());
    seconds.map_or(0, |seconds| {
        seconds.saturating_mul(1000).min(RETRY_AFTER_MS_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 100;

    fn answer(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::default()
        }
    }

    fn part(range: &str) -> Answer {
        Answer {
            content_range: Some(range.into()),
            ..answer(206)
        }
    }

    #[test]
    fn a_part_from_the_byte_asked_for_is_taken() {
        assert_eq!(
            judge(&part("bytes 40-99/100"), 40, SIZE),
            Verdict::Take { from: 40 }
        );
        assert_eq!(
            judge(&part("bytes 40-99/*"), 40, SIZE),
            Verdict::Take { from: 40 }
        );
        assert_eq!(judge(&answer(206), 40, SIZE), Verdict::Take { from: 40 });
    }

    #[test]
    fn a_part_from_another_byte_is_refused() {
        for range in [
            "bytes 0-99/100",
            "bytes 41-99/100",
            "bytes",
            "items 40-99/100",
            "bytes 99999999999999999999-1/2",
        ] {
            let refusal = Refusal::Range {
                found: range.into(),
                expected: 40,
            };
            assert_eq!(
                judge(&part(range), 40, SIZE),
                Verdict::Refuse(refusal),
                "{range}"
            );
        }
    }

    #[test]
    fn a_server_that_ignores_ranges_is_taken_from_the_first_byte() {
        assert_eq!(judge(&answer(200), 40, SIZE), Verdict::Take { from: 0 });
        let sized = Answer {
            content_length: Some(SIZE),
            ..answer(200)
        };
        assert_eq!(judge(&sized, 40, SIZE), Verdict::Take { from: 0 });
    }

    #[test]
    fn a_file_of_another_size_is_refused_before_it_is_read() {
        let refused = |found| {
            Verdict::Refuse(Refusal::Size {
                found,
                expected: SIZE,
            })
        };
        assert_eq!(judge(&part("bytes 40-98/99"), 40, SIZE), refused(99));
        assert_eq!(
            judge(
                &Answer {
                    content_length: Some(61),
                    ..answer(206)
                },
                40,
                SIZE
            ),
            refused(101)
        );
        assert_eq!(
            judge(
                &Answer {
                    content_length: Some(u64::MAX),
                    ..answer(206)
                },
                40,
                SIZE
            ),
            refused(u64::MAX)
        );
        assert_eq!(
            judge(
                &Answer {
                    content_length: Some(7),
                    ..answer(200)
                },
                0,
                SIZE
            ),
            refused(7)
        );
        let too_far = Answer {
            content_range: Some("bytes */30".into()),
            ..answer(416)
        };
        assert_eq!(judge(&too_far, 40, SIZE), refused(30));
    }

    #[test]
    fn a_web_page_is_no_checkpoint() {
        let page = Answer {
            content_type: Some("text/html; charset=utf-8".into()),
            ..answer(200)
        };
        assert_eq!(judge(&page, 0, SIZE), Verdict::Refuse(Refusal::Page));
    }

    #[test]
    fn a_busy_server_is_asked_again_after_the_time_it_names() {
        let wait = |after: Option<&str>| {
            let busy = Answer {
                retry_after: after.map(String::from),
                ..answer(429)
            };
            match judge(&busy, 0, SIZE) {
                Verdict::Again {
                    status: 429,
                    wait_ms,
                } => wait_ms,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wait(None), 0);
        assert_eq!(wait(Some("2")), 2000);
        assert_eq!(wait(Some("4294967295")), RETRY_AFTER_MS_MAX);
        assert_eq!(wait(Some("Wed, 25 Nov 2026 07:28:00 GMT")), 0);
    }

    #[test]
    fn other_statuses_are_refused() {
        for status in [0, 204, 301, 400, 401, 403, 404, 410, 416, 501, 999] {
            let verdict = judge(&answer(status), 40, SIZE);
            assert_eq!(verdict, Verdict::Refuse(Refusal::Status { status }));
        }
    }
}
