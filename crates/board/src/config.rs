//! What a board is told when it is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jeoul_record::KnownTasks;
use jeoul_record::check::UnknownTasks;

use crate::logs::Logs;

/// Tells the time, in milliseconds since 1970 UTC. Tests set their own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a board is set up.
#[derive(Clone)]
pub struct Config {
    /// A file name or `sqlite:FILE`, which is made if it is not there, or `postgres://…`.
    pub database: String,
    /// Where item logs lie.
    pub logs: Logs,
    /// Public boards by id; posts that name none go to the first.
    pub boards: Vec<String>,
    /// Tasks whose scores the board recomputes from its own documents.
    pub tasks: Arc<dyn KnownTasks + Send + Sync>,
    /// What becomes of tasks that it does not know.
    pub unknown_tasks: UnknownTasks,
    /// Folders that are served beside the API, such as the page under `/`.
    pub folders: Vec<Folder>,
    /// Proxies in front that each add an entry to `x-forwarded-for`; 0 if there is none. Entries before theirs are anybody's word.
    pub proxies: usize,
    /// Rates and times.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
}

/// A folder that is served.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where in the address space: `/` or a path such as `/models`.
    pub at: String,
    /// The folder.
    pub path: PathBuf,
}

/// Rates and times. Rates are per minute; a burst of as many as `burst` may come at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Posts of one key or room token.
    pub posts: Rate,
    /// Other writes of one key or token.
    pub writes: Rate,
    /// Reads of one key or token.
    pub reads: Rate,
    /// Attempts of one key to join a room.
    pub joins: Rate,
    /// Anything of one address. A class shares one, so this is what three hundred people do at their liveliest.
    pub address: Rate,
    /// How long a room lasts.
    pub room: Duration,
    /// How long an expired, unpublished room is kept for its presenter.
    pub room_kept: Duration,
    /// Keys in one room.
    pub room_capacity: u32,
    /// How long a deletion can be undone.
    pub undo: Duration,
    /// How long ago a key must have posted for its flags to count.
    pub flag_age: Duration,
    /// How long a moderator stays logged in.
    pub session: Duration,
    /// Requests that are worked on at once; more are told to come back.
    pub in_flight: usize,
}

/// A rate.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// In a minute, on average.
    pub per_minute: u32,
    /// At once.
    pub burst: u32,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Limits {
    fn default() -> Self {
        let rate = |per_minute, burst| Rate { per_minute, burst };
        Self {
            posts: rate(6, 10),
            writes: rate(60, 60),
            reads: rate(120, 120),
            joins: rate(5, 5),
            address: rate(12_000, 3_000),
            room: DAY,
            room_kept: 30 * DAY,
            room_capacity: 1_000,
            undo: Duration::from_secs(10 * 60),
            flag_age: DAY,
            session: DAY / 2,
            in_flight: 512,
        }
    }
}

impl Limits {
    /// The usual times, and rates beyond what one machine answers: for tests, and for boards that nobody else reaches.
    pub fn without_rates() -> Self {
        let plenty = Rate {
            per_minute: 10_000_000,
            burst: 1_000_000,
        };
        Self {
            posts: plenty,
            writes: plenty,
            reads: plenty,
            joins: plenty,
            address: plenty,
            ..Self::default()
        }
    }
}

impl Config {
    /// A board in `database` with one public board named `open`, the system's clock and the default limits.
    pub fn new(database: impl Into<String>, tasks: Arc<dyn KnownTasks + Send + Sync>) -> Self {
        Self {
            database: database.into(),
            logs: Logs::Database,
            boards: vec!["open".to_owned()],
            tasks,
            unknown_tasks: UnknownTasks::SelfReported,
            folders: Vec::new(),
            proxies: 0,
            limits: Limits::default(),
            clock: Arc::new(system_clock),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The database's address may hold a password.
        f.debug_struct("Config")
            .field("logs", &self.logs)
            .field("boards", &self.boards)
            .field("folders", &self.folders)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, millis)
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
