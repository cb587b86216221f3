//! Spot checks: drawing documents of a stored run, and judging what computing them again gave.
//!
//! The server draws, after the run is stored, so that nobody can forge around the draw. Other keys compute the documents in
//! their browsers and send the answers; the board itself has them computed by a [`Rerun`] that the command brings, since this
//! crate knows no models.

use futures_util::future::BoxFuture;
use jeoul_record::canonical::{from_hex, hex};
use jeoul_record::envelope::{DocumentOutcome, LaneKind};
use jeoul_record::spot::{self, Checker, Closeness, Comparison, Drawn, Report, Verdict};
use jeoul_record::{Envelope, SignedEnvelope};
use thiserror::Error;

use crate::board::Board;
use crate::events::Event;
use crate::http::row::{TableRow, label, place};
use crate::secret;
use crate::store::StoreError;
use crate::store::audit::Act;
use crate::store::checks::{BOARD, Check, Finish};
use crate::store::submissions::Submission;

/// Computes documents again on the CPU lane.
pub trait Rerun: Send + Sync {
    /// The outcomes of `drawn` of a run, in their order; `Err` holds the reason if the checkpoint cannot be had or run.
    fn rerun<'a>(
        &'a self,
        envelope: &'a Envelope,
        drawn: &'a [Drawn],
    ) -> BoxFuture<'a, Result<Vec<DocumentOutcome>, String>>;
}

/// A run cannot be verified.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// There is no such run, or it was deleted.
    #[error("there is no run `{id}` on this board")]
    NoRun {
        /// Its id.
        id: String,
    },
    /// Nothing of it can be computed again.
    #[error("run `{id}` has no documents of tasks that this board knows")]
    NoDocuments {
        /// Its id.
        id: String,
    },
    /// It was verified before; documents are not drawn until they fit.
    #[error("run `{id}` has been checked by the board: {verdict}")]
    Done {
        /// Its id.
        id: String,
        /// What the check said.
        verdict: String,
    },
    /// Computing the documents again failed; the draw stays, and can be tried again.
    #[error("the documents of run `{id}` could not be computed again: {reason}")]
    Rerun {
        /// Its id.
        id: String,
        /// What went wrong.
        reason: String,
    },
    /// What is stored of it cannot be read.
    #[error("what is stored of run `{id}` cannot be read: {reason}")]
    Damaged {
        /// Its id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Board {
    /// Has a sample of a run computed again by `rerun` and gives the run the label that it then earns.
    pub async fn verify(&self, id: &str, rerun: &dyn Rerun) -> Result<Comparison, VerifyError> {
        let none = || VerifyError::NoRun { id: id.to_owned() };
        let row = self.store().submission(id).await?.ok_or_else(none)?;
        let envelope = self.envelope(&row).await?;
        let check = self.draw(&row, &envelope, BOARD).await?;
        if let Some(verdict) = check.verdict {
            return Err(VerifyError::Done {
                id: id.to_owned(),
                verdict,
            });
        }
        let drawn = drawn(&check);
        let again = rerun
            .rerun(&envelope, &drawn)
            .await
            .map_err(|reason| VerifyError::Rerun {
                id: id.to_owned(),
                reason,
            })?;
        let (comparison, _) = self
            .judge(&row, &envelope, &check, LaneKind::Cpu, &again)
            .await?
            .ok_or_else(none)?;
        Ok(comparison)
    }

    /// Runs on public boards and in rooms that the board has not checked yet and could, newest first.
    pub async fn unverified(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        self.store().unchecked(BOARD, i64::from(limit)).await
    }

    /// What was posted.
    pub(crate) async fn envelope(&self, row: &Submission) -> Result<Envelope, VerifyError> {
        let damaged = |reason: String| VerifyError::Damaged {
            id: row.id.clone(),
            reason,
        };
        let bytes = self.store().blob(&row.log).await?;
        let bytes = bytes.ok_or_else(|| damaged("its log is not there".to_owned()))?;
        let read =
            tokio::task::spawn_blocking(move || serde_json::from_slice::<SignedEnvelope>(&bytes));
        match read.await {
            Ok(Ok(signed)) => Ok(signed.envelope),
            Ok(Err(error)) => Err(damaged(error.to_string())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Draws for `author`, or finds what was drawn for them before.
    pub(crate) async fn draw(
        &self,
        row: &Submission,
        envelope: &Envelope,
        author: &str,
    ) -> Result<Check, VerifyError> {
        let population = spot::population(envelope, &*self.inner.config.tasks);
        if population.is_empty() {
            return Err(VerifyError::NoDocuments { id: row.id.clone() });
        }
        let seed: [u8; 32] = secret::random();
        let exact = envelope.lane.kind == LaneKind::Cpu;
        let drawn = spot::sample(&seed, &row.id, &population, exact, &Closeness::default());
        let check = Check {
            id: secret::name(),
            submission: row.id.clone(),
            author: author.to_owned(),
            drawn: serde_json::to_string(&drawn).unwrap_or_default(),
            seed: hex(&seed),
            drawn_ms: self.now_ms(),
            done_ms: None,
            verdict: None,
            detail: None,
        };
        Ok(self.store().draw(check).await?)
    }

    /// Compares, and gives the run the label that it then earns; `None` if the check was ended before.
    pub(crate) async fn judge(
        &self,
        row: &Submission,
        envelope: &Envelope,
        check: &Check,
        lane: LaneKind,
        again: &[DocumentOutcome],
    ) -> Result<Option<(Comparison, &'static str)>, VerifyError> {
        let tasks = &*self.inner.config.tasks;
        let closeness = Closeness::default();
        let comparison = spot::judge(envelope, tasks, &drawn(check), lane, again, &closeness);
        let now_ms = self.now_ms();
        let actor = match check.author.as_str() {
            BOARD => BOARD.to_owned(),
            author => format!("key:{author}"),
        };
        let verdict = verdict_name(comparison.verdict);
        let finish = Finish {
            check: check.id.clone(),
            submission: row.id.clone(),
            now_ms,
            verdict: verdict.to_owned(),
            detail: serde_json::to_string(&comparison).unwrap_or_default(),
            earns: match envelope.lane.kind {
                LaneKind::Cpu => |author, own, reports| earns(author, own, LaneKind::Cpu, reports),
                LaneKind::Gpu => |author, own, reports| earns(author, own, LaneKind::Gpu, reports),
                LaneKind::Reference => {
                    |author, own, reports| earns(author, own, LaneKind::Reference, reports)
                }
            },
            act: Act {
                at_ms: now_ms,
                actor,
                action: "check",
                object: row.id.clone(),
                detail: verdict.to_owned(),
            },
        };
        let Some(trust) = self.store().finish_check(finish).await? else {
            return Ok(None);
        };
        if let Some(row) = self
            .store()
            .submission(&row.id)
            .await?
            .filter(|row| row.hidden == 0)
        {
            self.inner
                .events
                .tell(&row.board.clone(), Event::new("row", &TableRow::new(row)));
        }
        Ok(Some((comparison, label(trust).as_str())))
    }
}

/// The drawn documents of a check.
pub(crate) fn drawn(check: &Check) -> Vec<Drawn> {
    // They were written by `draw`.
    serde_json::from_str(&check.drawn).unwrap_or_default()
}

/// Whether a finished check's draw follows from its seed: what anyone can do who holds the run. `exact` for runs of the CPU lane.
pub fn follows(seed: &str, id: &str, population: &[Drawn], exact: bool, drawn: &[Drawn]) -> bool {
    from_hex::<32>(seed).is_some_and(|seed| {
        spot::sample(&seed, id, population, exact, &Closeness::default()) == drawn
    })
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Disagrees => "disagrees",
        Verdict::Undecided => "undecided",
    }
}

fn earns(author: &str, own: i64, lane: LaneKind, reports: &[(String, String)]) -> (i64, bool) {
    let reports: Vec<Report> = reports
        .iter()
        .map(|(checker, verdict)| Report {
            checker: match checker.as_str() {
                BOARD => Checker::Board,
                author => Checker::Author(author.to_owned()),
            },
            verdict: match verdict.as_str() {
                "agrees" => Verdict::Agrees,
                "disagrees" => Verdict::Disagrees,
                _ => Verdict::Undecided,
            },
        })
        .collect();
    let earned = spot::label(label(own), author, lane, &reports);
    (place(earned.label), earned.disputed)
}
