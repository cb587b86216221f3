//! What a run will cost, in tokens, before it begins.

use crate::model::{LanguageModel, TokenPair};
use crate::request::{Tokens, asked, tokens};
use crate::run::{RunError, RunOptions};
use crate::task::Task;

/// Tokens of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Context and continuation tokens of all requests, each counted as often as it is asked.
    pub tokens_asked: u64,
    /// Tokens the engine computes; see [`reuse_start`]. Of generations their context only.
    pub tokens_computed: u64,
    /// Most tokens that generations add: each may end earlier.
    pub tokens_generated: u64,
}

/// Counts requests in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    plan: Plan,
    /// Tokens the engine computed last.
    previous: Vec<u32>,
}

impl Counter {
    /// Counts one more log-likelihood.
    pub fn add(&mut self, pair: &TokenPair) {
        let tokens = read(pair);
        self.plan.tokens_asked += (pair.context.len() + pair.continuation.len()) as u64;
        self.plan.tokens_computed += (tokens.len() - reuse_start(&self.previous, pair)) as u64;
        self.previous = tokens;
    }

    /// Counts one more generation after `context`.
    pub fn add_generation(&mut self, context: &[u32], max_tokens: u32) {
        let pair = TokenPair {
            context: context.to_vec(),
            continuation: Vec::new(),
        };
        self.add(&pair);
        self.plan.tokens_generated += u64::from(max_tokens);
    }

    /// What was counted so far.
    pub fn plan(&self) -> Plan {
        self.plan
    }
}

/// Counts the tokens of a run on an engine that keeps the sequence it computed last.
pub fn plan<M: LanguageModel>(
    model: &M,
    task: &Task,
    options: &RunOptions,
) -> Result<Plan, RunError<M::Error>> {
    let mut counter = Counter::default();
    for prompt in task.prompts(options)? {
        let asked = asked(model, task, &prompt, options).map_err(|source| RunError::Model {
            task: task.name().into(),
            doc_id: prompt.doc_id,
            source,
        })?;
        for request in tokens(model, task, prompt.doc_id, &asked)? {
            match request {
                Tokens::Pairs(pairs) => pairs.iter().for_each(|pair| counter.add(pair)),
                Tokens::Generations(requests) => requests
                    .iter()
                    .for_each(|one| counter.add_generation(&one.context, one.max_tokens)),
            }
        }
    }
    Ok(counter.plan())
}

/// What a model reads for a request: all tokens but the last.
pub fn read(pair: &TokenPair) -> Vec<u32> {
    let scored = pair.continuation.len().saturating_sub(1);
    pair.context
        .iter()
        .chain(&pair.continuation[..scored])
        .copied()
        .collect()
}

/// Place in [`read`]`(pair)` from which an engine must compute, if it keeps keys and values of `previous`, the tokens it
/// computed last.
///
/// The common beginning is kept, but never the last token of the context: its output scores the first of the continuation.
///
/// ```text
/// previous   0 1 2 3 4 5 | 6 7        context 0..=5
/// tokens     0 1 2 3 4 5 | 8 9        start 5: outputs of 5, 8, 9
/// ```
pub fn reuse_start(previous: &[u32], pair: &TokenPair) -> usize {
    let kept = previous
        .iter()
        .zip(&pair.context)
        .take_while(|(a, b)| a == b)
        .count();
    kept.min(pair.context.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(context: &[u32], continuation: &[u32]) -> TokenPair {
        TokenPair {
            context: context.to_vec(),
            continuation: continuation.to_vec(),
        }
    }

    #[test]
    fn the_last_token_of_the_context_is_always_computed() {
        let next = pair(&[0, 1, 2], &[3, 4]);
        assert_eq!(reuse_start(&[], &next), 0);
        assert_eq!(reuse_start(&[0, 9], &next), 1);
        assert_eq!(reuse_start(&[0, 1], &next), 2);
        assert_eq!(reuse_start(&[0, 1, 2, 3], &next), 2);
        assert_eq!(reuse_start(&[7], &pair(&[7], &[8])), 0);
    }

    #[test]
    fn the_last_token_of_the_continuation_is_not_read() {
        assert_eq!(read(&pair(&[0, 1], &[2, 3])), [0, 1, 2]);
    }
}
