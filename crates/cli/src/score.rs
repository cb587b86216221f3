//! `jeoul score`: log-likelihoods of continuations, for programs.

use std::path::PathBuf;

use anyhow::Context;
use jeoul_eval::model::{LanguageModel, Loglikelihood, TokenPair};
use jeoul_eval::plan::Counter;
use jeoul_eval::tokens::{encode_pair, rolling_windows, truncate};
use jeoul_model::{LocalModel, ModelError};
use serde::{Deserialize, Serialize};

use crate::checkpoint::ModelArguments;
use crate::failure::Failure;
use crate::input::read_json;
use crate::output::print;
use crate::progress::Progress;

/// Arguments of `score`.
#[derive(clap::Args)]
pub(crate) struct Score {
    #[command(flatten)]
    model: ModelArguments,
    /// JSON list of {"context", "continuation"}, or of {"text", "rolling": true} for whole texts; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
enum Pair {
    Continuation {
        context: String,
        continuation: String,
    },
    /// A whole text: its rolling log-likelihood.
    Rolling { text: String },
}

/// One pair, as it is read. Other fields are ignored.
#[derive(Deserialize)]
struct Fields {
    context: Option<String>,
    continuation: Option<String>,
    text: Option<String>,
    #[serde(default)]
    rolling: bool,
}

impl TryFrom<Fields> for Pair {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let missing = |field: &str| format!("missing field `{field}`");
        if !fields.rolling && fields.text.is_none() {
            return Ok(Self::Continuation {
                context: fields.context.ok_or_else(|| missing("context"))?,
                continuation: fields.continuation.ok_or_else(|| missing("continuation"))?,
            });
        }
        match fields.context.or(fields.continuation) {
            None => Ok(Self::Rolling {
                text: fields.text.ok_or_else(|| missing("text"))?,
            }),
            Some(_) => Err("`text` stands alone, without `context` and `continuation`".into()),
        }
    }
}

impl Pair {
    fn requests(&self, model: &LocalModel) -> anyhow::Result<Vec<TokenPair>> {
        let max_length = model.max_length();
        match self {
            Self::Continuation {
                context,
                continuation,
            } => {
                let tokens = encode_pair(model, context, continuation);
                Ok(vec![
                    tokens.and_then(|tokens| truncate(tokens, max_length))?,
                ])
            }
            Self::Rolling { text } => {
                let tokens = model.encode(text)?;
                Ok(rolling_windows(&tokens, model.prefix_token(), max_length))
            }
        }
    }
}

/// One pair, as it is printed.
#[derive(Serialize)]
#[serde(untagged)]
enum Scored {
    Continuation {
        context: String,
        continuation: String,
        /// Tokens the model read before the continuation.
        context_ids: Vec<u32>,
        continuation_ids: Vec<u32>,
        /// Nats.
        token_logprobs: Vec<f32>,
        /// Their sum.
        logprob: f64,
        is_greedy: bool,
    },
    Rolling {
        text: String,
        rolling: bool,
        text_ids: Vec<u32>,
        token_logprobs: Vec<f32>,
        logprob: f64,
    },
}

impl Scored {
    fn new(pair: Pair, requests: Vec<TokenPair>, answers: Vec<Loglikelihood>) -> Self {
        let logprob = answers.iter().map(Loglikelihood::sum).sum();
        let is_greedy = answers.iter().all(|answer| answer.is_greedy);
        let logprobs = answers.into_iter().flat_map(|answer| answer.token_logprobs);
        let token_logprobs = logprobs.collect();
        let (contexts, continuations): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|request| (request.context, request.continuation))
            .unzip();
        match pair {
            Pair::Continuation {
                context,
                continuation,
            } => Self::Continuation {
                context,
                continuation,
                context_ids: contexts.concat(),
                continuation_ids: continuations.concat(),
                token_logprobs,
                logprob,
                is_greedy,
            },
            Pair::Rolling { text } => Self::Rolling {
                text,
                rolling: true,
                text_ids: continuations.concat(),
                token_logprobs,
                logprob,
            },
        }
    }
}

impl Score {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let shape = r#"{"context", "continuation"} or {"text", "rolling"}"#;
        let pairs: Vec<Pair> = read_json(&self.pairs, shape)?;
        let progress = Progress::loading()?;
        let (mut model, _) = self.model.load(&progress)?;
        let mut requests = Vec::with_capacity(pairs.len());
        let mut counter = Counter::default();
        for (index, pair) in pairs.iter().enumerate() {
            let pair = pair.requests(&model);
            let pair = pair.with_context(|| format!("`{}` pair {index}", self.pairs.display()))?;
            counter.add(&pair);
            requests.push(pair);
        }
        progress.begin(counter.plan(), "pairs")?;
        let mut lines = Vec::with_capacity(pairs.len());
        for (index, (pair, requests)) in pairs.into_iter().zip(requests).enumerate() {
            let answered = pollster::block_on(model.loglikelihood(&requests));
            let answers = answered.map_err(|error| {
                progress.end();
                match error {
                    ModelError::Cancelled => Failure::stopped(error),
                    error => anyhow::Error::from(error)
                        .context(format!("pair {index}"))
                        .into(),
                }
            })?;
            lines.push(serde_json::to_string(&Scored::new(
                pair, requests, answers,
            ))?);
        }
        progress.end();
        print(&format!("[\n{}\n]", lines.join(",\n")))
    }
}
