//! Checkpoints: what a GGUF file says, read with suspicion. Untrusted input ends here.
//!
//! [`Checkpoint::open`] reads and checks the header, the configuration and the tokenizer; weights are read later, by ranges, and
//! never as a whole. No file makes it panic, and what it allocates stays within a small multiple of the header's own bytes.
//! Counts and offsets of a file stay `u64`: `usize` has 32 bits in a browser.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod chat;
mod checkpoint;
mod config;
mod ggml;
mod gguf;
pub mod identity;
mod reader;
mod source;
mod text;
mod tokenizer;
mod value;
pub mod writer;

pub use chat::{ChatError, ChatMessage, ChatTemplate};
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
