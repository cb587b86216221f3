//! The board: its database, its counters, its viewers, in one handle that every request shares.

use std::sync::Arc;
use std::time::Duration;

use jeoul_record::signature::author_id;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{Config, millis};
use crate::events::Events;
use crate::http::caller::LARGE_BODIES_MIB;
use crate::metrics::Metrics;
use crate::rates::Rates;
use crate::secret::{self, TokenKind};
use crate::store::audit::AuditState;
use crate::store::moderators::{ModeratorEntry, NewModerator};
use crate::store::sweep::Sweep;
use crate::store::{Engine, Store, StoreError};

/// Queries over whole tables at once.
const HEAVY: usize = 2;

/// How long a log in object storage may be without a row: longer than any post takes.
const UNREFERRED_KEPT: Duration = Duration::from_secs(60 * 60);

/// An open board. Clones share it.
#[derive(Clone)]
pub struct Board {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) rates: Rates,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// Requests that may be worked on at once.
    pub(crate) in_flight: Semaphore,
    /// Queries that read a whole table, and files that hold one: two at once, so that they leave connections for others.
    pub(crate) heavy: Semaphore,
    /// MiB of large bodies that may be in memory at once.
    pub(crate) large_bodies: Semaphore,
    /// Submissions that may be checked at once: one for each core, since a check does nothing but compute.
    pub(crate) checking: Semaphore,
}

/// A board cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No public board at all.
    #[error("`boards` is empty; posts that name no board need one to go to")]
    NoBoards,
    /// A name that a room could have, or that cannot stand in an address.
    #[error(
        "`{name}` is no name for a board; allowed are 1 to 40 of a to z, 0 to 9 and `-`, but not 16 hexadecimal digits"
    )]
    BoardName {
        /// The name.
        name: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Board {
    /// Opens the database of `config`, makes its tables or brings them up to date.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        if config.boards.is_empty() {
            return Err(OpenError::NoBoards);
        }
        if let Some(name) = config.boards.iter().find(|name| !is_board_name(name)) {
            return Err(OpenError::BoardName { name: name.clone() });
        }
        let store = Store::open(&config.database, &config.logs).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            inner: Arc::new(Inner {
                rates: Rates::new(&config.limits, (config.clock)()),
                events: Events::default(),
                metrics: Metrics::new(),
                in_flight: Semaphore::new(config.limits.in_flight),
                heavy: Semaphore::new(HEAVY),
                large_bodies: Semaphore::new(LARGE_BODIES_MIB),
                checking: Semaphore::new(cores),
                store,
                config,
            }),
        })
    }

    /// The engine of its database.
    pub fn engine(&self) -> Engine {
        self.inner.store.engine()
    }

    /// Milliseconds since 1970 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.inner.config.clock)()
    }

    /// Leave to read a whole table, once others have.
    pub(crate) async fn heavy(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.inner.heavy.acquire().await.ok()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Adds a moderator and returns id and token. The token is stored as a hash: this is the only time it can be read.
    ///
    /// `public_key` is the moderator's own key, if they post runs themselves: about its rows others must decide.
    pub async fn add_moderator(
        &self,
        name: &str,
        public_key: Option<&str>,
    ) -> Result<(String, String), ModeratorError> {
        let author = public_key
            .map(author_id)
            .transpose()
            .map_err(|error| ModeratorError::Key(error.to_string()))?;
        let token = secret::token(TokenKind::Moderator);
        let new = NewModerator {
            id: secret::name(),
            name: name.to_owned(),
            token_hash: jeoul_record::canonical::sha256(token.as_bytes()),
            author,
            now_ms: self.now_ms(),
        };
        let id = new.id.clone();
        self.store().add_moderator(new).await?;
        Ok((id, token))
    }

    /// Moderators who have their rights, in the order in which they were added.
    pub async fn moderators(&self) -> Result<Vec<ModeratorEntry>, StoreError> {
        self.store().moderators().await
    }

    /// Takes the rights of a moderator away; `false` if there is none with this id.
    pub async fn revoke_moderator(&self, id: &str) -> Result<bool, StoreError> {
        self.store()
            .revoke_moderator(id.to_owned(), self.now_ms())
            .await
    }

    /// Follows the audit table from its beginning.
    pub async fn verify_audit(&self) -> Result<AuditState, StoreError> {
        self.store().verify_audit().await
    }

    /// Erases what is old enough: deleted runs, expired rooms, logs without a row. Returns how many runs went.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let now_ms = self.now_ms();
        let limits = &self.inner.config.limits;
        self.inner.rates.forget();
        self.inner.events.forget(now_ms);
        let sweep = Sweep {
            now_ms,
            deleted_before_ms: now_ms - millis(limits.undo),
            expired_before_ms: now_ms - millis(limits.room_kept),
            unreferred_before_ms: now_ms - millis(UNREFERRED_KEPT),
        };
        self.store().sweep(sweep).await
    }

    /// Waits for what is being written, and closes the database.
    pub async fn close(&self) {
        self.store().close().await;
    }
}

/// A moderator cannot be added.
#[derive(Debug, Error)]
pub enum ModeratorError {
    /// A public key that is none.
    #[error("the moderator's key: {0}")]
    Key(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rooms are named by 16 hexadecimal digits; a public board of such a name could be mistaken for one.
fn is_board_name(name: &str) -> bool {
    let plain = |one: u8| matches!(one, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=40).contains(&name.len()) && name.bytes().all(plain) && !secret::is_hex(name, 16)
}
