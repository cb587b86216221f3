//! Byte-level BPE from the vocabulary inside a checkpoint, computed by Hugging Face's own crate.
//!
//! A GGUF file names its pre-tokenizer (`tokenizer.ggml.pre`) and holds tokens and merges. From these this module
//! builds what `tokenizer.json` of the original describes, so that token ids are those of lm-evaluation-harness.
//!
//! Known limits: a byte of which the vocabulary has no token is left out, as Hugging Face does (SmolLM2 has no tokens
//! for some control characters).

mod alphabet;
mod error;

use std::collections::HashSet;

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use crate::text::shown;

pub use error::TokenizerError;

/// Most characters of a text. The regex engine gives up at about 1,000,000 steps and then leaves the rest of the text
/// in one piece without a word, so longer texts could get wrong tokens; no context here is as long as this.
pub const TEXT_CHARS_MAX: usize = 200_000;

/// The supported values of `tokenizer.ggml.model`.
pub const MODELS: &[&str] = &["gpt2"];

/// The supported values of `tokenizer.ggml.pre`.
pub const PRE_TOKENIZERS: &[&str] = &[
    "smollm",
    "gpt-2",
    "gpt2",
    "default",
    "llama-bpe",
    "llama3",
    "llama-v3",
    "qwen2",
];

/// How Llama 3 splits text: digits in groups of three.
const LLAMA3_REGEX: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How Qwen2 splits text: every digit alone.
const QWEN2_REGEX: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// `tokenizer.ggml.token_type` of tokens such as `<|endoftext|>`.
const CONTROL: i32 = 3;

/// `tokenizer.ggml.token_type` of tokens that were added to the vocabulary and stand for plain text.
const USER_DEFINED: i32 = 4;

/// Most control and user-defined tokens, ten times what real vocabularies have: the automaton that finds them in a text
/// takes some 450 bytes for each.
const ADDED_MAX: usize = 1 << 14;

/// What a checkpoint says about its tokenizer, as found in its metadata.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// `tokenizer.ggml.model`.
    pub model: &'a str,
    /// `tokenizer.ggml.pre`.
    pub pre: &'a str,
    /// `tokenizer.ggml.tokens`, one per id, in GPT-2's byte alphabet.
    pub tokens: &'a [String],
    /// `tokenizer.ggml.merges`, most frequent first: two tokens with a space between.
    pub merges: &'a [String],
    /// `tokenizer.ggml.token_type`, one per token; may be empty.
    pub types: &'a [i32],
    /// `tokenizer.ggml.bos_token_id`.
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.eot_token_id`: ends a turn, where that is another token than `eos`.
    pub eot: Option<u32>,
    /// `tokenizer.ggml.eom_token_id`: ends a message that waits for a tool.
    pub eom: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`: whether texts begin with `bos`. Where the file does not say, they do with Llama 3
    /// only: its files leave the key out, and both Hugging Face's tokenizer and llama.cpp prepend it.
    pub add_bos: Option<bool>,
}

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: usize,
    control: HashSet<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    /// `eos`, `eot` and `eom`, as far as there are any.
    ends: Vec<u32>,
    add_bos: bool,
}

impl Tokenizer {
    /// Builds the tokenizer of a vocabulary. Checks all of it first: the crate beneath panics on some bad ones.
    ///
    /// # Errors
    ///
    /// Names the metadata key, the entry, what was found and what is allowed.
    pub fn new(vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let Vocabulary {
            tokens,
            bos,
            eos,
            eot,
            eom,
            ..
        } = *vocabulary;
        if !MODELS.contains(&vocabulary.model) {
            let found = shown(vocabulary.model);
            return Err(TokenizerError::Model { found });
        }
        let scheme = Scheme::of(vocabulary.pre)?;
        if tokens.is_empty() {
            return Err(TokenizerError::Empty);
        }
        let ids = ids(tokens)?;
        let merges = merges(vocabulary)?;
        let added = added(tokens, vocabulary.types)?;
        let control = (0..)
            .zip(vocabulary.types)
            .filter(|&(_, &ty)| ty == CONTROL);
        let control = control.map(|(id, _)| id).collect();
        within("tokenizer.ggml.bos_token_id", bos, tokens.len())?;
        within("tokenizer.ggml.eos_token_id", eos, tokens.len())?;
        within("tokenizer.ggml.eot_token_id", eot, tokens.len())?;
        within("tokenizer.ggml.eom_token_id", eom, tokens.len())?;

        let bpe = BPE::builder()
            .vocab_and_merges(ids, merges)
            .ignore_merges(scheme == Scheme::Llama3)
            .build()
            .map_err(|error| unknown(vocabulary).unwrap_or_else(|| build(error)))?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        if scheme == Scheme::Qwen2 {
            inner.with_normalizer(Some(NFC)).map_err(build)?;
        }
        inner.with_pre_tokenizer(Some(scheme.pre_tokenizer()?));
        inner.with_decoder(Some(ByteLevel::default()));
        inner.add_tokens(added).map_err(build)?;
        Ok(Self {
            inner,
            tokens: tokens.len(),
            control,
            bos,
            eos,
            ends: [eos, eot, eom].into_iter().flatten().collect(),
            add_bos: vocabulary.add_bos.unwrap_or(scheme == Scheme::Llama3),
        })
    }

    /// Token ids of a text: `bos` first if the checkpoint asks for it, never `eos`. Control tokens written out in the
    /// text, such as `<|im_start|>`, become these tokens, as with Hugging Face.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Text`] for a text of more than [`TEXT_CHARS_MAX`] characters.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        // A character has at least one byte, so that short texts need no counting.
        if text.len() > TEXT_CHARS_MAX {
            let (found, max) = (text.chars().count(), TEXT_CHARS_MAX);
            if found > max {
                return Err(TokenizerError::Text { found, max });
            }
        }
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.map_err(|error| TokenizerError::Encode {
            reason: error.to_string(),
        })?;
        let ids = encoding.get_ids();
        // A text that begins with BOS gets no second one, as in lm-evaluation-harness (`HFLM.tok_encode`).
        let bos = self
            .bos
            .filter(|bos| self.add_bos && ids.first() != Some(bos));
        Ok(bos.into_iter().chain(ids.iter().copied()).collect())
    }

    /// The text of token ids, control tokens written out. Bytes that are no UTF-8, as when the ids end within a
    /// character, become `U+FFFD`.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Id`] for an id beyond the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        for (index, &found) in ids.iter().enumerate() {
            if found as usize >= self.tokens {
                return Err(TokenizerError::Id {
                    index,
                    found,
                    tokens: self.tokens,
                });
            }
        }
        let text = self.inner.decode(ids, false);
        text.map_err(|error| TokenizerError::Encode {
            reason: error.to_string(),
        })
    }

    /// The token that begins a text, if the checkpoint names one; whether `encode` prepends it is another matter.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text or a turn, if the checkpoint names one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The tokens after which nothing is generated: those that end a text, a turn or a message, as far as the checkpoint
    /// names them.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether a token steers the model and is no text, as `<|im_start|>`: Hugging Face's `skip_special_tokens` leaves it out.
    pub fn is_control(&self, id: u32) -> bool {
        self.control.contains(&id)
    }

    /// A token as the vocabulary spells it: `<|im_end|>`, `Ġthe`. `None` beyond the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The bytes of a token: text, perhaps cut within a character. `None` beyond the vocabulary.
    ///
    /// The bytes of several tokens, put together and read as UTF-8, are what [`Self::decode`] gives for them.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.token(id).map(|token| alphabet::bytes(&token))
    }

    /// Number of tokens; ids are smaller than this.
    #[expect(clippy::len_without_is_empty, reason = "no tokenizer is empty")]
    pub fn len(&self) -> usize {
        self.tokens
    }
}

/// A family of pre-tokenizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Smollm,
    Gpt2,
    Llama3,
    Qwen2,
}

impl Scheme {
    fn of(pre: &str) -> Result<Self, TokenizerError> {
        match pre {
            "smollm" => Ok(Self::Smollm),
            "gpt-2" | "gpt2" | "default" => Ok(Self::Gpt2),
            "llama-bpe" | "llama3" | "llama-v3" => Ok(Self::Llama3),
            "qwen2" => Ok(Self::Qwen2),
            _ => Err(TokenizerError::Pre { found: shown(pre) }),
        }
    }

    /// As `pre_tokenizer` in the `tokenizer.json` of SmolLM2, GPT-2, Llama 3 and Qwen2.
    fn pre_tokenizer(self) -> Result<PreTokenizerWrapper, TokenizerError> {
        let bytes = |use_regex| ByteLevel::new(false, true, use_regex).into();
        let split = |regex: &str| {
            let pattern = SplitPattern::Regex(regex.to_owned());
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(build)
        };
        let first = match self {
            Self::Gpt2 => return Ok(bytes(true)),
            Self::Smollm => Digits::new(true).into(),
            Self::Llama3 => split(LLAMA3_REGEX)?.into(),
            Self::Qwen2 => split(QWEN2_REGEX)?.into(),
        };
        let second = bytes(self == Self::Smollm);
        Ok(Sequence::new(vec![first, second]).into())
    }
}

/// Id of every token.
fn ids(tokens: &[String]) -> Result<Vocab, TokenizerError> {
    let mut ids = Vocab::with_capacity(tokens.len());
    for (token, second) in tokens.iter().zip(0..) {
        if let Some(first) = ids.insert(token.clone(), second) {
            return Err(TokenizerError::Duplicate {
                first,
                second,
                found: shown(token),
            });
        }
    }
    Ok(ids)
}

/// The pairs of all merges. Whether they are tokens the crate beneath finds out, if none makes more than the longest token: then
/// it would panic.
fn merges(vocabulary: &Vocabulary) -> Result<Merges, TokenizerError> {
    let longest = vocabulary.tokens.iter().map(String::len).max().unwrap_or(0);
    let pair = |(index, merge): (usize, &String)| match merge.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            if left.len() + right.len() > longest {
                return Err(unknown(vocabulary).unwrap_or_else(|| build("a merge is too long")));
            }
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(TokenizerError::Merge {
            index,
            found: shown(merge),
        }),
    };
    vocabulary.merges.iter().enumerate().map(pair).collect()
}

/// The first merge with a part that is no token, or that makes none. Slower than building, so only asked when that has failed.
fn unknown(vocabulary: &Vocabulary) -> Option<TokenizerError> {
    let tokens: HashSet<&String> = vocabulary.tokens.iter().collect();
    let missing = |(index, merge): (usize, &String)| {
        let (left, right) = merge.split_once(' ')?;
        let parts = [left.to_owned(), right.to_owned(), [left, right].concat()];
        let missing = parts.iter().find(|part| !tokens.contains(part))?;
        let found = shown(missing);
        Some(TokenizerError::MergeToken { index, found })
    };
    vocabulary.merges.iter().enumerate().find_map(missing)
}

/// The tokens that are found in a text before it is split.
fn added(tokens: &[String], types: &[i32]) -> Result<Vec<AddedToken>, TokenizerError> {
    if !types.is_empty() && types.len() != tokens.len() {
        return Err(TokenizerError::TypeCount {
            found: types.len(),
            tokens: tokens.len(),
        });
    }
    let is_added = |&&ty: &&i32| ty == CONTROL || ty == USER_DEFINED;
    let found = types.iter().filter(is_added).count();
    if found > ADDED_MAX {
        let max = ADDED_MAX;
        return Err(TokenizerError::AddedCount { found, max });
    }
    let mut added = Vec::with_capacity(found);
    for (index, (token, &found)) in tokens.iter().zip(types).enumerate() {
        match found {
            CONTROL | USER_DEFINED => {
                added.push(AddedToken::from(token.as_str(), found == CONTROL).normalized(false));
            }
            0..=6 => {}
            _ => return Err(TokenizerError::Type { index, found }),
        }
    }
    Ok(added)
}

fn within(key: &'static str, id: Option<u32>, tokens: usize) -> Result<(), TokenizerError> {
    match id {
        Some(found) if found as usize >= tokens => {
            Err(TokenizerError::Special { key, found, tokens })
        }
        _ => Ok(()),
    }
}

fn build(error: impl ToString) -> TokenizerError {
    TokenizerError::Build {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
