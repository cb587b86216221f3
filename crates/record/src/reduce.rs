//! Less of a run: what its owner keeps to themselves is taken out before anything is signed.

use crate::canonical;
use crate::check::finite;
use crate::envelope::{Envelope, PrivacyLevel, SignedEnvelope, TaskRecord};
use crate::refusal::{Refusal, RefusalCode};

/// The envelope with at most `level` of each task.
///
/// Generations keep at `outcomes` what each document counts, which [`crate::from_run`] computed; texts go. At `scores` the documents
/// go too.
pub fn reduce(mut envelope: Envelope, level: PrivacyLevel) -> Envelope {
    for task in &mut envelope.tasks {
        reduce_task(task, level);
    }
    envelope
}

/// One task with at most `level` of it.
pub fn reduce_task(task: &mut TaskRecord, level: PrivacyLevel) {
    task.level = task.level.min(level);
    match task.level {
        PrivacyLevel::Scores => task.documents.clear(),
        PrivacyLevel::Outcomes => {
            for document in &mut task.documents {
                document.texts.clear();
            }
        }
        PrivacyLevel::Outputs => {}
    }
}

/// The exact bytes that are sent, and that [`fn@crate::check`] takes; `Err` as [`crate::signature::payload`].
///
/// Signing sends nothing, so that a page can sign first and then show what it would send.
pub fn preview(signed: &SignedEnvelope) -> Result<Vec<u8>, Refusal> {
    finite(&signed.envelope)?;
    canonical::bytes_in_order(signed)
        .map_err(|reason| Refusal::new(RefusalCode::NotCanonical, "", reason))
}
