//! Drawn documents computed again, by whoever has the checkpoint.
//!
//! What cannot be asked as the run asked it is refused: an honest run must never count as forged because a check asked otherwise.

use jeoul_eval::model::LanguageModel;
use jeoul_eval::{RunError, RunOptions, run_documents};
use thiserror::Error;

use super::Drawn;
use crate::check::KnownTasks;
use crate::envelope::{DocumentOutcome, Envelope, PrivacyLevel, Settings};
use crate::from_run::outcome;

/// What a chat template calls that puts the day's date into prompts.
const TODAY: &str = "strftime_now";

/// Why documents of a run cannot be computed again here.
#[derive(Debug, Error)]
pub enum RerunError<E: jeoul_eval::model::ModelFailure> {
    /// Lanes keep their bits within a version.
    #[error("the run was computed by version {found} of Jeoul; this is {here}")]
    Version {
        /// The run's.
        found: String,
        /// This one's.
        here: String,
    },
    /// Another text stood before everything else than can be known: only its hash is sent.
    #[error("the run had a system instruction, which is not sent")]
    Instruction,
    /// Generations were asked for otherwise than the task says.
    #[error("the run's generations had settings beside those of the task")]
    GenKwargs,
    /// Prompts hold the date of their day.
    #[error("the checkpoint's chat template puts the day's date into prompts")]
    Today,
    /// The run was a conversation, and the checkpoint has no form for one.
    #[error("the run was a conversation, and the checkpoint has no chat template")]
    NoTemplate,
    /// Prompts would be cut elsewhere.
    #[error("the run read {found} tokens at most; the checkpoint reads {here}")]
    MaxLength {
        /// The run's.
        found: u32,
        /// The checkpoint's.
        here: usize,
    },
    /// The task, or its documents, are others here.
    #[error("the run's task `{task}` with the hash {hash} is not known here")]
    Task {
        /// Name.
        task: String,
        /// Hash that it should have.
        hash: String,
    },
    /// The draw does not fit the run.
    #[error(
        "document {doc_id} of task {task} was drawn, which the run does not have in this place"
    )]
    Drawn {
        /// Place of the task.
        task: u32,
        /// Document.
        doc_id: u32,
    },
    /// Computing failed, or was stopped.
    #[error(transparent)]
    Run(#[from] RunError<E>),
}

/// The outcomes of the `drawn` documents, in their order, at the privacy level of the run. `version` is that of the engine.
///
/// `model` must be loaded from the file that the envelope names; `tasks` know those of the run that were drawn from.
pub async fn rerun<M: LanguageModel>(
    model: &mut M,
    envelope: &Envelope,
    tasks: &dyn KnownTasks,
    drawn: &[Drawn],
    version: &str,
) -> Result<Vec<DocumentOutcome>, RerunError<M::Error>> {
    if envelope.engine.version != version {
        return Err(RerunError::Version {
            found: envelope.engine.version.clone(),
            here: version.into(),
        });
    }
    let options = options(model, &envelope.settings)?;
    let mut outcomes = Vec::with_capacity(drawn.len());
    for documents in drawn.chunk_by(|one, next| one.task == next.task) {
        let Drawn { task, doc_id } = documents[0];
        let record = envelope.tasks.get(task as usize);
        let record = record.ok_or(RerunError::Drawn { task, doc_id })?;
        let known = tasks.task(&record.name, &record.hash);
        let known = known.ok_or_else(|| RerunError::Task {
            task: record.name.clone(),
            hash: record.hash.clone(),
        })?;
        let options = RunOptions {
            num_fewshot: Some(record.num_fewshot),
            ..options.clone()
        };
        let ids: Vec<u32> = documents.iter().map(|one| one.doc_id).collect();
        let run = run_documents(model, known, &options, &ids).await?;
        let mut found = run.documents.iter();
        for &Drawn { task, doc_id } in documents {
            let document = found.next().filter(|document| document.doc_id == doc_id);
            let document = document.ok_or(RerunError::Drawn { task, doc_id })?;
            let mut outcome = outcome(document, &run.score.metrics);
            if record.level < PrivacyLevel::Outputs {
                outcome.texts.clear();
            }
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// The settings of a run, as far as they say what was asked.
fn options<M: LanguageModel>(
    model: &M,
    settings: &Settings,
) -> Result<RunOptions, RerunError<M::Error>> {
    if settings.system_instruction_sha256.is_some() {
        return Err(RerunError::Instruction);
    }
    if settings.gen_kwargs.is_some() {
        return Err(RerunError::GenKwargs);
    }
    if settings.max_length as usize != model.max_length() {
        return Err(RerunError::MaxLength {
            found: settings.max_length,
            here: model.max_length(),
        });
    }
    if settings.apply_chat_template {
        let template = model.chat_template().ok_or(RerunError::NoTemplate)?;
        if template.contains(TODAY) {
            return Err(RerunError::Today);
        }
    }
    Ok(RunOptions {
        num_fewshot: None,
        limit: settings.limit,
        seed: settings.fewshot_seed,
        apply_chat_template: settings.apply_chat_template,
        fewshot_as_multiturn: settings.fewshot_as_multiturn,
        system_instruction: None,
        bootstrap_iters: 0,
    })
}
