//! How long work reports and lets itself be stopped.

use std::{future::Future, ops::ControlFlow, pin::Pin};

/// A point between two pieces of work, each well under a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Weights were read.
    Loading {
        /// Bytes read so far.
        bytes: u64,
        /// Bytes to read.
        total: u64,
    },
    /// Tokens went through the network.
    Computed {
        /// Since the model was loaded.
        tokens: u64,
    },
}

type Answer = Pin<Box<dyn Future<Output = ControlFlow<()>>>>;

/// Called at every [`Step`]: shows progress, yields to whoever else needs the thread, and says whether to go on.
pub struct Pace(Box<dyn FnMut(Step) -> Answer>);

impl Pace {
    /// A pace that waits for `step` each time; `Break` ends the work with `ModelError::Cancelled`.
    pub fn new<F: Future<Output = ControlFlow<()>> + 'static>(
        mut step: impl FnMut(Step) -> F + 'static,
    ) -> Self {
        Self(Box::new(move |at| Box::pin(step(at))))
    }

    /// Never waits, never stops.
    pub fn free() -> Self {
        Self::new(|_| std::future::ready(ControlFlow::Continue(())))
    }

    /// Reports `step`.
    pub(crate) async fn step(&mut self, step: Step) -> Result<(), crate::ModelError> {
        match (self.0)(step).await {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(crate::ModelError::Cancelled),
        }
    }
}
