//! Spot checks: some documents of a submission are computed again, and the answers compared.
//!
//! Which documents is drawn from randomness of the server after the submission is stored, so that nobody can forge around them.
//! [`sample`] says which and how many, [`rerun`] computes them, [`judge`] compares the answers and [`label`] says what comparisons by several
//! people earn. Training on the documents cannot be found this way.

mod compare;
mod draw;
mod rerun;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use compare::{Closeness, judge};
pub use draw::{allowed, detection, documents_needed, draw, population, sample, sample_size};
pub use rerun::{RerunError, rerun};

use crate::envelope::{LaneKind, TrustLabel};

/// Share of forged documents that a spot check is to find: to gain five points, five in a hundred documents must be forged.
pub const FORGED_SHARE: f64 = 0.05;
/// How probably it finds them: 95 in a hundred are promised, and three more keep the promise from hanging on luck.
pub const DETECTION: f64 = 0.98;
/// How probably an honest run is taken for a forged one where lanes differ.
pub const HONEST_REFUSED: f64 = 0.01;
/// Others that must agree before a run counts as reproduced.
pub const OTHERS_NEEDED: usize = 2;

/// A document of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Drawn {
    /// Index into [`crate::Envelope::tasks`].
    pub task: u32,
    /// [`crate::envelope::DocumentOutcome::doc_id`].
    pub doc_id: u32,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum Verdict {
    /// The answers are the model's, as far as the drawn documents tell.
    Agrees,
    /// Some are not.
    Disagrees,
    /// Too few of them could be compared.
    Undecided,
}

/// A comparison of the drawn documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts", rename = "SpotComparison")
)]
pub struct Comparison {
    /// What it says.
    pub verdict: Verdict,
    /// Documents that were compared.
    pub compared: u32,
    /// Documents whose choices lie so close that another lane may pick another.
    pub too_close: u32,
    /// Documents that differ.
    pub differing: Vec<Drawn>,
    /// Differing documents that honest runs have, too: none on the CPU lane.
    pub allowed: u32,
}

/// Who compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "author")]
pub enum Checker {
    /// The board itself, on the CPU lane.
    Board,
    /// The owner of a key; see [`crate::signature::author_id`].
    Author(String),
}

/// One spot check of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who compared.
    pub checker: Checker,
    /// What it says.
    pub verdict: Verdict,
}

/// What the spot checks of a submission earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earned {
    /// The label.
    pub label: TrustLabel,
    /// Whether somebody who is not the author found differing documents.
    pub disputed: bool,
}

/// What the spot checks of a submission earn, whose check earned `own`; `author` signed it, and it was computed on `lane`.
///
/// Who signed a submission has no say in it, however often they compare. Of two others who agree and outnumber those who do not, the
/// board may be one. Bit-equal documents can only the board vouch for, and only on the CPU lane; its word settles what others dispute.
pub fn label(own: TrustLabel, author: &str, lane: LaneKind, reports: &[Report]) -> Earned {
    let by = |verdict: Verdict| -> BTreeSet<&Checker> {
        let reports = reports.iter().filter(|report| report.verdict == verdict);
        let checkers = reports.map(|report| &report.checker);
        checkers
            .filter(|checker| **checker != Checker::Author(author.into()))
            .collect()
    };
    let disagreeing = by(Verdict::Disagrees);
    // Who found something once does not agree, whatever they found in other draws.
    let agreeing: BTreeSet<_> = by(Verdict::Agrees)
        .difference(&disagreeing)
        .copied()
        .collect();
    let label = if own < TrustLabel::Consistent || disagreeing.contains(&Checker::Board) {
        own.min(TrustLabel::Consistent)
    } else if lane == LaneKind::Cpu && agreeing.contains(&Checker::Board) {
        TrustLabel::Verified
    } else if agreeing.len() >= OTHERS_NEEDED && agreeing.len() > disagreeing.len() {
        TrustLabel::Reproduced
    } else {
        TrustLabel::Consistent
    };
    Earned {
        label,
        disputed: !disagreeing.is_empty() && label != TrustLabel::Verified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checker: &str, verdict: Verdict) -> Report {
        let checker = match checker {
            "board" => Checker::Board,
            author => Checker::Author(author.into()),
        };
        Report { checker, verdict }
    }

    #[track_caller]
    fn earns(lane: LaneKind, reports: &[(&str, Verdict)], label_: TrustLabel, disputed: bool) {
        let reports: Vec<_> = reports
            .iter()
            .map(|(by, verdict)| report(by, *verdict))
            .collect();
        let earned = label(TrustLabel::Consistent, "me", lane, &reports);
        assert_eq!(
            earned,
            Earned {
                label: label_,
                disputed
            }
        );
    }

    #[test]
    fn two_others_make_it_reproduced_and_the_author_none() {
        use TrustLabel::{Consistent, Reproduced};
        use Verdict::{Agrees, Disagrees, Undecided};
        let cpu = LaneKind::Cpu;
        earns(cpu, &[], Consistent, false);
        earns(cpu, &[("a", Agrees)], Consistent, false);
        earns(cpu, &[("a", Agrees), ("a", Agrees)], Consistent, false);
        earns(cpu, &[("me", Agrees), ("a", Agrees)], Consistent, false);
        earns(cpu, &[("me", Agrees), ("me", Agrees)], Consistent, false);
        earns(cpu, &[("a", Agrees), ("b", Undecided)], Consistent, false);
        earns(cpu, &[("a", Agrees), ("b", Agrees)], Reproduced, false);
        earns(
            cpu,
            &[("me", Disagrees), ("a", Agrees), ("b", Agrees)],
            Reproduced,
            false,
        );
        earns(
            cpu,
            &[("a", Agrees), ("b", Agrees), ("c", Disagrees)],
            Reproduced,
            true,
        );
        earns(
            cpu,
            &[("a", Agrees), ("b", Agrees), ("b", Disagrees)],
            Consistent,
            true,
        );
        let even = [
            ("a", Agrees),
            ("b", Agrees),
            ("c", Disagrees),
            ("d", Disagrees),
        ];
        earns(cpu, &even, Consistent, true);
    }

    #[test]
    fn only_the_board_verifies_and_only_on_the_cpu_lane() {
        use TrustLabel::{Consistent, Reproduced, Verified};
        use Verdict::{Agrees, Disagrees};
        earns(LaneKind::Cpu, &[("board", Agrees)], Verified, false);
        earns(
            LaneKind::Cpu,
            &[("board", Agrees), ("a", Disagrees)],
            Verified,
            false,
        );
        earns(LaneKind::Gpu, &[("board", Agrees)], Consistent, false);
        earns(
            LaneKind::Gpu,
            &[("board", Agrees), ("a", Agrees)],
            Reproduced,
            false,
        );
        let against = [("board", Disagrees), ("a", Agrees), ("b", Agrees)];
        earns(LaneKind::Cpu, &against, Consistent, true);
        earns(
            LaneKind::Cpu,
            &[("board", Agrees), ("board", Disagrees)],
            Consistent,
            true,
        );
    }

    #[test]
    fn what_cannot_be_recomputed_stays_self_reported() {
        let reports = [report("board", Verdict::Agrees)];
        let earned = label(TrustLabel::SelfReported, "me", LaneKind::Cpu, &reports);
        assert_eq!(earned.label, TrustLabel::SelfReported);
    }
}
