//! A loaded checkpoint: answers requests, computing what their beginnings share once.

use std::ops::Range;

use burn::tensor::Tensor;
use jeoul_checkpoint::{ByteSource, ChatMessage, ChatTemplate, Checkpoint, Tokenizer};
use jeoul_eval::model::{
    GenerateRequest, Generation, LanguageModel, Loglikelihood, Message, TokenPair,
};
use jeoul_eval::plan::{read, reuse_start};

use crate::decoder::{Cache, Decoder};
use crate::reference::Reference;
use crate::{Lane, ModelError, Pace, Step, device};

/// Tokens computed between two steps of the pace: a fraction of a second on one slow thread.
const CHUNK_TOKENS: usize = 32;
/// Positions of the first cache; it doubles when a request needs more.
const CACHE_POSITIONS_MIN: usize = 512;

/// A checkpoint on a lane.
pub struct LocalModel {
    tokenizer: Tokenizer,
    chat: Option<ChatTemplate>,
    context_length: usize,
    vocabulary: usize,
    lane: Lane,
    network: Network,
    pace: Pace,
    tokens_computed: u64,
}

enum Network {
    Fast(Box<Fast>),
    Reference(Box<Reference>),
}

/// A decoder with the sequence it read last.
struct Fast {
    decoder: Decoder,
    cache: Cache,
    /// Tokens whose keys and values the cache holds.
    read: Vec<u32>,
}

impl LocalModel {
    /// Reads the weights into the lane's layout. On the GPU lane they never lie whole in main memory.
    pub async fn load<S: ByteSource>(
        checkpoint: Checkpoint<S>,
        lane: Lane,
        mut pace: Pace,
    ) -> Result<Self, ModelError> {
        let processor = device::processor(lane).await?;
        let network = match lane {
            Lane::Reference => Network::Reference(Box::new(
                Reference::load(&checkpoint, &processor, &mut pace).await?,
            )),
            Lane::Cpu | Lane::Gpu => {
                let decoder = Decoder::load(&checkpoint, processor, &mut pace).await?;
                let positions = CACHE_POSITIONS_MIN.min(checkpoint.config().context_length);
                let cache = decoder.cache(positions);
                Network::Fast(Box::new(Fast {
                    decoder,
                    cache,
                    read: Vec::new(),
                }))
            }
        };
        let (context_length, vocabulary) = (
            checkpoint.config().context_length,
            checkpoint.config().vocab_size,
        );
        let chat = checkpoint.chat();
        let tokenizer = checkpoint.into_tokenizer();
        Ok(Self {
            tokenizer,
            chat,
            context_length,
            vocabulary,
            lane,
            network,
            pace,
            tokens_computed: 0,
        })
    }

    /// The lane it was loaded on.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Tokens that went through the network since it was loaded.
    pub fn tokens_computed(&self) -> u64 {
        self.tokens_computed
    }

    /// The checkpoint's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn check(&self, request: usize, pair: &TokenPair) -> Result<(), ModelError> {
        self.check_tokens(request, "context", &pair.context)?;
        self.check_tokens(request, "continuation", &pair.continuation)?;
        // The last token is scored but never read.
        let found = pair.context.len() + pair.continuation.len() - 1;
        match found <= self.context_length {
            true => Ok(()),
            false => Err(ModelError::TooLong {
                request,
                found,
                allowed: self.context_length,
            }),
        }
    }

    fn check_tokens(
        &self,
        request: usize,
        what: &'static str,
        tokens: &[u32],
    ) -> Result<(), ModelError> {
        if tokens.is_empty() {
            return Err(ModelError::Empty { request, what });
        }
        let allowed = self.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= allowed) {
            None => Ok(()),
            Some(&found) => Err(ModelError::UnknownToken {
                request,
                found,
                allowed,
            }),
        }
    }

    /// Tokens that fit behind `context`; refuses a context that cannot be read.
    pub(crate) fn room(&self, context: &[u32]) -> Result<usize, ModelError> {
        self.check_tokens(0, "context", context)?;
        let (found, allowed) = (context.len(), self.context_length);
        allowed.checked_sub(found).ok_or(ModelError::TooLong {
            request: 0,
            found,
            allowed,
        })
    }

    /// Makes room for a sequence that will grow to `positions`; otherwise it would be computed anew on the way.
    pub(crate) fn reserve(&mut self, positions: usize) {
        if let Network::Fast(fast) = &mut self.network {
            fast.reserve(positions, self.context_length);
        }
    }

    /// The most probable token after `tokens`, the first of equals.
    pub(crate) async fn most_probable(&mut self, tokens: &[u32]) -> Result<u32, ModelError> {
        let outcomes = self.outcomes(0, &any_after(tokens)).await?;
        Ok(outcomes.first().map_or(0, |outcome| outcome.best))
    }

    /// Logits `[vocab]` after `tokens`, all of them numbers.
    pub(crate) async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        let computed = self.compute_logits(tokens).await;
        let logits = computed.map_err(|failure| failure.on(self.lane))?;
        match logits.iter().find(|logit| !logit.is_finite()) {
            Some(&found) => Err(ModelError::NotAProbability { request: 0, found }),
            None => Ok(logits),
        }
    }

    async fn compute_logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, Failure> {
        match &mut self.network {
            Network::Fast(fast) => {
                fast.logits(
                    tokens,
                    self.context_length,
                    &mut self.pace,
                    &mut self.tokens_computed,
                )
                .await
            }
            Network::Reference(reference) => {
                self.tokens_computed += tokens.len() as u64;
                self.pace
                    .step(Step::Computed {
                        tokens: self.tokens_computed,
                    })
                    .await?;
                values(reference.logits(tokens, tokens.len() - 1)).await
            }
        }
    }

    /// One request: per continuation token its log-probability and the token that was most probable in its place.
    pub(crate) async fn outcomes(
        &mut self,
        request: usize,
        pair: &TokenPair,
    ) -> Result<Vec<Outcome>, ModelError> {
        self.check(request, pair)?;
        let outcomes = match &mut self.network {
            Network::Fast(fast) => {
                fast.outcomes(
                    pair,
                    self.context_length,
                    &mut self.pace,
                    &mut self.tokens_computed,
                )
                .await
            }
            Network::Reference(reference) => {
                let tokens = read(pair);
                self.tokens_computed += tokens.len() as u64;
                self.pace
                    .step(Step::Computed {
                        tokens: self.tokens_computed,
                    })
                    .await?;
                reference.outcomes(&tokens, pair).await
            }
        };
        let outcomes = outcomes.map_err(|failure| failure.on(self.lane))?;
        match outcomes
            .iter()
            .find(|outcome| outcome.logprob.is_nan() || outcome.logprob > LARGEST_LOGPROB)
        {
            Some(outcome) => Err(ModelError::NotAProbability {
                request,
                found: outcome.logprob,
            }),
            None => Ok(outcomes),
        }
    }
}

/// What was computed for one token of a continuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Natural logarithm of its probability.
    pub(crate) logprob: f32,
    /// Most probable token in its place.
    pub(crate) best: u32,
}

/// A probability of 1 may come out this much above 0 by rounding.
const LARGEST_LOGPROB: f32 = 1e-3;

/// A failure that does not know its lane yet.
enum Failure {
    Model(ModelError),
    Read(String),
}

impl Failure {
    fn on(self, lane: Lane) -> ModelError {
        match self {
            Self::Model(error) => error,
            Self::Read(reason) => ModelError::Device { lane, reason },
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

/// The request whose only outcome is that of the token after `tokens`, whichever it is.
fn any_after(tokens: &[u32]) -> TokenPair {
    TokenPair {
        context: tokens.to_vec(),
        continuation: vec![0],
    }
}

impl Fast {
    /// Makes room for `positions` tokens, forgetting all that was read if there is too little.
    fn reserve(&mut self, positions: usize, context_length: usize) {
        if positions > self.cache.positions() {
            self.read.clear();
            let positions = positions.next_power_of_two().min(context_length);
            self.cache = self.decoder.cache(positions);
        }
    }

    /// Reads what is not kept of `pair`, and gives `scored` the outputs `[rows, d]` that a range of its continuation's tokens
    /// is scored by, in order.
    async fn read_pair(
        &mut self,
        pair: &TokenPair,
        context_length: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
        mut scored: impl FnMut(&Decoder, Tensor<2>, Range<usize>),
    ) -> Result<(), Failure> {
        let tokens = read(pair);
        self.reserve(tokens.len(), context_length);
        self.read.truncate(reuse_start(&self.read, pair));
        // Row `first_scored + i` of the outputs gives continuation token `i`.
        let first_scored = pair.context.len() - 1;
        while self.read.len() < tokens.len() {
            let position = self.read.len();
            let end = tokens.len().min(position + CHUNK_TOKENS);
            let x = self
                .decoder
                .forward(&tokens[position..end], position, &mut self.cache);
            self.read.extend(&tokens[position..end]);
            if end > first_scored {
                let from = position.max(first_scored);
                scored(
                    &self.decoder,
                    x.narrow(0, from - position, end - from),
                    from - first_scored..end - first_scored,
                );
            }
            *tokens_computed += (end - position) as u64;
            pace.step(Step::Computed {
                tokens: *tokens_computed,
            })
            .await?;
        }
        Ok(())
    }

    async fn outcomes(
        &mut self,
        pair: &TokenPair,
        context_length: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut scores = Vec::new();
        let score = |decoder: &Decoder, x, range: Range<usize>| {
            scores.push(decoder.score(x, &pair.continuation[range]));
        };
        self.read_pair(pair, context_length, pace, tokens_computed, score)
            .await?;
        let mut outcomes = Vec::with_capacity(pair.continuation.len());
        for score in scores {
            let values = values(score).await?;
            outcomes.extend(values.as_chunks().0.iter().map(|&[logprob, best]| Outcome {
                logprob,
                best: best as u32,
            }));
        }
        Ok(outcomes)
    }

    /// Logits `[vocab]` after `tokens`.
    async fn logits(
        &mut self,
        tokens: &[u32],
        context_length: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
    ) -> Result<Vec<f32>, Failure> {
        let (pair, mut logits) = (any_after(tokens), None);
        let keep = |decoder: &Decoder, x, _| logits = Some(decoder.logits(x));
        self.read_pair(&pair, context_length, pace, tokens_computed, keep)
            .await?;
        match logits {
            Some(logits) => values(logits).await,
            None => Ok(Vec::new()),
        }
    }
}

impl Reference {
    async fn outcomes(&self, tokens: &[u32], pair: &TokenPair) -> Result<Vec<Outcome>, Failure> {
        let logits = values(self.logits(tokens, pair.context.len() - 1)).await?;
        let rows = logits.chunks_exact(logits.len() / pair.continuation.len());
        Ok(rows
            .zip(&pair.continuation)
            .map(|(row, &target)| log_softmax(row, target))
            .collect())
    }
}

/// Log-softmax at `target` in f64, and the first of the largest.
fn log_softmax(logits: &[f32], target: u32) -> Outcome {
    let best = (0..logits.len())
        .reduce(|best, i| if logits[i] > logits[best] { i } else { best })
        .unwrap_or(0);
    let largest = f64::from(logits[best]);
    let total: f64 = logits.iter().map(|&x| (f64::from(x) - largest).exp()).sum();
    let logprob = f64::from(logits[target as usize]) - largest - total.ln();
    Outcome {
        logprob: logprob as f32,
        best: best as u32,
    }
}

/// Reads a tensor back; asynchronous, as WebGPU has no other way.
async fn values(tensor: Tensor<2>) -> Result<Vec<f32>, Failure> {
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| Failure::Read(error.to_string()))?;
    data.try_into_vec()
        .map_err(|error| Failure::Read(format!("{error:?}")))
}

impl LanguageModel for LocalModel {
    type Error = ModelError;

    fn max_length(&self) -> usize {
        self.context_length
    }

    fn prefix_token(&self) -> u32 {
        self.tokenizer.bos().or(self.tokenizer.eos()).unwrap_or(0)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.tokenizer.encode(text)?)
    }

    async fn loglikelihood(
        &mut self,
        requests: &[TokenPair],
    ) -> Result<Vec<Loglikelihood>, ModelError> {
        let mut answers = Vec::with_capacity(requests.len());
        for (request, pair) in requests.iter().enumerate() {
            let outcomes = self.outcomes(request, pair).await?;
            answers.push(Loglikelihood {
                token_logprobs: outcomes.iter().map(|outcome| outcome.logprob).collect(),
                is_greedy: outcomes
                    .iter()
                    .zip(&pair.continuation)
                    .all(|(outcome, &token)| outcome.best == token),
            });
        }
        Ok(answers)
    }

    async fn generate(
        &mut self,
        request: &GenerateRequest,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation, ModelError> {
        self.continue_text(request, on_text).await
    }

    fn chat_template(&self) -> Option<&str> {
        self.chat.as_ref().map(|chat| chat.source.as_str())
    }

    fn apply_chat_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ModelError> {
        let chat = self.chat.as_ref().ok_or(ModelError::NoChatTemplate)?;
        let messages: Vec<ChatMessage> = messages
            .iter()
            .map(|message| ChatMessage {
                role: message.role.name(),
                content: &message.content,
            })
            .collect();
        Ok(chat.render(&messages, add_generation_prompt)?)
    }
}
