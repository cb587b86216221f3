//! Everything that can be wrong with a vocabulary, a text or token ids.

use super::{MODELS, PRE_TOKENIZERS};

/// Why a vocabulary is refused, or a text or token ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Not byte-level BPE.
    #[error("`tokenizer.ggml.model` is `{found}`; supported: {}", MODELS.join(", "))]
    Model {
        /// The value, shortened.
        found: String,
    },
    /// A way to split text that is not known here; guessing would give other tokens than the model was trained on.
    #[error("`tokenizer.ggml.pre` is `{found}`; supported: {}", PRE_TOKENIZERS.join(", "))]
    Pre {
        /// The value, shortened.
        found: String,
    },
    /// No tokens at all.
    #[error("`tokenizer.ggml.tokens` is empty; at least one token is needed")]
    Empty,
    /// Types that do not belong to the tokens.
    #[error(
        "`tokenizer.ggml.token_type` has {found} entries; `tokenizer.ggml.tokens` has {tokens}"
    )]
    TypeCount {
        /// Number of types.
        found: usize,
        /// Number of tokens.
        tokens: usize,
    },
    /// A type that GGUF does not have.
    #[error("entry {index} of `tokenizer.ggml.token_type` is {found}; allowed: 0 to 6")]
    Type {
        /// Position in the list.
        index: usize,
        /// The value.
        found: i32,
    },
    /// More added tokens than any real vocabulary has.
    #[error(
        "`tokenizer.ggml.token_type` has {found} control and user-defined tokens; at most {max} are read"
    )]
    AddedCount {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The same token twice, so that its id is not known.
    #[error("entries {first} and {second} of `tokenizer.ggml.tokens` are both `{found}`")]
    Duplicate {
        /// Position of the first.
        first: u32,
        /// Position of the second.
        second: u32,
        /// The token, shortened.
        found: String,
    },
    /// A merge that is not two tokens.
    #[error(
        "entry {index} of `tokenizer.ggml.merges` is `{found}`; allowed: two tokens with one space between"
    )]
    Merge {
        /// Position in the list.
        index: usize,
        /// The entry, shortened.
        found: String,
    },
    /// A merge of, or to, something that is no token.
    #[error(
        "entry {index} of `tokenizer.ggml.merges` needs the token `{found}`, which `tokenizer.ggml.tokens` does not have"
    )]
    MergeToken {
        /// Position in the list.
        index: usize,
        /// The missing token, shortened.
        found: String,
    },
    /// A special token beyond the vocabulary.
    #[error("`{key}` is {found}; `tokenizer.ggml.tokens` has {tokens} entries")]
    Special {
        /// Which key of the metadata.
        key: &'static str,
        /// The id.
        found: u32,
        /// Number of tokens.
        tokens: usize,
    },
    /// The tokenizer crate refused the vocabulary for another reason.
    #[error("no tokenizer can be built from `tokenizer.ggml.tokens` and `.merges`: {reason}")]
    Build {
        /// The crate's words.
        reason: String,
    },
    /// A text that is too long.
    #[error("the text has {found} characters; at most {max} are allowed")]
    Text {
        /// Characters of the text.
        found: usize,
        /// [`TEXT_CHARS_MAX`](super::TEXT_CHARS_MAX).
        max: usize,
    },
    /// The tokenizer crate could not encode a text.
    #[error("the text cannot be encoded: {reason}")]
    Encode {
        /// The crate's words.
        reason: String,
    },
    /// A token id beyond the vocabulary.
    #[error("token {index} is {found}; `tokenizer.ggml.tokens` has {tokens} entries")]
    Id {
        /// Position in the ids.
        index: usize,
        /// The id.
        found: u32,
        /// Number of tokens.
        tokens: usize,
    },
}
