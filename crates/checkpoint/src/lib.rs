//! Checkpoints: what a GGUF file says, read with suspicion. Untrusted input ends here.
//!
//! [`Checkpoint::open`] reads and checks the header, the configuration and the tokenizer; weights are read later, by ranges, and
//! never as a whole. No file makes it panic, and what it allocates stays within a small multiple of the header's own bytes.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)
)]

mod checkpoint;
mod config;
mod ggml;
mod gguf;
mod reader;
mod source;
mod tokenizer;
mod value;
pub mod writer;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{Config, ConfigError};
pub use ggml::{TensorType, dequantize};
pub use gguf::{Gguf, GgufError, TensorInfo};
#[cfg(not(target_family = "wasm"))]
pub use source::FileSource;
pub use source::{ByteSource, MemorySource};
pub use tokenizer::{
    MODELS, PRE_TOKENIZERS, TEXT_CHARS_MAX, Tokenizer, TokenizerError, Vocabulary,
};
pub use value::{Array, Scalar, Value};
