//! `jeoul board verify`, and the same in the background of `jeoul serve`: posted runs, computed again in part.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use jeoul_board::{Board, StoreError};
use jeoul_record::spot::{Comparison, Verdict};

use super::database::{DatabaseArguments, runtime};
use super::known::TaskArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::rerun::Checkpoints;

/// Between two looks for runs that were posted meanwhile.
const PAUSE: Duration = Duration::from_secs(2);
/// Before a run that could not be computed again is tried once more: somebody may have brought its checkpoint.
const RETRY: Duration = Duration::from_secs(10 * 60);
/// Runs that are looked at in one go.
const AT_ONCE: u32 = 100;

/// Arguments of `board verify`.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// Runs; all that the board has not checked yet if left out.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Folder with the checkpoints of the runs, which are told apart by their SHA-256.
    #[arg(long, value_name = "FOLDER")]
    models: PathBuf,
    #[command(flatten)]
    database: DatabaseArguments,
    #[command(flatten)]
    tasks: TaskArguments,
}

impl Verify {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let tasks = self.tasks.read()?;
        let checkpoints = Checkpoints::new(self.models.clone(), Arc::clone(&tasks), Arc::default())
            .map_err(Failure::usage)?;
        runtime()?.block_on(async {
            let board = self.database.open(tasks).await?;
            let result = self.each(&board, &checkpoints).await;
            board.close().await;
            result
        })
    }

    async fn each(&self, board: &Board, checkpoints: &Checkpoints) -> Result<(), Failure> {
        let ids = match self.ids.is_empty() {
            true => board.unverified(u32::MAX).await?,
            false => self.ids.clone(),
        };
        let mut failed = 0;
        for id in &ids {
            match board.verify(id, checkpoints).await {
                Ok(comparison) => print(&format!("{id} {}", said(&comparison)))?,
                Err(error) => {
                    failed += 1;
                    eprintln!("{error}");
                }
            }
        }
        match failed {
            0 => Ok(()),
            failed => Err(anyhow!("{failed} of {} runs could not be checked", ids.len()).into()),
        }
    }
}

/// Checks what is posted, one run after the other, until the checkpoints are told to stop.
pub(crate) async fn verify_all(board: Board, checkpoints: Checkpoints) {
    let mut failed = BTreeMap::new();
    loop {
        match next(&board, &failed).await {
            Ok(Some(id)) => match board.verify(&id, &checkpoints).await {
                Ok(comparison) => {
                    failed.remove(&id);
                    tracing::info!("run {id} {}", said(&comparison));
                }
                Err(_) if checkpoints.is_stopped() => return,
                Err(error) => {
                    tracing::warn!("{error}");
                    failed.insert(id, Instant::now());
                }
            },
            Ok(None) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!("runs to check could not be found: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A run that has not been tried; if there is none, the one whose last try is longest ago.
async fn next(
    board: &Board,
    failed: &BTreeMap<String, Instant>,
) -> Result<Option<String>, StoreError> {
    let tried = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let waiting = board.unverified(tried.saturating_add(AT_ONCE)).await?;
    let at = |id: &String| failed.get(id).copied();
    // `None` is less than any time.
    let first = waiting.into_iter().min_by_key(at);
    Ok(first.filter(|id| at(id).is_none_or(|time| time.elapsed() >= RETRY)))
}

/// What a check found, for people.
fn said(comparison: &Comparison) -> String {
    let Comparison {
        verdict,
        compared,
        differing,
        ..
    } = comparison;
    match verdict {
        Verdict::Agrees => format!("agrees: {compared} documents were computed again"),
        Verdict::Disagrees => {
            let differing = differing.len();
            format!(
                "disagrees: {differing} of {compared} documents are not what its checkpoint answers"
            )
        }
        Verdict::Undecided => format!("is undecided: {compared} documents are too few to tell"),
    }
}
