//! `jeoul score`: log-likelihoods of continuations, for programs.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::Context;
use jeoul_eval::model::LanguageModel;
use jeoul_eval::plan::Counter;
use jeoul_eval::tokens::{encode_pair, truncate};
use jeoul_model::ModelError;
use serde::{Deserialize, Serialize};

use crate::checkpoint::ModelArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::progress::Progress;

/// Arguments of `score`.
#[derive(clap::Args)]
pub(crate) struct Score {
    #[command(flatten)]
    model: ModelArguments,
    /// JSON list of {"context", "continuation"}; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
}

/// One pair, as it is read. Other fields are ignored.
#[derive(Deserialize)]
struct Pair {
    context: String,
    continuation: String,
}

/// One pair, as it is printed.
#[derive(Serialize)]
struct Scored {
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
}

impl Score {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let pairs = self.read()?;
        let progress = Progress::loading()?;
        let (mut model, _) = self.model.load(&progress)?;
        let mut requests = Vec::with_capacity(pairs.len());
        let mut counter = Counter::default();
        for (index, pair) in pairs.iter().enumerate() {
            let tokens = encode_pair(&model, &pair.context, &pair.continuation)
                .and_then(|tokens| truncate(tokens, model.max_length()))
                .with_context(|| format!("`{}` pair {index}", self.pairs.display()))?;
            counter.add(&tokens);
            requests.push(tokens);
        }
        progress.begin(counter.plan(), "pairs")?;
        let mut answers = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let answered = pollster::block_on(model.loglikelihood(std::slice::from_ref(request)));
            answers.extend(answered.map_err(|error| {
                progress.end();
                match error {
                    ModelError::Cancelled => Failure::stopped(error),
                    error => anyhow::Error::from(error)
                        .context(format!("pair {index}"))
                        .into(),
                }
            })?);
        }
        progress.end();
        let scored = pairs.into_iter().zip(requests).zip(answers);
        let lines = scored
            .map(|((pair, tokens), answer)| {
                serde_json::to_string(&Scored {
                    context: pair.context,
                    continuation: pair.continuation,
                    context_ids: tokens.context,
                    continuation_ids: tokens.continuation,
                    logprob: answer.sum(),
                    token_logprobs: answer.token_logprobs,
                    is_greedy: answer.is_greedy,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        print(&format!("[\n{}\n]", lines.join(",\n")))
    }

    fn read(&self) -> anyhow::Result<Vec<Pair>> {
        let name = self.pairs.display();
        let text = match self.pairs.as_os_str() == "-" {
            true => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).map(|_| text)
            }
            false => fs::read_to_string(&self.pairs),
        };
        let text = text.with_context(|| format!("cannot read `{name}`"))?;
        serde_json::from_str(text.trim_start_matches('\u{feff}')).with_context(|| {
            format!("`{name}` is no JSON list of {{\"context\", \"continuation\"}}")
        })
    }
}
