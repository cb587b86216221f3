//! How often somebody may ask: by room token, else by browser key, and by address only far above what a full class does.
//!
//! An address is kept in memory alone, as a hash with a salt that changes every day: what is left of a visitor after that
//! cannot be matched with anything.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;

use axum::http::StatusCode;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jeoul_record::canonical::sha256;

use crate::config::{Limits, Rate};
use crate::problem::Problem;
use crate::secret;

/// How long a salt is used, in milliseconds.
const SALT_MS: i64 = 24 * 60 * 60 * 1000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Post,
    Write,
    Read,
    Join,
    Address,
}

/// The counters. Shared among all requests of this server; another server on the same database has its own.
pub(crate) struct Rates {
    posts: DefaultKeyedRateLimiter<String>,
    writes: DefaultKeyedRateLimiter<String>,
    reads: DefaultKeyedRateLimiter<String>,
    joins: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<String>,
    salt: Mutex<Salt>,
}

struct Salt {
    bytes: [u8; 16],
    since_ms: i64,
}

impl Rates {
    pub(crate) fn new(limits: &Limits, now_ms: i64) -> Self {
        let limiter = |rate: Rate| {
            let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_minute(at_least_one(rate.per_minute));
            RateLimiter::keyed(quota.allow_burst(at_least_one(rate.burst)))
        };
        Self {
            posts: limiter(limits.posts),
            writes: limiter(limits.writes),
            reads: limiter(limits.reads),
            joins: limiter(limits.joins),
            addresses: limiter(limits.address),
            salt: Mutex::new(Salt {
                bytes: secret::random(),
                since_ms: now_ms,
            }),
        }
    }

    /// Counts one of `kind` for `who`; a problem if it is one too many.
    pub(crate) fn count(&self, kind: Kind, who: &str) -> Result<(), Problem> {
        let limiter = match kind {
            Kind::Post => &self.posts,
            Kind::Write => &self.writes,
            Kind::Read => &self.reads,
            Kind::Join => &self.joins,
            Kind::Address => &self.addresses,
        };
        limiter.check_key(&who.to_owned()).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "you ask more often than this board allows",
            )
            .retry_after(wait.as_secs() + 1)
        })
    }

    /// What stands for an address today.
    pub(crate) fn address(&self, address: IpAddr, now_ms: i64) -> String {
        // The lock is held for a copy of 16 bytes; a panic elsewhere cannot have left it half-written.
        let mut salt = self
            .salt
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if now_ms - salt.since_ms >= SALT_MS {
            *salt = Salt {
                bytes: secret::random(),
                since_ms: now_ms,
            };
            self.addresses.retain_recent();
        }
        let mut bytes = salt.bytes.to_vec();
        drop(salt);
        // The network part alone of an IPv6 address: a household has 2^64 of them.
        match address {
            IpAddr::V4(four) => bytes.extend(four.octets()),
            IpAddr::V6(six) => bytes.extend(&six.octets()[..8]),
        }
        sha256(&bytes)
    }

    /// Forgets those who have been quiet for long enough to start anew.
    pub(crate) fn forget(&self) {
        for limiter in [
            &self.posts,
            &self.writes,
            &self.reads,
            &self.joins,
            &self.addresses,
        ] {
            limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_burst_of_its_own() {
        let limits = Limits {
            posts: Rate {
                per_minute: 1,
                burst: 2,
            },
            ..Limits::default()
        };
        let rates = Rates::new(&limits, 0);
        assert_eq!(rates.count(Kind::Post, "a"), Ok(()));
        assert_eq!(rates.count(Kind::Post, "a"), Ok(()));
        assert_eq!(
            rates.count(Kind::Post, "a").unwrap_err().code(),
            "too-many-requests"
        );
        assert_eq!(rates.count(Kind::Post, "b"), Ok(()));
        assert_eq!(rates.count(Kind::Write, "a"), Ok(()));
    }

    #[test]
    fn an_address_is_another_one_tomorrow() {
        let rates = Rates::new(&Limits::default(), 0);
        let address = "203.0.113.7".parse().unwrap();
        let today = rates.address(address, 1);
        assert_eq!(rates.address(address, SALT_MS - 1), today);
        assert_ne!(rates.address(address, SALT_MS), today);
    }
}
