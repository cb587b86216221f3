//! What the page is told of a spot check: the bytes for the board, or why documents cannot be computed again here.

use jeoul_model::{Lane, ModelError};
use jeoul_record::envelope::{DocumentOutcome, LaneKind};
use jeoul_record::spot::RerunError;
use serde::Serialize;

use crate::fault::{Stop, run_stop};
use crate::protocol::{CheckLack, Event};

/// As a board takes it: `POST /api/checks/{check}`.
#[derive(Serialize)]
struct Answers<'a> {
    lane: LaneKind,
    documents: &'a [DocumentOutcome],
}

/// The bytes to send: answers of `documents`, in the order of the draw.
pub fn answers(lane: LaneKind, documents: &[DocumentOutcome]) -> String {
    // Texts and finite numbers have a JSON form.
    serde_json::to_string(&Answers { lane, documents }).unwrap_or_default()
}

/// Why not, as an event where the page has a sentence for it.
pub fn lack(error: RerunError<ModelError>, lane: Lane) -> Result<Event, Stop> {
    let detail = error.to_string();
    let lack = match error {
        RerunError::Run(error) => return Err(run_stop(error, lane)),
        RerunError::Version { .. } => CheckLack::Version,
        RerunError::Task { .. } | RerunError::Drawn { .. } => CheckLack::Task,
        RerunError::MaxLength { .. } | RerunError::NoTemplate => CheckLack::Checkpoint,
        RerunError::Instruction | RerunError::GenKwargs | RerunError::Today => CheckLack::Settings,
    };
    Ok(Event::Uncheckable { lack, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_a_board_takes_them() {
        let document = DocumentOutcome {
            doc_id: 3,
            loglikelihoods: vec![-1.5, -0.1],
            is_greedy: vec![false, true],
            tokens: 9,
            ..DocumentOutcome::default()
        };
        assert_eq!(
            answers(LaneKind::Cpu, &[document]),
            r#"{"lane":"cpu","documents":[{"doc_id":3,"is_greedy":[false,true],"loglikelihoods":[-1.5,-0.1],"tokens":9}]}"#
        );
    }

    #[test]
    fn what_is_missing_has_a_kind_and_a_sentence() {
        let error = RerunError::MaxLength {
            found: 2048,
            here: 512,
        };
        let Ok(Event::Uncheckable { lack, detail }) = lack(error, Lane::Cpu) else {
            panic!("the page has a sentence for it");
        };
        assert_eq!(lack, CheckLack::Checkpoint);
        assert_eq!(
            detail,
            "the run read 2048 tokens at most; the checkpoint reads 512"
        );
    }
}
