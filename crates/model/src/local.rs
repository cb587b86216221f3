//! A loaded checkpoint: answers requests, computing what their beginnings share once.

use burn::tensor::Tensor;
use jeoul_checkpoint::{ByteSource, Checkpoint, Tokenizer};
use jeoul_eval::model::{LanguageModel, Loglikelihood, TokenPair};
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
        let tokenizer = checkpoint.into_tokenizer();
        Ok(Self {
            tokenizer,
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
        for (what, tokens) in [
            ("context", &pair.context),
            ("continuation", &pair.continuation),
        ] {
            if tokens.is_empty() {
                return Err(ModelError::Empty { request, what });
            }
            if let Some(&found) = tokens
                .iter()
                .find(|&&token| token as usize >= self.vocabulary)
            {
                return Err(ModelError::UnknownToken {
                    request,
                    found,
                    allowed: self.vocabulary,
                });
            }
        }
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
        let outcomes = outcomes.map_err(|error| match error {
            Failure::Model(error) => error,
            Failure::Read(reason) => ModelError::Device {
                lane: self.lane,
                reason,
            },
        })?;
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

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Fast {
    async fn outcomes(
        &mut self,
        pair: &TokenPair,
        context_length: usize,
        pace: &mut Pace,
        tokens_computed: &mut u64,
    ) -> Result<Vec<Outcome>, Failure> {
        let tokens = read(pair);
        if tokens.len() > self.cache.positions() {
            let positions = tokens.len().next_power_of_two().min(context_length);
            self.read.clear();
            self.cache = self.decoder.cache(positions);
        }
        self.read.truncate(reuse_start(&self.read, pair));
        // Row `first_scored + i` of the outputs gives continuation token `i`.
        let first_scored = pair.context.len() - 1;
        let mut scores = Vec::new();
        while self.read.len() < tokens.len() {
            let position = self.read.len();
            let end = tokens.len().min(position + CHUNK_TOKENS);
            let x = self
                .decoder
                .forward(&tokens[position..end], position, &mut self.cache);
            self.read.extend(&tokens[position..end]);
            if end > first_scored {
                let from = position.max(first_scored);
                let targets = &pair.continuation[from - first_scored..end - first_scored];
                scores.push(
                    self.decoder
                        .score(x.narrow(0, from - position, end - from), targets),
                );
            }
            *tokens_computed += (end - position) as u64;
            pace.step(Step::Computed {
                tokens: *tokens_computed,
            })
            .await?;
        }
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
}
