//! A model for tests: a tokenizer of words, log-likelihoods and texts from a hash of the tokens before.

use std::cell::RefCell;

use thiserror::Error;

use crate::model::{
    Finish, GenerateRequest, Generation, LanguageModel, Loglikelihood, Message, ModelFailure,
    TokenPair,
};

/// Deterministic and without meaning. Token 0 is `<s>`; other tokens are words with the space before them.
pub(crate) struct FakeModel {
    pub(crate) words: RefCell<Vec<String>>,
    pub(crate) bos: bool,
    /// See [`LanguageModel::max_length`].
    pub(crate) max_length: usize,
    /// Calls of `loglikelihood` and `generate` until they report cancellation.
    pub(crate) calls_left: usize,
    /// Every request of `loglikelihood`, as it came.
    pub(crate) asked: Vec<Vec<TokenPair>>,
    /// Every request of `generate`, as it came.
    pub(crate) asked_to_generate: Vec<GenerateRequest>,
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
            asked_to_generate: Vec::new(),
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

/// FNV-1a over tokens.
struct Hash(u64);

impl Hash {
    fn of(tokens: &[u32]) -> Self {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        tokens.iter().for_each(|&token| hash.add(token));
        hash
    }

    fn add(&mut self, token: u32) {
        self.0 = (self.0 ^ u64::from(token)).wrapping_mul(0x0100_0000_01b3);
    }

    fn below(&self, n: u64) -> u64 {
        (self.0 >> 20) % n
    }
}

/// What the fake says, word after word.
const SAYS: [&str; 8] = [
    " the", " answer", " is", " 7", ".\n", " yes", " no", " 저울",
];

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
            let mut hash = Hash::of(&pair.context);
            // 0 to 10 nats.
            let mut score = |&token: &u32| {
                hash.add(token);
                hash.below(10_000) as f32 / -1000.0
            };
            let mut token_logprobs: Vec<f32> = pair.continuation.iter().map(&mut score).collect();
            token_logprobs[0] += self.shift;
            Loglikelihood {
                is_greedy: token_logprobs.iter().all(|&x| x > -1.0),
                token_logprobs,
            }
        };
        Ok(requests.iter().map(answer).collect())
    }

    async fn generate(
        &mut self,
        request: &GenerateRequest,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation, Stopped> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or(Stopped)?;
        self.asked_to_generate.push(request.clone());
        let mut hash = Hash::of(&request.context);
        hash.add(request.sampling.map_or(0, |sampling| sampling.seed as u32));
        let room = self.max_length.saturating_sub(request.context.len());
        let (mut text, mut tokens) = (String::new(), Vec::new());
        let finish = loop {
            if tokens.len() == room.min(request.max_tokens as usize) {
                break Finish::Length;
            }
            // One time in 17 it has nothing to say.
            let Some(word) = SAYS.get(hash.below(17) as usize / 2) else {
                break Finish::End;
            };
            text += word;
            tokens.push(self.token(word));
            hash.add(tokens.len() as u32);
            if request
                .until
                .iter()
                .any(|stop| !stop.is_empty() && text.contains(stop))
            {
                break Finish::Stop;
            }
        };
        for stop in request.until.iter().filter(|stop| !stop.is_empty()) {
            text.truncate(text.find(stop).unwrap_or(text.len()));
        }
        text.split_inclusive(' ').for_each(on_text);
        Ok(Generation {
            text,
            tokens,
            finish,
        })
    }

    fn chat_template(&self) -> Option<&str> {
        Some("fake")
    }

    /// `<|role|>content` and a line break each; without a generation prompt the last one ends after its content.
    fn apply_chat_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, Stopped> {
        let line = |m: &Message| format!("<|{}|>{}\n", m.role.name(), m.content);
        let mut text: String = messages.iter().map(line).collect();
        if add_generation_prompt {
            text += "<|assistant|>";
        } else {
            text.pop();
        }
        Ok(text)
    }
}
