//! From the typed errors of the other crates to the kinds of failure that the page knows.

use jeoul_checkpoint::{CheckpointError, GgufError};
use jeoul_dataset::DatasetError;
use jeoul_eval::model::ModelFailure;
use jeoul_eval::run::RunError;
use jeoul_eval::{SelectError, TaskError};
use jeoul_model::{Lane, ModelError};

use crate::protocol::{Fault, FaultKind};

/// Why a command ended early.
#[derive(Debug)]
pub enum Stop {
    /// The person asked to stop.
    Cancelled,
    /// It failed.
    Failed(Fault),
}

impl Fault {
    /// A failure with the sentence of its error.
    pub fn new(kind: FaultKind, detail: impl ToString) -> Self {
        Self {
            kind,
            detail: detail.to_string(),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<CheckpointError> for Stop {
    fn from(error: CheckpointError) -> Self {
        let kind = if is_memory(&error) {
            FaultKind::Memory
        } else {
            FaultKind::BadCheckpoint
        };
        Fault::new(kind, error).into()
    }
}

/// Whether the file is sound as far as it was read, but does not fit.
fn is_memory(error: &CheckpointError) -> bool {
    let io = match error {
        CheckpointError::Io { error, .. } => error,
        CheckpointError::Gguf {
            error: GgufError::Io { error, .. },
            ..
        } => error,
        _ => return false,
    };
    io.kind() == std::io::ErrorKind::OutOfMemory
}

impl From<TaskError> for Stop {
    fn from(error: TaskError) -> Self {
        Fault::new(FaultKind::Task, error).into()
    }
}

impl From<DatasetError> for Stop {
    fn from(error: DatasetError) -> Self {
        Fault::new(FaultKind::Task, error).into()
    }
}

impl From<SelectError> for Stop {
    fn from(error: SelectError) -> Self {
        Fault::new(FaultKind::Task, error).into()
    }
}

/// The failure of a model on `lane`.
pub fn model_stop(error: ModelError, lane: Lane) -> Stop {
    match error {
        ModelError::Cancelled => Stop::Cancelled,
        ModelError::Checkpoint(error) => error.into(),
        error => Fault::new(model_kind(&error, lane), error).into(),
    }
}

fn model_kind(error: &ModelError, lane: Lane) -> FaultKind {
    match error {
        ModelError::NoGpu { .. } | ModelError::GpuNotBuilt | ModelError::Device { .. } => {
            FaultKind::Gpu
        }
        ModelError::NotAProbability { .. } => wrong_numbers(lane),
        ModelError::TooLong { .. }
        | ModelError::Empty { .. }
        | ModelError::NoChatTemplate
        | ModelError::Chat(_)
        | ModelError::Sampling { .. } => FaultKind::Task,
        _ => FaultKind::BadCheckpoint,
    }
}

/// Numbers that are no log-probabilities: on a GPU its driver is to be blamed first, on the CPU the weights.
fn wrong_numbers(lane: Lane) -> FaultKind {
    match lane {
        Lane::Gpu => FaultKind::GpuWrong,
        Lane::Cpu | Lane::Reference => FaultKind::BadCheckpoint,
    }
}

/// The failure of a run on `lane`. The sentence keeps the task and the document.
pub fn run_stop(error: RunError<ModelError>, lane: Lane) -> Stop {
    let kind = match &error {
        RunError::Cancelled { .. } => return Stop::Cancelled,
        RunError::Model { source, .. } if source.is_cancelled() => return Stop::Cancelled,
        RunError::Model { source, .. } => model_kind(source, lane),
        RunError::Answer { .. } => wrong_numbers(lane),
        RunError::Task(_) | RunError::Request { .. } => FaultKind::Task,
    };
    Fault::new(kind, error).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[track_caller]
    fn kind(stop: Stop) -> FaultKind {
        match stop {
            Stop::Failed(fault) => fault.kind,
            Stop::Cancelled => panic!("cancelled"),
        }
    }

    fn unreadable(kind: ErrorKind) -> ModelError {
        let (file, tensor) = ("a.gguf".to_owned(), "output.weight".to_owned());
        let error = Error::from(kind);
        ModelError::Checkpoint(CheckpointError::Io {
            file,
            tensor,
            at: 0,
            bytes: 1,
            error,
        })
    }

    fn in_run(source: ModelError) -> RunError<ModelError> {
        RunError::Model {
            task: "t".into(),
            doc_id: 3,
            source,
        }
    }

    #[test]
    fn a_cancel_is_no_failure() {
        let stopped = model_stop(ModelError::Cancelled, Lane::Cpu);
        assert!(matches!(stopped, Stop::Cancelled));
        let stopped = run_stop(in_run(ModelError::Cancelled), Lane::Cpu);
        assert!(matches!(stopped, Stop::Cancelled));
    }

    #[test]
    fn a_file_that_does_not_fit_is_not_called_bad() {
        let stop = model_stop(unreadable(ErrorKind::OutOfMemory), Lane::Cpu);
        assert_eq!(kind(stop), FaultKind::Memory);
        let stop = model_stop(unreadable(ErrorKind::UnexpectedEof), Lane::Cpu);
        assert_eq!(kind(stop), FaultKind::BadCheckpoint);
    }

    #[test]
    fn impossible_numbers_are_the_gpus_fault_or_else_the_weights() {
        let impossible = || ModelError::NotAProbability {
            request: 0,
            found: f32::NAN,
        };
        assert_eq!(
            kind(model_stop(impossible(), Lane::Gpu)),
            FaultKind::GpuWrong
        );
        assert_eq!(
            kind(run_stop(in_run(impossible()), Lane::Cpu)),
            FaultKind::BadCheckpoint
        );
    }

    #[test]
    fn a_lost_gpu_in_a_run_keeps_its_document() {
        let reason = "device lost".to_owned();
        let Stop::Failed(fault) = run_stop(
            in_run(ModelError::Device {
                lane: Lane::Gpu,
                reason,
            }),
            Lane::Gpu,
        ) else {
            panic!("cancelled");
        };
        assert_eq!(fault.kind, FaultKind::Gpu);
        assert_eq!(
            fault.detail,
            "task `t`, document 3: the gpu lane failed: device lost"
        );
    }
}
