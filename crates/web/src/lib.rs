//! The worker side of the page. Thin: translates, never decides.
//!
//! Page and worker speak [`protocol`]. In the browser the module exports `serve`, which answers commands one at a time: `session`
//! does them, `desk` reports and lets them be stopped, `download` brings checkpoints into the `store` (`part` by part, on `disk`
//! or in memory), `source` reads them, `hub` brings documents. What needs no browser is built and tested natively too: the [`registry`], the [`answer`]s
//! of servers, the [`shelf`] of tasks, the [`fault`]s, the [`posting`] of runs
//! and the [`checking`] of others'.

pub mod answer;
pub mod checking;
pub mod fault;
pub mod posting;
pub mod protocol;
pub mod registry;
pub mod shelf;

#[cfg(target_family = "wasm")]
mod desk;
#[cfg(target_family = "wasm")]
mod disk;
#[cfg(target_family = "wasm")]
mod download;
#[cfg(target_family = "wasm")]
mod hub;
#[cfg(target_family = "wasm")]
mod part;
#[cfg(target_family = "wasm")]
mod session;
#[cfg(target_family = "wasm")]
mod source;
#[cfg(target_family = "wasm")]
mod store;
#[cfg(target_family = "wasm")]
pub mod worker;
