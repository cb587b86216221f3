//! What can go wrong between a checkpoint and its log-likelihoods and texts.

use jeoul_checkpoint::{ChatError, CheckpointError, TokenizerError};
use jeoul_eval::model::ModelFailure;

/// An error of a model at work.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is wrong, or could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A text cannot be encoded.
    #[error(transparent)]
    Text(#[from] TokenizerError),
    /// The checkpoint has no chat template.
    #[error("the checkpoint has no `tokenizer.chat_template`; messages need one")]
    NoChatTemplate,
    /// Its chat template makes no prompt of the messages.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A parameter of sampling is out of its bounds.
    #[error("`{field}` is {found}; it must be {allowed}")]
    Sampling {
        /// The parameter.
        field: &'static str,
        /// What it is.
        found: f32,
        /// What it may be.
        allowed: &'static str,
    },
    /// The checkpoint is sound, but of a shape that the lanes cannot compute.
    #[error("`{name}` has {what} of {found}; Jeoul computes multiples of {allowed}")]
    Shape {
        /// Tensor or metadata key.
        name: String,
        /// Which dimension.
        what: &'static str,
        /// What the checkpoint has.
        found: u64,
        /// What must divide it.
        allowed: u64,
    },
    /// A tensor holds infinity or NaN.
    #[error("`{name}` holds a weight or a scale that is infinite or not a number")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A request is longer than the model can read.
    #[error("request {request} has {found} tokens; the model reads at most {allowed}")]
    TooLong {
        /// Place of the request among those asked for, from 0.
        request: usize,
        /// Its tokens.
        found: usize,
        /// The model's longest sequence.
        allowed: usize,
    },
    /// A request has no context or no continuation.
    #[error("request {request} has no {what}: at least one token is needed")]
    Empty {
        /// Place of the request among those asked for, from 0.
        request: usize,
        /// `context` or `continuation`.
        what: &'static str,
    },
    /// A token id beyond the vocabulary.
    #[error("request {request} holds token {found}; the vocabulary has {allowed}")]
    UnknownToken {
        /// Place of the request among those asked for, from 0.
        request: usize,
        /// The token.
        found: u32,
        /// Size of the vocabulary.
        allowed: usize,
    },
    /// No GPU that Burn can use.
    #[error("no usable GPU: {reason}")]
    NoGpu {
        /// What the adapter request said.
        reason: String,
    },
    /// This build has no GPU lane.
    #[error("this build has no GPU lane")]
    GpuNotBuilt,
    /// The GPU was lost, refused memory or failed a kernel.
    #[error("the {lane} lane failed: {reason}")]
    Device {
        /// Lane at work.
        lane: crate::Lane,
        /// What the device said.
        reason: String,
    },
    /// A log-likelihood came out as NaN or positive: wrong weights or a wrong kernel.
    #[error(
        "request {request} came out as {found} nats; a log-probability is a number not above 0"
    )]
    NotAProbability {
        /// Place of the request among those asked for, from 0.
        request: usize,
        /// What was computed.
        found: f32,
    },
    /// The person asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl ModelFailure for ModelError {
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}
