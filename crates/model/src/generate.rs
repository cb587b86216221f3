//! Continuing a text: one token after another, each from all before it.
//!
//! Greedy tokens come from the operation that says `is_greedy` of a log-likelihood, so that both always agree; of the GPU's
//! results 8 bytes a token are read back. Sampled ones need the logits of those that may be drawn: with `top_k` 4 KiB.

use jeoul_eval::model::{Finish, GenerateRequest, Generation};

use crate::sampling::Sampler;
use crate::text_stream::TextStream;
use crate::{LocalModel, ModelError};

/// How the next token is chosen.
enum Choice {
    Greedy,
    Sampled(Box<Sampler>),
}

impl LocalModel {
    /// See `LanguageModel::generate`.
    pub(crate) async fn continue_text(
        &mut self,
        request: &GenerateRequest,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation, ModelError> {
        let mut choice = match &request.sampling {
            None => Choice::Greedy,
            Some(sampling) => Choice::Sampled(Box::new(Sampler::new(sampling)?)),
        };
        let room = self.room(&request.context)?;
        let count_max = room.min(request.max_tokens as usize);
        self.reserve(request.context.len() + count_max);

        let mut sequence = request.context.clone();
        let mut stream = TextStream::new(&request.until);
        let finish = loop {
            if sequence.len() - request.context.len() == count_max {
                break Finish::Length;
            }
            let token = match &mut choice {
                Choice::Greedy => self.most_probable(&sequence).await?,
                Choice::Sampled(sampler) => {
                    sampler.draw(&self.logits(&sequence, sampler.top_k()).await?)
                }
            };
            if self.tokenizer().ends().contains(&token) {
                break Finish::End;
            }
            sequence.push(token);
            // The vocabulary of the tokenizer is the network's.
            let bytes = self.tokenizer().bytes(token).unwrap_or_default();
            let stopped = stream.push(&bytes, self.tokenizer().is_control(token));
            give(stream.certain(), on_text);
            if stopped {
                break Finish::Stop;
            }
        };
        let (last, text) = stream.finish();
        give(&last, on_text);
        Ok(Generation {
            text,
            tokens: sequence.split_off(request.context.len()),
            finish,
        })
    }
}

fn give(piece: &str, on_text: &mut dyn FnMut(&str)) {
    if !piece.is_empty() {
        on_text(piece);
    }
}
