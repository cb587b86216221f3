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

/// One text to continue.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateRequest {
    /// Tokens the model reads (already truncated by the caller; never empty).
    pub context: Vec<u32>,
    /// Generation ends where one of these appears; it is not part of the text. Empty strings are ignored.
    pub until: Vec<String>,
    /// Most tokens to generate (`max_gen_toks`).
    pub max_tokens: u32,
    /// `None`: greedy, the most probable token each time, the lowest id of equals.
    pub sampling: Option<Sampling>,
}

/// How tokens are drawn: temperature first, then `top_k`, then `top_p`, as in Hugging Face's `generate`.
///
/// Hugging Face keeps 50 tokens where nobody says otherwise (`top_k`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; above 0.
    pub temperature: f32,
    /// The most probable tokens that together have this probability are kept, at least one; 0 to 1, 1 keeps all.
    pub top_p: f32,
    /// As many of the most probable tokens are kept, and those equal to the last of them; 0 keeps all.
    pub top_k: u32,
    /// Of the generator that draws.
    pub seed: u64,
}

/// The answer to one [`GenerateRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// What was generated, without control tokens, cut before the first stop sequence.
    ///
    /// As `tok_decode` and `postprocess_generated_text` of the harness (`lm_eval/models/{huggingface,utils}.py`).
    pub text: String,
    /// All tokens that were generated, those of a stop sequence too, without the end token.
    pub tokens: Vec<u32>,
    /// Why there are no more.
    pub finish: Finish,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// A stop sequence appeared.
    Stop,
    /// The model generated its end token.
    End,
    /// `max_tokens`, or the longest sequence the model reads.
    Length,
}

impl Finish {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::End => "end",
            Self::Length => "length",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// How the assistant shall behave.
    System,
    /// Asks.
    User,
    /// Answers: the model.
    Assistant,
}

impl Role {
    /// The name that chat templates know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
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

    /// Continues a text, until a stop sequence, the model's end token, `max_tokens`, or [`Self::max_length`] for context and
    /// generated tokens together.
    ///
    /// `on_text` sees each piece of text that is certain (whole characters, nothing that may become part of a stop sequence);
    /// all pieces together are [`Generation::text`].
    async fn generate(
        &mut self,
        request: &GenerateRequest,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation, Self::Error>;

    /// The checkpoint's own chat template, as it stands in the file; `None` without one.
    fn chat_template(&self) -> Option<&str>;

    /// Renders messages with that template, as `HFLM.apply_chat_template` (`lm_eval/models/huggingface.py`): without
    /// `add_generation_prompt` the prompt ends within the last message, for the model to continue it; a template that refuses
    /// is asked again without the system messages.
    fn apply_chat_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, Self::Error>;
}

/// An engine's error, as far as evaluation must understand it.
pub trait ModelFailure: Error + 'static {
    /// Whether the person asked to stop: the run then ends as cancelled, not as failed.
    fn is_cancelled(&self) -> bool;
}
