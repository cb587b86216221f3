//! `jeoul board moderator` and `audit`: who may hide runs, and whether the log of it is whole.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use jeoul_board::AuditState;

use super::database::{DatabaseArguments, runtime};
use crate::failure::Failure;
use crate::output::print;

/// Arguments of `board moderator`.
#[derive(Subcommand)]
pub(crate) enum Moderator {
    /// Add one, and print the token with which they log in.
    Add {
        /// What they are called.
        name: String,
        /// Public key with which they post runs themselves; about those others must decide.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// List those who have their rights.
    List {
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// Take the rights of one away.
    Remove {
        /// Id, as `list` prints it.
        id: String,
        #[command(flatten)]
        database: DatabaseArguments,
    },
}

impl Moderator {
    pub(super) fn run(&self) -> Result<(), Failure> {
        runtime()?.block_on(async {
            match self {
                Self::Add {
                    name,
                    key,
                    database,
                } => {
                    let board = database.open_or_make().await?;
                    let added = board.add_moderator(name, key.as_deref()).await;
                    board.close().await;
                    let (id, token) = added?;
                    print(&format!("id {id}\ntoken {token}"))?;
                    eprintln!("The token is shown this once; the board keeps its hash alone.");
                    Ok(())
                }
                Self::List { database } => {
                    let board = database.open(Arc::default()).await?;
                    let found = board.moderators().await;
                    board.close().await;
                    for one in found? {
                        let since = jiff::Timestamp::from_millisecond(one.created_ms)?;
                        print(&format!("{}  {since:.0}  {}", one.id, one.name))?;
                    }
                    Ok(())
                }
                Self::Remove { id, database } => {
                    let board = database.open(Arc::default()).await?;
                    let removed = board.revoke_moderator(id).await;
                    board.close().await;
                    match removed? {
                        true => Ok(()),
                        false => Err(Failure::usage(anyhow!("there is no moderator `{id}`"))
                            .hint("`jeoul board moderator list` lists them")),
                    }
                }
            }
        })
    }
}

/// Arguments of `board audit`.
#[derive(clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    database: DatabaseArguments,
}

impl Audit {
    pub(super) fn run(&self) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let board = self.database.open(Arc::default()).await?;
            let state = board.verify_audit().await;
            board.close().await;
            match state? {
                AuditState::Whole { entries, head } => {
                    print(&format!("{entries} entries, the last has the hash {head}"))
                }
                AuditState::Broken { number, reason } => Err(anyhow!(
                    "entry {number} of the log is not as it was written: {reason}"
                )
                .into()),
            }
        })
    }
}
