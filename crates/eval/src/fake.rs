//! A model for tests: a tokenizer of words, and log-likelihoods from a hash of the tokens before.

use std::cell::RefCell;

use thiserror::Error;

use crate::model::{LanguageModel, Loglikelihood, ModelFailure, TokenPair};

/// Deterministic and without meaning. Token 0 is `<s>`; other tokens are words with the space before them.
pub(crate) struct FakeModel {
    pub(crate) words: RefCell<Vec<String>>,
    pub(crate) bos: bool,
    /// See [`LanguageModel::max_length`].
    pub(crate) max_length: usize,
    /// Calls of `loglikelihood` until it reports cancellation.
    pub(crate) calls_left: usize,
    /// Every request, as it came.
    pub(crate) asked: Vec<Vec<TokenPair>>,
    /// Added to the first token of each answer.
    pub(crate) shift: f32,
}

/// What the fake reports.
#[derive(Debug, Error)]
#[error("stopped")]
pub(crate) struct Stopped;

impl ModelFailure for Stopped {
    fn is_cancelled(&self) -> bool {
        true
    }
}

impl FakeModel {
    pub(crate) fn new() -> Self {
        Self {
            words: RefCell::new(vec!["<s>".into()]),
            bos: false,
            max_length: 2048,
            calls_left: usize::MAX,
            asked: Vec::new(),
            shift: 0.0,
        }
    }

    /// Puts `<s>` before every text that does not begin with it.
    pub(crate) fn with_bos() -> Self {
        Self {
            bos: true,
            ..Self::new()
        }
    }

    pub(crate) fn decode(&self, tokens: &[u32]) -> Vec<String> {
        tokens
            .iter()
            .map(|&token| self.words.borrow()[token as usize].clone())
            .collect()
    }

    fn token(&self, word: &str) -> u32 {
        let mut words = self.words.borrow_mut();
        let known = words.iter().position(|known| known == word);
        known.unwrap_or_else(|| {
            words.push(word.into());
            words.len() - 1
        }) as u32
    }
}

impl LanguageModel for FakeModel {
    type Error = Stopped;

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn prefix_token(&self) -> u32 {
        0
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, Stopped> {
        let (text, begun) = text
            .strip_prefix("<s>")
            .map_or((text, false), |rest| (rest, true));
        let mut tokens = if begun || self.bos { vec![0] } else { vec![] };
        let mut word = String::new();
        for c in text.chars() {
            if c.is_whitespace() && !word.is_empty() {
                tokens.push(self.token(&word));
                word.clear();
            }
            word.push(c);
        }
        if !word.is_empty() {
            tokens.push(self.token(&word));
        }
        Ok(tokens)
    }

    async fn loglikelihood(
        &mut self,
        requests: &[TokenPair],
    ) -> Result<Vec<Loglikelihood>, Stopped> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or(Stopped)?;
        self.asked.push(requests.to_vec());
        let answer = |pair: &TokenPair| {
            // FNV-1a over the tokens, 0 to 10 nats.
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            let mut score = |&token: &u32| {
                hash = (hash ^ u64::from(token)).wrapping_mul(0x0100_0000_01b3);
                ((hash >> 20) % 10_000) as f32 / -1000.0
            };
            pair.context.iter().for_each(|token| _ = score(token));
            let mut token_logprobs: Vec<f32> = pair.continuation.iter().map(score).collect();
            token_logprobs[0] += self.shift;
            Loglikelihood {
                is_greedy: token_logprobs.iter().all(|&x| x > -1.0),
                token_logprobs,
            }
        };
        Ok(requests.iter().map(answer).collect())
    }
}
