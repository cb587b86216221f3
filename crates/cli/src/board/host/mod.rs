//! What is done with a board by whoever runs it, beside serving it.

mod database;
mod known;
mod moderator;
mod transfer;
mod verify;

pub(crate) use database::{DatabaseArguments, runtime};
pub(crate) use known::TaskArguments;
pub(crate) use verify::verify_all;

use clap::Subcommand;

use crate::failure::Failure;

#[derive(Subcommand)]
pub(super) enum Host {
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

impl Host {
    /// Runs the verb.
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Export(verb) => verb.run(),
            Self::Import(verb) => verb.run(),
            Self::Migrate(verb) => verb.run(),
            Self::Verify(verb) => verb.run(),
            Self::Moderator(verb) => verb.run(),
            Self::Audit(verb) => verb.run(),
        }
    }
}
