//! Byte-level BPE from the vocabulary inside a checkpoint, computed by Hugging Face's own crate.
//!
//! A GGUF file names its pre-tokenizer (`tokenizer.ggml.pre`) and holds tokens and merges. From these this module
//! builds what `tokenizer.json` of the original describes, so that token ids are those of lm-evaluation-harness.
//!
//! Known limits: a byte of which the vocabulary has no token is left out, as Hugging Face does (SmolLM2 has no tokens
//! for some control characters).

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

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

/// Characters of a token or merge that an error message repeats.
const SHOWN_CHARS: usize = 40;

/// What a checkpoint says about its tokenizer, as found in its metadata.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// `tokenizer.ggml.model`.
    pub model: &'a str,
    /// `tokenizer.ggml.pre`; `default` where the file has none.
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
    /// `tokenizer.ggml.add_bos_token`: whether texts begin with `bos`.
    pub add_bos: bool,
}

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
        /// [`TEXT_CHARS_MAX`].
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

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: usize,
    bos: Option<u32>,
    eos: Option<u32>,
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
            tokens, bos, eos, ..
        } = *vocabulary;
        if !MODELS.contains(&vocabulary.model) {
            let found = shorten(vocabulary.model);
            return Err(TokenizerError::Model { found });
        }
        let scheme = Scheme::of(vocabulary.pre)?;
        if tokens.is_empty() {
            return Err(TokenizerError::Empty);
        }
        let ids = ids(tokens)?;
        let merges = merges(vocabulary.merges, &ids)?;
        let added = added(tokens, vocabulary.types)?;
        within("tokenizer.ggml.bos_token_id", bos, tokens.len())?;
        within("tokenizer.ggml.eos_token_id", eos, tokens.len())?;

        let ids: Vocab = ids
            .into_iter()
            .map(|(token, id)| (token.to_owned(), id))
            .collect();
        let bpe = BPE::builder()
            .vocab_and_merges(ids, merges)
            .ignore_merges(scheme == Scheme::Llama3)
            .build()
            .map_err(build)?;
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
            bos,
            eos,
            add_bos: vocabulary.add_bos,
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
            _ => Err(TokenizerError::Pre {
                found: shorten(pre),
            }),
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
fn ids(tokens: &[String]) -> Result<HashMap<&str, u32>, TokenizerError> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (token, second) in tokens.iter().zip(0..) {
        if let Some(first) = ids.insert(token.as_str(), second) {
            return Err(TokenizerError::Duplicate {
                first,
                second,
                found: shorten(token),
            });
        }
    }
    Ok(ids)
}

/// The pairs of all merges.
fn merges(
    merges: &[String],
    ids: &HashMap<&str, u32>,
) -> Result<Vec<(String, String)>, TokenizerError> {
    let longest = ids.keys().map(|token| token.len()).max().unwrap_or(0);
    let mut joined = String::with_capacity(longest);
    let pair = |(index, merge): (usize, &String)| {
        let (left, right) = match merge.split_once(' ') {
            Some((left, right))
                if !left.is_empty() && !right.is_empty() && !right.contains(' ') =>
            {
                (left, right)
            }
            _ => {
                let found = shorten(merge);
                return Err(TokenizerError::Merge { index, found });
            }
        };
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        for token in [left, right, &joined] {
            if !ids.contains_key(token) {
                let found = shorten(token);
                return Err(TokenizerError::MergeToken { index, found });
            }
        }
        Ok((left.to_owned(), right.to_owned()))
    };
    merges.iter().enumerate().map(pair).collect()
}

/// The tokens that are found in a text before it is split.
fn added(tokens: &[String], types: &[i32]) -> Result<Vec<AddedToken>, TokenizerError> {
    if !types.is_empty() && types.len() != tokens.len() {
        return Err(TokenizerError::TypeCount {
            found: types.len(),
            tokens: tokens.len(),
        });
    }
    let mut added = Vec::new();
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

/// At most [`SHOWN_CHARS`] characters, for a message.
fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a`, `b`, `c`, `ab`, `abc`, the space and the digits 1 and 2, with two added tokens.
    const TOKENS: [&str; 10] = [
        "<|end|>", "<tool>", "a", "b", "c", "ab", "abc", "Ġ", "1", "2",
    ];
    const TYPES: [i32; 10] = [3, 4, 1, 1, 1, 1, 1, 1, 1, 1];

    /// A small vocabulary that a test changes before it builds.
    struct Small {
        model: &'static str,
        pre: &'static str,
        tokens: Vec<String>,
        merges: Vec<String>,
        types: Vec<i32>,
        bos: Option<u32>,
        eos: Option<u32>,
        add_bos: bool,
    }

    fn strings(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&entry| entry.to_owned()).collect()
    }

    impl Small {
        fn new() -> Self {
            Self {
                model: "gpt2",
                pre: "smollm",
                tokens: strings(&TOKENS),
                merges: strings(&["a b", "ab c"]),
                types: TYPES.to_vec(),
                bos: Some(0),
                eos: None,
                add_bos: false,
            }
        }

        fn build(&self) -> Result<Tokenizer, TokenizerError> {
            Tokenizer::new(&Vocabulary {
                model: self.model,
                pre: self.pre,
                tokens: &self.tokens,
                merges: &self.merges,
                types: &self.types,
                bos: self.bos,
                eos: self.eos,
                add_bos: self.add_bos,
            })
        }
    }

    /// The message with which a changed vocabulary is refused.
    #[track_caller]
    fn refused(change: impl FnOnce(&mut Small)) -> String {
        let mut small = Small::new();
        change(&mut small);
        small.build().unwrap_err().to_string()
    }

    #[test]
    fn merges_apply_in_their_order() {
        let tokenizer = Small::new().build().unwrap();
        assert_eq!(tokenizer.encode("abcab c").unwrap(), [6, 5, 7, 4]);
        assert!(tokenizer.encode("").unwrap().is_empty());
        assert_eq!(tokenizer.len(), 10);
    }

    #[test]
    fn bos_is_prepended_only_if_asked() {
        let mut small = Small::new();
        let tokenizer = small.build().unwrap();
        assert_eq!(tokenizer.encode("a").unwrap(), [2]);
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(0), None));
        small.add_bos = true;
        assert_eq!(small.build().unwrap().encode("a").unwrap(), [0, 2]);
        // Written out in the text already: the end token serves as BOS here.
        assert_eq!(small.build().unwrap().encode("<|end|>a").unwrap(), [0, 2]);
        small.bos = None;
        assert_eq!(small.build().unwrap().encode("a").unwrap(), [2]);
    }

    #[test]
    fn added_tokens_are_found_in_the_text_and_written_out_again() {
        let tokenizer = Small::new().build().unwrap();
        let text = "ab<tool><|end|>c";
        assert_eq!(tokenizer.encode(text).unwrap(), [5, 1, 0, 4]);
        assert_eq!(tokenizer.decode(&[5, 1, 0, 4]).unwrap(), text);
    }

    #[test]
    fn without_types_no_token_is_added() {
        let mut small = Small::new();
        small.types.clear();
        let tokenizer = small.build().unwrap();
        assert!(tokenizer.encode("<|end|>").unwrap().is_empty());
    }

    #[test]
    fn digits_stand_alone_where_the_scheme_says_so() {
        let tokens_of = |pre, text| {
            let mut small = Small::new();
            small.pre = pre;
            small.tokens.extend(strings(&["12", "121", "1212"]));
            small.merges.extend(strings(&["1 2", "12 1", "12 12"]));
            small.types.clear();
            small.build().unwrap().encode(text).unwrap()
        };
        assert_eq!(tokens_of("smollm", "1212"), [8, 9, 8, 9]);
        assert_eq!(tokens_of("qwen2", "1212"), [8, 9, 8, 9]);
        assert_eq!(tokens_of("gpt-2", "1212"), [12]);
        assert_eq!(tokens_of("llama-bpe", "1212"), [11, 9]);
    }

    #[test]
    fn llama3_takes_whole_tokens_that_no_merge_makes() {
        let tokens_of = |pre| {
            let mut small = Small::new();
            small.pre = pre;
            small.merges.clear();
            small.build().unwrap().encode("abc").unwrap()
        };
        assert_eq!(tokens_of("llama3"), [6]);
        assert_eq!(tokens_of("gpt2"), [2, 3, 4]);
    }

    #[test]
    fn qwen2_composes_characters() {
        let tokens_of = |pre| {
            let mut small = Small::new();
            small.pre = pre;
            // The two bytes of é and the two of the accent that follows an e.
            small.tokens = strings(&["Ã", "©", "e", "Ì", "ģ"]);
            small.merges.clear();
            small.types.clear();
            small.build().unwrap().encode("e\u{301}").unwrap()
        };
        assert_eq!(tokens_of("qwen2"), [0, 1]);
        assert_eq!(tokens_of("llama3"), [2, 3, 4]);
    }

    #[test]
    fn every_listed_scheme_builds() {
        for &pre in PRE_TOKENIZERS {
            let mut small = Small::new();
            small.pre = pre;
            assert!(small.build().is_ok(), "{pre}");
        }
    }

    #[test]
    fn other_models_are_refused() {
        assert_eq!(
            refused(|small| small.model = "llama"),
            "`tokenizer.ggml.model` is `llama`; supported: gpt2"
        );
    }

    #[test]
    fn other_schemes_are_refused() {
        assert_eq!(
            refused(|small| small.pre = "tekken"),
            "`tokenizer.ggml.pre` is `tekken`; supported: smollm, gpt-2, gpt2, default, llama-bpe, llama3, llama-v3, qwen2"
        );
    }

    #[test]
    fn an_empty_vocabulary_is_refused() {
        assert_eq!(
            refused(|small| small.tokens.clear()),
            "`tokenizer.ggml.tokens` is empty; at least one token is needed"
        );
    }

    #[test]
    fn types_must_belong_to_the_tokens() {
        assert_eq!(
            refused(|small| small.types.truncate(9)),
            "`tokenizer.ggml.token_type` has 9 entries; `tokenizer.ggml.tokens` has 10"
        );
        assert_eq!(
            refused(|small| small.types[2] = 7),
            "entry 2 of `tokenizer.ggml.token_type` is 7; allowed: 0 to 6"
        );
        refused(|small| small.types[2] = -1);
    }

    #[test]
    fn a_token_may_occur_only_once() {
        assert_eq!(
            refused(|small| small.tokens[9] = "ab".to_owned()),
            "entries 5 and 9 of `tokenizer.ggml.tokens` are both `ab`"
        );
    }

    #[test]
    fn a_merge_is_two_tokens_with_one_space_between() {
        for bad in ["", " ", "ab", "a b c", "a  b", " a", "a "] {
            assert_eq!(
                refused(|small| small.merges[1] = bad.to_owned()),
                format!(
                    "entry 1 of `tokenizer.ggml.merges` is `{bad}`; allowed: two tokens with one space between"
                )
            );
        }
    }

    #[test]
    fn merges_need_tokens() {
        let refused_merge = |merge: &str| refused(|small| small.merges[0] = merge.to_owned());
        let message = |token| {
            format!(
                "entry 0 of `tokenizer.ggml.merges` needs the token `{token}`, which `tokenizer.ggml.tokens` does not have"
            )
        };
        assert_eq!(refused_merge("x b"), message("x"));
        assert_eq!(refused_merge("a y"), message("y"));
        assert_eq!(refused_merge("b c"), message("bc"));
        // Longer than the longest token: the crate beneath would write past its buffer and panic.
        assert_eq!(refused_merge("<|end|> <|end|>"), message("<|end|><|end|>"));
    }

    #[test]
    fn special_tokens_lie_within_the_vocabulary() {
        assert_eq!(
            refused(|small| small.bos = Some(10)),
            "`tokenizer.ggml.bos_token_id` is 10; `tokenizer.ggml.tokens` has 10 entries"
        );
        assert_eq!(
            refused(|small| small.eos = Some(u32::MAX)),
            "`tokenizer.ggml.eos_token_id` is 4294967295; `tokenizer.ggml.tokens` has 10 entries"
        );
        let mut small = Small::new();
        small.bos = Some(9);
        assert!(small.build().is_ok());
    }

    #[test]
    fn messages_do_not_repeat_endless_tokens() {
        let message = refused(|small| small.merges[0] = "예".repeat(1_000_000));
        assert!(message.chars().count() < 200, "{}", message.len());
    }

    #[test]
    fn texts_are_bounded_in_characters() {
        let tokenizer = Small::new().build().unwrap();
        // Three bytes each: what counts is characters.
        assert!(tokenizer.encode(&"예".repeat(TEXT_CHARS_MAX)).is_ok());
        assert_eq!(
            tokenizer.encode(&"예".repeat(TEXT_CHARS_MAX + 1)),
            Err(TokenizerError::Text {
                found: 200_001,
                max: 200_000
            })
        );
    }

    #[test]
    fn the_longest_texts_are_still_split() {
        // Where the regex engine gives up, the last space and the words after it would stay one piece: with
        // `Ġa` in the vocabulary, `a` after a split space is one token.
        for pre in PRE_TOKENIZERS {
            let mut small = Small::new();
            small.pre = pre;
            small.tokens.extend(strings(&["Ġa", "aĠ"]));
            small.merges = strings(&["a Ġ", "Ġ a"]);
            small.types.clear();
            let tokenizer = small.build().unwrap();
            let ids = tokenizer.encode(&(" ".repeat(TEXT_CHARS_MAX - 6) + " a a a"));
            assert_eq!(ids.unwrap()[TEXT_CHARS_MAX - 6..], [10, 10, 10], "{pre}");
        }
    }

    #[test]
    fn no_text_makes_it_panic_and_all_bytes_come_back() {
        // Characters of one to four bytes, many of them white space, digits, marks or `'`, by a fixed generator.
        let mut state = 1_u32;
        let mut character = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bits = [6, 7, 9, 12, 16, 21][(state >> 13) as usize % 6];
            char::from_u32((state >> 3) & ((1 << bits) - 1)).unwrap_or('\n')
        };
        let texts: Vec<String> = (0..500)
            .map(|length| (0..length % 60).map(|_| character()).collect())
            .collect();
        let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        for &pre in PRE_TOKENIZERS {
            let mut small = Small::new();
            small.pre = pre;
            small.tokens = alphabet.iter().map(char::to_string).collect();
            small.merges.clear();
            small.types.clear();
            let tokenizer = small.build().unwrap();
            for text in &texts {
                let back = tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap();
                // Qwen2 composes characters, after which the text is another.
                assert!(back == *text || pre == "qwen2", "{pre}: {text:?}");
            }
        }
    }

    #[test]
    fn ids_beyond_the_vocabulary_have_no_text() {
        let tokenizer = Small::new().build().unwrap();
        assert_eq!(
            tokenizer.decode(&[2, 10]).unwrap_err().to_string(),
            "token 1 is 10; `tokenizer.ggml.tokens` has 10 entries"
        );
        assert_eq!(tokenizer.decode(&[]).unwrap(), "");
    }
}
