//! A loaded checkpoint: answers requests, computing what their beginnings share once.

use burn::tensor::Tensor;
use jeoul_checkpoint::{ByteSource, ChatMessage, ChatTemplate, Checkpoint, Tokenizer};
use jeoul_eval::model::{
    GenerateRequest, Generation, LanguageModel, Loglikelihood, Message, TokenPair,
};
use jeoul_eval::plan::{BATCH_ROWS, Batch, Schedule, read};
use jeoul_kernels::ops::{self, LARGEST_MAX};

use crate::decoder::{Cache, Decoder};
use crate::reference::Reference;
use crate::{Lane, ModelError, Pace, Step, device};

/// Places of the first cache; it doubles when requests need more.
const CACHE_PLACES_MIN: usize = 256;

/// A checkpoint on a lane.
pub struct LocalModel {
    tokenizer: Tokenizer,
    chat: Option<ChatTemplate>,
    context_length: usize,
    vocabulary: usize,
    lane: Lane,
    network: Network,
    pace: Pace,
    batch_rows: usize,
    tokens_computed: u64,
}

enum Network {
    Fast(Box<Fast>),
    Reference(Box<Reference>),
}

/// A decoder with the path it read last.
struct Fast {
    decoder: Decoder,
    cache: Cache,
    /// Tokens whose keys and values the cache holds, from its first place on.
    path: Vec<u32>,
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
                if cfg!(target_family = "wasm") && lane == Lane::Cpu {
                    jeoul_kernels::cpu::warm_up();
                }
                let decoder = Decoder::load(&checkpoint, processor, &mut pace).await?;
                let cache = decoder.cache(CACHE_PLACES_MIN);
                Network::Fast(Box::new(Fast {
                    decoder,
                    cache,
                    path: Vec::new(),
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
            batch_rows: BATCH_ROWS,
            tokens_computed: 0,
        })
    }

    /// The lane it was loaded on.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Sets how many tokens are computed at once, at least 1. On the CPU lane no result depends on it.
    pub fn set_batch_rows(&mut self, rows: usize) {
        self.batch_rows = rows.max(1);
    }

    /// Tokens that went through the network since it was loaded.
    pub fn tokens_computed(&self) -> u64 {
        self.tokens_computed
    }

    /// Number of token ids.
    pub(crate) fn vocabulary(&self) -> usize {
        self.vocabulary
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

    /// Makes room for a sequence that will grow to `tokens`; otherwise it would be computed anew on the way.
    pub(crate) fn reserve(&mut self, tokens: usize) {
        if let Network::Fast(fast) = &mut self.network {
            fast.reserve(tokens + self.batch_rows);
        }
    }

    /// The most probable token after `tokens`, the first of equals.
    pub(crate) async fn most_probable(&mut self, tokens: &[u32]) -> Result<u32, ModelError> {
        let outcomes = self.outcomes(&[any_after(tokens)]).await?;
        Ok(outcomes.concat().first().map_or(0, |outcome| outcome.best))
    }

    /// Logits after `tokens` by ascending token: at least those of the `count` most probable with their equals, all if that is 0.
    pub(crate) async fn logits(
        &mut self,
        tokens: &[u32],
        count: usize,
    ) -> Result<Vec<(u32, f32)>, ModelError> {
        let computed = self.compute_logits(tokens, count).await;
        let logits = computed.map_err(|failure| failure.on(self.lane))?;
        match logits.iter().find(|(_, logit)| !logit.is_finite()) {
            Some(&(_, found)) => Err(ModelError::NotAProbability { request: 0, found }),
            None => Ok(logits),
        }
    }

    async fn compute_logits(
        &mut self,
        tokens: &[u32],
        count: usize,
    ) -> Result<Vec<(u32, f32)>, Failure> {
        let mut logits = None;
        let computed = &mut self.tokens_computed;
        match &mut self.network {
            Network::Fast(fast) => {
                let keep = |decoder: &Decoder, x: Tensor<2>, batch: &Batch| {
                    let scored = batch.scored.last().expect("called for batches with some");
                    logits = Some(decoder.logits(x.narrow(0, scored.row, 1)));
                };
                let pairs = [any_after(tokens)];
                fast.compute(&pairs, self.batch_rows, &mut self.pace, computed, keep)
                    .await?;
                if let (Some(logits), 1..=LARGEST_MAX) = (&logits, count)
                    && let Some(largest) = largest(logits.clone(), count).await?
                {
                    return Ok(largest);
                }
            }
            Network::Reference(reference) => {
                *computed += tokens.len() as u64;
                let step = Step::Computed { tokens: *computed };
                self.pace.step(step).await?;
                logits = Some(reference.logits(tokens, tokens.len() - 1));
            }
        }
        match logits {
            Some(logits) => Ok((0..).zip(values(logits).await?).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Per request and continuation token its log-probability and the token that was most probable in its place.
    pub(crate) async fn outcomes(
        &mut self,
        pairs: &[TokenPair],
    ) -> Result<Vec<Vec<Outcome>>, ModelError> {
        for (request, pair) in pairs.iter().enumerate() {
            self.check(request, pair)?;
        }
        let computed = self.compute_outcomes(pairs).await;
        let outcomes = computed.map_err(|failure| failure.on(self.lane))?;
        for (request, outcomes) in outcomes.iter().enumerate() {
            let none =
                |outcome: &&Outcome| outcome.logprob.is_nan() || outcome.logprob > LARGEST_LOGPROB;
            if let Some(outcome) = outcomes.iter().find(none) {
                let found = outcome.logprob;
                return Err(ModelError::NotAProbability { request, found });
            }
        }
        Ok(outcomes)
    }

    async fn compute_outcomes(
        &mut self,
        pairs: &[TokenPair],
    ) -> Result<Vec<Vec<Outcome>>, Failure> {
        let count = &mut self.tokens_computed;
        match &mut self.network {
            Network::Fast(fast) => {
                fast.outcomes(pairs, self.batch_rows, &mut self.pace, count)
                    .await
            }
            Network::Reference(reference) => {
                let mut outcomes = Vec::with_capacity(pairs.len());
                for pair in pairs {
                    let tokens = read(pair);
                    *count += tokens.len() as u64;
                    self.pace.step(Step::Computed { tokens: *count }).await?;
                    outcomes.push(reference.outcomes(&tokens, pair).await?);
                }
                Ok(outcomes)
            }
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
    /// Makes room for `places` tokens.
    fn reserve(&mut self, places: usize) {
        if places > self.cache.places() {
            let (places, is_kept) = (places.next_power_of_two(), !self.path.is_empty());
            self.decoder.grow(&mut self.cache, places, is_kept);
        }
    }

    /// Computes what `pairs` need beyond the path, and gives `scored` the output `[rows, d]` of each batch off which something
    /// is read, before the next one is computed.
    async fn compute(
        &mut self,
        pairs: &[TokenPair],
        batch_rows: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
        mut scored: impl FnMut(&Decoder, Tensor<2>, &Batch),
    ) -> Result<(), Failure> {
        let longest = pairs.iter().map(|pair| read(pair).len()).max();
        self.reserve(longest.unwrap_or(0) + batch_rows);
        // Whoever stops on the way leaves an empty path.
        let path = std::mem::take(&mut self.path);
        let schedule = Schedule::new(&path, pairs, batch_rows);
        for batch in &schedule.batches {
            let x = self.decoder.forward(batch, &mut self.cache);
            self.decoder.keep(batch, &mut self.cache);
            if !batch.scored.is_empty() {
                scored(&self.decoder, x, batch);
            }
            *tokens_computed += batch.rows.len() as u64;
            pace.step(Step::Computed {
                tokens: *tokens_computed,
            })
            .await?;
        }
        self.path = schedule.path;
        Ok(())
    }

    async fn outcomes(
        &mut self,
        pairs: &[TokenPair],
        batch_rows: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
    ) -> Result<Vec<Vec<Outcome>>, Failure> {
        let mut scores = Vec::new();
        let score = |decoder: &Decoder, x, batch: &Batch| {
            scores.push((decoder.score(x, &batch.scored), batch.scored.clone()));
        };
        self.compute(pairs, batch_rows, pace, tokens_computed, score)
            .await?;
        let empty = Outcome {
            logprob: f32::NAN,
            best: 0,
        };
        let mut outcomes: Vec<Vec<Outcome>> = pairs
            .iter()
            .map(|pair| vec![empty; pair.continuation.len()])
            .collect();
        for (score, scored) in scores {
            let values = values(score).await?;
            for (&[logprob, best], scored) in values.as_chunks().0.iter().zip(&scored) {
                let best = best as u32;
                outcomes[scored.request][scored.index] = Outcome { logprob, best };
            }
        }
        Ok(outcomes)
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

/// The largest of `logits [1, vocab]` by ascending token, if no more are found than there is room for, and all are finite.
async fn largest(logits: Tensor<2>, count: usize) -> Result<Option<Vec<(u32, f32)>>, Failure> {
    let values = values(ops::largest(logits, count)).await?;
    let Some((&[found, not_finite], lines)) = values.as_chunks().0.split_first() else {
        return Ok(None);
    };
    if found as usize > lines.len() || not_finite > 0.0 {
        return Ok(None);
    }
    let found = lines[..found as usize].iter();
    let mut logits: Vec<_> = found.map(|&[logit, token]| (token as u32, logit)).collect();
    logits.sort_unstable_by_key(|(token, _)| *token);
    Ok(Some(logits))
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
        let outcomes = self.outcomes(requests).await?;
        let answers = requests.iter().zip(outcomes);
        Ok(answers
            .map(|(pair, outcomes)| Loglikelihood {
                token_logprobs: outcomes.iter().map(|outcome| outcome.logprob).collect(),
                is_greedy: outcomes
                    .iter()
                    .zip(&pair.continuation)
                    .all(|(outcome, &token)| outcome.best == token),
            })
            .collect())
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
