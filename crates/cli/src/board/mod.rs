//! `jeoul board`: what is done with a board, beside serving it. One file per kind of work.

mod database;
mod moderator;
mod transfer;
mod verify;

pub(crate) use database::{DatabaseArguments, runtime, tasks};
pub(crate) use verify::verify_all;

use clap::Subcommand;

use crate::failure::Failure;

/// Arguments of `board`.
#[derive(clap::Args)]
pub(crate) struct Board {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Write a whole board to a file.
    Export(transfer::Export),
    /// Fill an empty board with what `export` wrote.
    Import(transfer::Import),
    /// Copy a board into an empty database, and compare both.
    Migrate(transfer::Migrate),
    /// Compute documents of posted runs again, for the label `verified`.
    Verify(verify::Verify),
    /// Say who may hide runs.
    #[command(subcommand)]
    Moderator(moderator::Moderator),
    /// Tell whether the public log of a board is as it was written.
    Audit(moderator::Audit),
}

impl Board {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.work {
            Work::Export(work) => work.run(),
            Work::Import(work) => work.run(),
            Work::Migrate(work) => work.run(),
            Work::Verify(work) => work.run(),
            Work::Moderator(work) => work.run(),
            Work::Audit(work) => work.run(),
        }
    }
}
