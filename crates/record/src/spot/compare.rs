//! Whether answers that were computed again are those of the submission.
//!
//! On the CPU lane they are the same to the bit or they are forged. Between other lanes sums differ a little, and where two choices
//! lie close an honest run can pick the other one: such documents are left out, and of the rest a few may differ.

use std::collections::BTreeMap;

use jeoul_eval::{OutputType, Task};

use super::draw::{allowed, population, power};
use super::{Comparison, DETECTION, Drawn, HONEST_REFUSED, Verdict};
use crate::check::KnownTasks;
use crate::envelope::{DocumentOutcome, Envelope, LaneKind, TaskRecord};

/// How far lanes may lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closeness {
    /// Nats between the two most probable choices below which a document is left out.
    pub choice_nats: f64,
    /// Nats a token by which a log-likelihood may differ.
    pub token_nats: f64,
    /// Share of documents with choices that differ all the same in an honest run.
    pub choices_differ: f64,
    /// Share of generations whose value differs in an honest run: after one other token they go other ways.
    pub generations_differ: f64,
}

impl Default for Closeness {
    /// The engine keeps lanes within 5e-4 nats a token on average; ten times that, and a choice of ten tokens. The shares are guesses
    /// until they are measured on more adapters; with this one, runs of generations alone are never decided between lanes.
    fn default() -> Self {
        Self {
            choice_nats: 0.05,
            token_nats: 5e-3,
            choices_differ: 0.005,
            generations_differ: 0.05,
        }
    }
}

/// Compares the `drawn` documents with what the same requests gave on `lane`, in the same order.
///
/// Documents that `again` does not hold, or that cannot be scored, are not compared. If too few are left to find
/// [`super::FORGED_SHARE`] forged ones with [`DETECTION`], nothing is decided: on the CPU lane of each task that could be drawn from,
/// between lanes of all together, where no task may stand out either.
pub fn judge(
    envelope: &Envelope,
    tasks: &dyn KnownTasks,
    drawn: &[Drawn],
    lane: LaneKind,
    again: &[DocumentOutcome],
    closeness: &Closeness,
) -> Comparison {
    let exact = (envelope.lane.kind, lane) == (LaneKind::Cpu, LaneKind::Cpu);
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for one in population(envelope, tasks) {
        parts.entry(one.task).or_default().population += 1;
    }
    let (mut too_close, mut differing) = (0, Vec::new());
    for (drawn, again) in drawn.iter().zip(again) {
        let Some((record, task, claimed)) = find(envelope, tasks, *drawn) else {
            continue;
        };
        if again.doc_id != drawn.doc_id {
            continue;
        }
        let same = match exact {
            true => Some(same_bits(claimed, again)),
            false => near(task, record, claimed, again, closeness),
        };
        let Some(same) = same else {
            too_close += 1;
            continue;
        };
        let part = parts.entry(drawn.task).or_default();
        part.compared += 1;
        part.rates += match (exact, task.config().output_type()) {
            (true, _) => 0.0,
            (false, OutputType::GenerateUntil) => closeness.generations_differ,
            (false, _) => closeness.choices_differ,
        };
        if !same {
            part.differing += 1;
            differing.push(*drawn);
        }
    }
    let whole = parts.values().fold(Part::default(), |whole, part| Part {
        population: whole.population + part.population,
        compared: whole.compared + part.compared,
        differing: whole.differing + part.differing,
        rates: whole.rates + part.rates,
    });
    let allowed = whole.allowed(HONEST_REFUSED);
    // Of many tasks one stands out by chance sooner than one alone.
    let stands_out =
        |part: &Part| part.differing > part.allowed(HONEST_REFUSED / parts.len() as f64);
    let enough = match exact {
        true => parts.values().all(|part| part.is_enough(0)),
        false => whole.is_enough(allowed),
    };
    let verdict = if whole.differing > allowed || parts.values().any(stands_out) {
        Verdict::Disagrees
    } else if enough && whole.compared > 0 {
        Verdict::Agrees
    } else {
        Verdict::Undecided
    };
    Comparison {
        verdict,
        compared: whole.compared,
        too_close,
        differing,
        allowed,
    }
}

/// Documents of a task, or of all.
#[derive(Clone, Copy, Default)]
struct Part {
    population: u32,
    compared: u32,
    differing: u32,
    /// Sum of the probabilities with which honest ones differ.
    rates: f64,
}

impl Part {
    /// Differing documents that honest runs have.
    fn allowed(&self, refused: f64) -> u32 {
        // A sum of different chances varies less than as many equal ones.
        allowed(
            self.compared,
            self.rates / f64::from(self.compared.max(1)),
            refused,
        )
    }

    fn is_enough(&self, allowed: u32) -> bool {
        power(self.population, self.compared, allowed) >= DETECTION
    }
}

fn find<'a>(
    envelope: &'a Envelope,
    tasks: &'a dyn KnownTasks,
    drawn: Drawn,
) -> Option<(&'a TaskRecord, &'a Task, &'a DocumentOutcome)> {
    let record = envelope.tasks.get(drawn.task as usize)?;
    let task = tasks.task(&record.name, &record.hash)?;
    // A checked envelope has its documents in order.
    let claimed = record.documents.get(drawn.doc_id as usize)?;
    (claimed.doc_id == drawn.doc_id).then_some((record, task, claimed))
}

/// Whether two outcomes are the same to the bit. Texts are compared where they were sent.
fn same_bits(claimed: &DocumentOutcome, again: &DocumentOutcome) -> bool {
    let bits = |sums: &[f64]| {
        sums.iter()
            .map(|sum| (sum + 0.0).to_bits())
            .collect::<Vec<_>>()
    };
    let values = |values: &[Option<f64>]| {
        let bits = values
            .iter()
            .map(|value| value.map(|value| (value + 0.0).to_bits()));
        bits.collect::<Vec<_>>()
    };
    bits(&claimed.loglikelihoods) == bits(&again.loglikelihoods)
        && claimed.is_greedy == again.is_greedy
        && claimed.tokens == again.tokens
        && values(&claimed.values) == values(&again.values)
        && (claimed.texts.is_empty() || claimed.texts == again.texts)
}

/// Whether two outcomes say the same in spite of their lanes; `None` where another lane may say something else.
fn near(
    task: &Task,
    record: &TaskRecord,
    claimed: &DocumentOutcome,
    again: &DocumentOutcome,
    closeness: &Closeness,
) -> Option<bool> {
    // How a text is split into tokens is no matter of the lane.
    if claimed.tokens != again.tokens {
        return Some(false);
    }
    let output = task.config().output_type();
    if output == OutputType::GenerateUntil {
        let values = |outcome: &DocumentOutcome| outcome.values.clone();
        return match record.metrics.is_empty() {
            true => None,
            // What is not compared by value (BLEU) is compared as it was written, if it was sent.
            false if claimed.values.iter().all(Option::is_none) => match claimed.texts.is_empty() {
                true => None,
                false => Some(claimed.texts == again.texts),
            },
            false => Some(values(claimed) == values(again)),
        };
    }
    let document = task.documents().get(claimed.doc_id as usize)?;
    if claimed.loglikelihoods.len() != again.loglikelihoods.len()
        || claimed.is_greedy.len() != again.is_greedy.len()
    {
        return Some(false);
    }
    let most = closeness.token_nats * f64::from(again.tokens.max(1));
    let mut sums = claimed.loglikelihoods.iter().zip(&again.loglikelihoods);
    // Written so that NaN is far.
    if !sums.all(|(claimed, again)| (claimed - again).abs() <= most) {
        return Some(false);
    }
    if output != OutputType::MultipleChoice {
        return Some(true);
    }
    let choices = again.loglikelihoods.get(..document.choices.len())?;
    let lengths = document
        .choices
        .iter()
        .map(|choice| choice.chars().count() as f64);
    let lengths: Vec<f64> = lengths.collect();
    let per_character: Vec<f64> = choices
        .iter()
        .zip(&lengths)
        .map(|(sum, n)| sum / n)
        .collect();
    let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
    let margin = margin(choices).min(margin(&per_character) * shortest);
    if margin <= closeness.choice_nats {
        return None;
    }
    Some((claimed.pick, claimed.pick_norm) == (again.pick, again.pick_norm))
}

/// How far the best of some numbers lies above the second; infinite where there is none.
fn margin(numbers: &[f64]) -> f64 {
    let mut best = [f64::NEG_INFINITY; 2];
    for &number in numbers {
        if number > best[0] {
            best = [number, best[0]];
        } else if number > best[1] {
            best[1] = number;
        }
    }
    best[0] - best[1]
}
