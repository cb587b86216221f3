//! The shared board: a server that takes posted runs, checks them, shows them, and lets others check them.
//!
//! The way of a post, module by module:
//!
//! 1. `accept` takes the connection, with timeouts and a bound on how many there are.
//! 2. `http` finds out who asks (`caller`, `signed_request`), counts them (`rates`), and hands the request to its route.
//! 3. `jeoul_record::check` judges the run; `http::row` makes a row of it.
//! 4. `store` writes it, together with what else came in meanwhile, and answers once it is on disk.
//! 5. `events` tells everyone who watches.
//!
//! `access` says who may see and do what; `problem` is what every fault becomes.
//!
//! **Known limits.** Rates, open runs and events live in the memory of one server: with several on one PostgreSQL each has its
//! own, and a viewer hears what its own server stored. See `docs/scale.md`.

mod accept;
mod access;
mod average;
mod board;
pub mod config;
mod events;
mod http;
mod logs;
mod metrics;
mod problem;
mod rates;
mod secret;
mod signed_request;
mod store;
mod transfer;
mod verify;

pub use board::{Board, ModeratorError, OpenError};
pub use config::{Config, Folder, Limits, Rate};
pub use http::headers::SECURITY_HEADERS;
pub use logs::{Logs, LogsError};
pub use problem::Problem;
pub use store::audit::{AuditState, Entry};
pub use store::moderators::ModeratorEntry;
pub use store::{Engine, StoreError};
pub use transfer::{TransferError, Transferred};
pub use verify::{Rerun, VerifyError, follows};
