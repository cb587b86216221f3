//! From a context and a continuation to the token ids whose probability is asked for.
//!
//! As `TemplateLM._encode_pair` and `loglikelihood` (`lm_eval/api/model.py`) and the truncation of
//! `HFLM._loglikelihood_tokens` (`lm_eval/models/huggingface.py`):
//!
//! ```text
//! "Answer: " + "yes"   spaces at the end of the context go to the continuation
//! "Answer:" + " yes"   both are encoded as one text, the context's own length says where the continuation begins
//!    context      continuation
//!   0  1  2  3 |  4  5  6          the model reads 0..=5, its outputs at 3..=5 score 4..=6
//! ```
//!
//! And from a whole text to the windows whose log-likelihoods add up to its own, as `get_rolling_token_windows` and
//! `make_disjoint_window` (`lm_eval/utils.py`) with one token of context, as every model of the harness asks for.

use thiserror::Error;

use crate::model::{LanguageModel, TokenPair};
use crate::python;

/// A pair that has no score.
#[derive(Debug, Error)]
pub enum EncodeError<E> {
    /// The continuation adds no token to the context.
    #[error("the continuation {continuation:?} adds no token to its context; at least 1 is needed")]
    EmptyContinuation {
        /// The continuation as given.
        continuation: String,
    },
    /// The continuation alone is longer than what the model can read.
    #[error("the continuation has {found} tokens; the model reads at most {max}")]
    LongContinuation {
        /// Tokens of the continuation.
        found: usize,
        /// [`LanguageModel::max_length`].
        max: usize,
    },
    /// So much is to be generated that no context can stand before it.
    #[error(
        "`max_gen_toks` is {found}; the model reads {max} tokens, so that it must be below that"
    )]
    NoRoom {
        /// Tokens to generate.
        found: u32,
        /// [`LanguageModel::max_length`].
        max: usize,
    },
    /// The tokenizer failed.
    #[error(transparent)]
    Model(E),
}

/// Token ids of a context and of the continuation after it; the context keeps its full length (see [`truncate`]).
///
/// A context that is empty, or nothing but white space, becomes the model's prefix token; where the continuation begins
/// with that token already, this first token becomes the context.
pub fn encode_pair<M: LanguageModel>(
    model: &M,
    context: &str,
    continuation: &str,
) -> Result<TokenPair, EncodeError<M::Error>> {
    let stem = context.trim_end_matches(python::is_space);
    let mut whole = model
        .encode(&format!("{context}{continuation}"))
        .map_err(EncodeError::Model)?;
    // Where the tokenizer merges across the border, the context still keeps the tokens it has alone.
    let mut context_ids = match stem {
        "" => Vec::new(),
        _ => model.encode(stem).map_err(EncodeError::Model)?,
    };
    if context_ids.is_empty() {
        context_ids.push(model.prefix_token());
        if whole.first() != context_ids.first() {
            whole.insert(0, model.prefix_token());
        }
    }
    let continuation_ids = whole.get(context_ids.len()..).unwrap_or_default().to_vec();
    if continuation_ids.is_empty() {
        return Err(EncodeError::EmptyContinuation {
            continuation: continuation.into(),
        });
    }
    Ok(TokenPair {
        context: context_ids,
        continuation: continuation_ids,
    })
}

/// Shortens the context from the left until the model can read it with the continuation.
///
/// The last token of the continuation is never read, so `max_length + 1` tokens remain.
pub fn truncate<E>(mut pair: TokenPair, max_length: usize) -> Result<TokenPair, EncodeError<E>> {
    let found = pair.continuation.len();
    if found > max_length {
        return Err(EncodeError::LongContinuation {
            found,
            max: max_length,
        });
    }
    let excess = (pair.context.len() + found).saturating_sub(max_length + 1);
    pair.context.drain(..excess);
    Ok(pair)
}

/// Token ids of a text that the model shall continue by up to `max_tokens`: shortened from the left until both fit, as
/// `HFLM.generate_until` does. An empty text becomes the prefix token.
pub fn generation_context<M: LanguageModel>(
    model: &M,
    text: &str,
    max_tokens: u32,
) -> Result<Vec<u32>, EncodeError<M::Error>> {
    let (found, max) = (max_tokens, model.max_length());
    let room = max.checked_sub(found as usize).filter(|&room| room > 0);
    let room = room.ok_or(EncodeError::NoRoom { found, max })?;
    let mut context = model.encode(text).map_err(EncodeError::Model)?;
    if context.is_empty() {
        context.push(model.prefix_token());
    }
    context.drain(..context.len().saturating_sub(room));
    Ok(context)
}

/// Splits a text into windows that the model can read, so that every token of it is scored once (a rolling log-likelihood).
///
/// The first window begins with `prefix` ([`LanguageModel::prefix_token`]); the others keep at least one token before what
/// they score, and the last as many as fit. No tokens make no window, whose log-likelihood is 0.
///
/// ```text
/// max_length 4, prefix p, tokens 0 to 10
///   p | 0 1 2 3
///   3 | 4 5 6 7
/// 6 7 | 8 9 10      the model reads 6 7 8 9
/// ```
pub fn rolling_windows(tokens: &[u32], prefix: u32, max_length: usize) -> Vec<TokenPair> {
    let max_length = max_length.max(1);
    let mut windows = Vec::with_capacity(tokens.len().div_ceil(max_length));
    let mut scored = 0;
    while scored < tokens.len() {
        let end = tokens.len().min(scored + max_length);
        windows.push(TokenPair {
            context: match scored {
                0 => vec![prefix],
                _ => tokens[end - 1 - max_length..scored].to_vec(),
            },
            continuation: tokens[scored..end].to_vec(),
        });
        scored = end;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeModel;

    #[track_caller]
    fn split(model: &FakeModel, context: &str, continuation: &str) -> (Vec<String>, Vec<String>) {
        let pair = encode_pair(model, context, continuation).unwrap();
        (
            model.decode(&pair.context),
            model.decode(&pair.continuation),
        )
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn spaces_at_the_end_of_the_context_go_to_the_continuation() {
        let model = FakeModel::new();
        let expected = (words(&["a", " b:"]), words(&[" yes"]));
        assert_eq!(split(&model, "a b: ", "yes"), expected);
        assert_eq!(split(&model, "a b:", " yes"), expected);
    }

    #[test]
    fn without_a_space_the_continuation_begins_where_the_context_alone_would_end() {
        // " b:yes" is one token, and the context alone has two already: nothing is left, which the harness refuses too.
        let error = encode_pair(&FakeModel::new(), "a b:", "yes")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            r#"the continuation "yes" adds no token to its context; at least 1 is needed"#
        );
    }

    #[test]
    fn an_empty_context_is_the_prefix_token() {
        let expected = (words(&["<s>"]), words(&["yes", " no"]));
        assert_eq!(split(&FakeModel::new(), "", "yes no"), expected);
        assert_eq!(split(&FakeModel::with_bos(), "", "yes no"), expected);
    }

    #[test]
    fn a_continuation_that_begins_with_bos_gives_it_to_the_empty_context() {
        let expected = (words(&["<s>"]), words(&["yes"]));
        assert_eq!(split(&FakeModel::new(), "", "<s>yes"), expected);
        assert_eq!(split(&FakeModel::with_bos(), "", "<s>yes"), expected);
        assert!(encode_pair(&FakeModel::new(), "", "<s>").is_err());
    }

    #[test]
    fn a_context_of_white_space_alone_goes_to_the_continuation_whole() {
        let expected = (words(&["<s>"]), words(&[" yes"]));
        assert_eq!(split(&FakeModel::new(), " ", "yes"), expected);
        assert_eq!(split(&FakeModel::with_bos(), " ", "yes"), expected);
    }

    #[test]
    fn bos_stands_before_the_context_once() {
        let model = FakeModel::with_bos();
        assert_eq!(
            split(&model, "a", " b"),
            (words(&["<s>", "a"]), words(&[" b"]))
        );
        assert_eq!(
            split(&model, "<s>a", " b"),
            (words(&["<s>", "a"]), words(&[" b"]))
        );
    }

    #[test]
    fn an_empty_continuation_is_refused() {
        for (model, context) in [
            (FakeModel::new(), ""),
            (FakeModel::with_bos(), ""),
            (FakeModel::new(), "a"),
        ] {
            assert!(matches!(
                encode_pair(&model, context, ""),
                Err(EncodeError::EmptyContinuation { .. })
            ));
        }
    }

    #[test]
    fn a_long_context_loses_its_beginning() {
        let pair = |context: u32, continuation: u32| TokenPair {
            context: (0..context).collect(),
            continuation: (100..100 + continuation).collect(),
        };
        let cut = |p: TokenPair, max: usize| truncate::<()>(p, max).map(|p| p.context).unwrap();
        assert_eq!(
            cut(pair(8, 3), 10),
            pair(8, 3).context,
            "the last token of the continuation is not read"
        );
        assert_eq!(cut(pair(9, 3), 10), (1..9).collect::<Vec<_>>());
        assert_eq!(
            cut(pair(9, 10), 10),
            [8],
            "one token of the context always stays"
        );
    }

    #[test]
    fn a_continuation_longer_than_the_model_reads_is_refused() {
        let pair = TokenPair {
            context: vec![0],
            continuation: vec![1; 11],
        };
        let error = truncate::<std::fmt::Error>(pair, 10)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the continuation has 11 tokens; the model reads at most 10"
        );
    }

    #[test]
    fn a_text_to_continue_leaves_room_for_what_is_generated() {
        let model = FakeModel {
            max_length: 5,
            ..FakeModel::with_bos()
        };
        let context = |text, max| generation_context(&model, text, max).map(|c| model.decode(&c));
        assert_eq!(context("a b", 2).unwrap(), ["<s>", "a", " b"]);
        assert_eq!(context("a b", 3).unwrap(), ["a", " b"]);
        assert_eq!(context("a b", 4).unwrap(), [" b"]);
        assert_eq!(
            context("a b", 5).unwrap_err().to_string(),
            "`max_gen_toks` is 5; the model reads 5 tokens, so that it must be below that"
        );
        let context = generation_context(&FakeModel::new(), "", 1).unwrap();
        assert_eq!(context, [0], "the prefix token");
    }

    #[test]
    fn a_long_text_is_scored_window_by_window() {
        // Right side: the harness's two functions with prefix 99 and context_len 1.
        let windows = |count: u32, max_length| {
            let tokens: Vec<u32> = (0..count).collect();
            let windows = rolling_windows(&tokens, 99, max_length).into_iter();
            windows
                .map(|w| (w.context, w.continuation))
                .collect::<Vec<_>>()
        };
        assert_eq!(windows(0, 4), []);
        assert_eq!(windows(3, 4), [(vec![99], vec![0, 1, 2])]);
        assert_eq!(windows(4, 4), [(vec![99], vec![0, 1, 2, 3])]);
        assert_eq!(
            windows(5, 4),
            [(vec![99], vec![0, 1, 2, 3]), (vec![0, 1, 2, 3], vec![4])]
        );
        assert_eq!(
            windows(8, 4),
            [(vec![99], vec![0, 1, 2, 3]), (vec![3], vec![4, 5, 6, 7])]
        );
        assert_eq!(
            windows(11, 4),
            [
                (vec![99], vec![0, 1, 2, 3]),
                (vec![3], vec![4, 5, 6, 7]),
                (vec![6, 7], vec![8, 9, 10])
            ]
        );
        assert_eq!(
            windows(3, 1),
            [(vec![99], vec![0]), (vec![0], vec![1]), (vec![1], vec![2])]
        );
        assert_eq!(
            windows(10, 6),
            [
                (vec![99], vec![0, 1, 2, 3, 4, 5]),
                (vec![3, 4, 5], vec![6, 7, 8, 9])
            ]
        );
    }

    #[test]
    fn no_window_is_longer_than_the_model_reads_and_every_token_is_scored_once() {
        for count in 0..40_u32 {
            for max_length in 1..12 {
                let tokens: Vec<u32> = (0..count).collect();
                let windows = rolling_windows(&tokens, 99, max_length);
                let read = |w: &TokenPair| w.context.len() + w.continuation.len() - 1;
                assert!(
                    windows
                        .iter()
                        .all(|w| !w.context.is_empty() && read(w) <= max_length)
                );
                let scored: Vec<u32> = windows.into_iter().flat_map(|w| w.continuation).collect();
                assert_eq!(scored, tokens);
            }
        }
    }
}
