//! `jeoul board`: runs on a shared board, for those who post and for those who run it. One file per kind of work.

mod client;
#[cfg(feature = "board")]
pub(crate) mod host;
mod key;
mod post;
mod take_back;

use clap::Subcommand;

use crate::failure::Failure;

/// Arguments of `board`.
#[derive(clap::Args)]
pub(crate) struct Board {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Post a run that `jeoul eval --record` wrote, after a look at what is sent.
    Post(post::Post),
    /// Delete a run that your key posted; for ten minutes it can be restored.
    Delete(take_back::Run),
    /// Restore a run that was deleted within ten minutes.
    Restore(take_back::Run),
    /// Print your public key; the first post makes it.
    Key(key::Show),
    #[cfg(feature = "board")]
    #[command(flatten)]
    Host(host::Host),
}

impl Board {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.verb {
            Verb::Post(verb) => verb.run(),
            Verb::Delete(run) => run.delete(),
            Verb::Restore(run) => run.restore(),
            Verb::Key(verb) => verb.run(),
            #[cfg(feature = "board")]
            Verb::Host(verb) => verb.run(),
        }
    }
}
