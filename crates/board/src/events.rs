//! What viewers of a board hear as it happens. In memory: a viewer who was away asks for the table again.
//!
//! One channel for each board that has viewers. A viewer who is too slow to hear everything is told to reload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Events that wait for a slow viewer before it must reload.
const BACKLOG: usize = 256;
/// Open runs that a room shows; a class has fewer.
const RUNS_MAX: usize = 2_000;
/// How long an open run is shown without news of it, in milliseconds.
const RUN_MS: i64 = 10 * 60 * 1000;

/// Something that viewers hear: a name and JSON.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `row`, `gone`, `room` or `run`.
    pub(crate) name: &'static str,
    pub(crate) json: Arc<str>,
}

impl Event {
    pub(crate) fn new(name: &'static str, data: &impl Serialize) -> Self {
        let json = serde_json::to_string(data).unwrap_or_default();
        Self {
            name,
            json: json.into(),
        }
    }
}

/// How far a run is that somebody in a room has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunState {
    /// It waits.
    Queued,
    /// It computes.
    Running,
    /// It is finished, posted or not.
    Done,
}

/// A run that somebody in a room has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct OpenRun {
    /// Its name, which its page chose.
    pub run: String,
    /// Author id of the member.
    pub author: String,
    /// Name of the model.
    pub model: String,
    /// Names of the tasks.
    pub tasks: Vec<String>,
    /// How far it is.
    pub state: RunState,
    /// Documents that are scored.
    pub done: u32,
    /// Documents in all.
    pub total: u32,
    /// Last news of it, in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// Open runs by author and name.
type Runs = HashMap<(String, String), OpenRun>;

/// The channels, and the open runs of rooms.
#[derive(Default)]
pub(crate) struct Events {
    boards: Mutex<HashMap<String, broadcast::Sender<Event>>>,
    rooms: Mutex<HashMap<String, Runs>>,
}

impl Events {
    /// Tells everyone who watches `board`.
    pub(crate) fn tell(&self, board: &str, event: Event) {
        let mut boards = held(&self.boards);
        if let Some(channel) = boards.get(board)
            && channel.send(event).is_err()
        {
            // The last viewer has gone.
            boards.remove(board);
        }
    }

    /// Begins to watch `board`.
    pub(crate) fn watch(&self, board: &str) -> broadcast::Receiver<Event> {
        let mut boards = held(&self.boards);
        let channel = boards
            .entry(board.to_owned())
            .or_insert_with(|| broadcast::channel(BACKLOG).0);
        channel.subscribe()
    }

    /// Keeps the last news of a run and tells the room; `false` if the room shows as many as it can.
    pub(crate) fn run(&self, room: &str, run: OpenRun) -> bool {
        {
            let mut rooms = held(&self.rooms);
            let runs = rooms.entry(room.to_owned()).or_default();
            runs.retain(|_, other| run.at_ms - other.at_ms < RUN_MS);
            let name = (run.author.clone(), run.run.clone());
            if runs.len() >= RUNS_MAX && !runs.contains_key(&name) {
                return false;
            }
            runs.insert(name, run.clone());
        }
        self.tell(room, Event::new("run", &run));
        true
    }

    /// The open runs of a room, by author and name.
    pub(crate) fn runs(&self, room: &str, now_ms: i64) -> Vec<OpenRun> {
        let rooms = held(&self.rooms);
        let runs = rooms.get(room).into_iter().flat_map(HashMap::values);
        let mut runs: Vec<OpenRun> = runs
            .filter(|run| now_ms - run.at_ms < RUN_MS)
            .cloned()
            .collect();
        runs.sort_by(|a, b| (&a.author, &a.run).cmp(&(&b.author, &b.run)));
        runs
    }

    /// Forgets rooms without news.
    pub(crate) fn forget(&self, now_ms: i64) {
        held(&self.rooms).retain(|_, runs| {
            runs.retain(|_, run| now_ms - run.at_ms < RUN_MS);
            !runs.is_empty()
        });
        held(&self.boards).retain(|_, channel| channel.receiver_count() > 0);
    }
}

/// The lock's content. Nothing panics while it is held, so a poisoned one is whole.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
