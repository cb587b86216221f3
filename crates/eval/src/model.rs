//! What evaluation asks of a language model: the one boundary between scores and tensors.
//!
//! Every engine implements [`LanguageModel`]; nothing in this crate knows how it computes.

use std::error::Error;

/// One log-likelihood request, already split into token ids.
///
/// `context` is never empty (the BOS rule of [`crate::tokens::encode_pair`] sees to it) and `continuation` holds
/// at least one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// Tokens the model reads.
    pub context: Vec<u32>,
    /// Tokens whose probability is asked for, given all before them.
    pub continuation: Vec<u32>,
}

/// The answer to one [`TokenPair`].
#[derive(Clone, Debug, PartialEq)]
pub struct Loglikelihood {
    /// Natural logarithm of each continuation token's probability, in order.
    pub token_logprobs: Vec<f32>,
    /// Whether each continuation token was the most probable one at its place.
    pub is_greedy: bool,
}

impl Loglikelihood {
    /// Sum of the token log-probabilities (nats), added in order in f64.
    pub fn sum(&self) -> f64 {
        self.token_logprobs.iter().map(|&x| f64::from(x)).sum()
    }
}

/// A causal language model with its tokenizer.
// Futures stay on one thread: the page has one, and the command blocks on them.
#[allow(async_fn_in_trait)]
pub trait LanguageModel {
    /// What can go wrong while computing; must tell cancellation apart (see [`ModelFailure`]).
    type Error: ModelFailure;

    /// Longest sequence (context and continuation together) the model can read, in tokens.
    fn max_length(&self) -> usize;

    /// Token that stands for an empty context: BOS where the tokenizer has one, else EOS.
    fn prefix_token(&self) -> u32;

    /// Token ids of `text`; BOS stands before them if and only if the checkpoint says so (`add_bos_token`).
    /// It is not put before a text that begins with it already, as `HFLM.tok_encode` does not.
    fn encode(&self, text: &str) -> Result<Vec<u32>, Self::Error>;

    /// Scores every request; answers come in the order of the requests.
    /// Requests of one call may share computation (equal beginnings are computed once).
    async fn loglikelihood(
        &mut self,
        requests: &[TokenPair],
    ) -> Result<Vec<Loglikelihood>, Self::Error>;
}

/// An engine's error, as far as evaluation must understand it.
pub trait ModelFailure: Error + 'static {
    /// Whether the person asked to stop: the run then ends as cancelled, not as failed.
    fn is_cancelled(&self) -> bool;
}
