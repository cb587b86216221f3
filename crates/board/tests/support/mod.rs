//! What the board's tests and its load tool share: databases, a server, people with keys, and runs to post.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod client;
mod database;
mod events;
mod postgres;
mod runs;
#[cfg(feature = "s3")]
pub(crate) mod s3;
mod server;
pub(crate) mod unsteady;

pub(crate) use client::{Answer, Client, Person};
pub(crate) use database::{Database, on_each_engine};
pub(crate) use events::Viewer;
pub(crate) use runs::{DOCUMENTS, Run, known_tasks};
pub(crate) use server::{Server, config};
