//! A run: one model, one task, document by document.

use thiserror::Error;

use crate::error::TaskError;
use crate::model::{GenerateRequest, LanguageModel, Loglikelihood, ModelFailure, TokenPair};
use crate::plan::Window;
use crate::prompt::Prompt;
use crate::request::{Asked, Tokens, asked, tokens};
use crate::rescore::{self, Effort};
use crate::results::{Answer, DocumentResult, RequestResult, TaskScore};
use crate::task::{Document, Task};
use crate::tokens::EncodeError;

/// Settings of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Examples before each question; the task file's own number if `None`.
    pub num_fewshot: Option<u32>,
    /// Documents to score, from the first; all if `None` or 0.
    pub limit: Option<u32>,
    /// Seed of the few-shot sampler.
    pub seed: u64,
    /// Whether prompts are conversations, rendered by the checkpoint's own chat template.
    pub apply_chat_template: bool,
    /// Whether examples are turns of their own in a conversation, and not part of one message.
    pub fewshot_as_multiturn: bool,
    /// What stands before everything else.
    pub system_instruction: Option<String>,
    /// Resamples of metrics whose standard error is found by bootstrap; 0 leaves all standard errors out, as in the harness.
    pub bootstrap_iters: u32,
}

impl Default for RunOptions {
    /// The harness's settings: few-shot seed 1234, 100,000 resamples.
    fn default() -> Self {
        Self {
            num_fewshot: None,
            limit: None,
            seed: 1234,
            apply_chat_template: false,
            fewshot_as_multiturn: false,
            system_instruction: None,
            bootstrap_iters: 100_000,
        }
    }
}

/// What a run yielded.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRun {
    /// The task's score.
    pub score: TaskScore,
    /// The documents it rests on, in order.
    pub documents: Vec<DocumentResult>,
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError<E: ModelFailure> {
    /// The task does not fit the settings, or an answer cannot be scored.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A request that has no tokens, or too many.
    #[error("task `{task}`, document {doc_id}, request {request}: {source}")]
    Request {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// Request (choice) of the document, from 0.
        request: usize,
        /// What is wrong with it.
        source: EncodeError<E>,
    },
    /// The model failed.
    #[error("task `{task}`, document {doc_id}: {source}")]
    Model {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// The model's error.
        source: E,
    },
    /// The model's answers are no log-likelihoods of what was asked.
    #[error("task `{task}`, document {doc_id}: the model gave {found}; expected {expected}")]
    Answer {
        /// Task.
        task: String,
        /// Document, from 0.
        doc_id: u32,
        /// What came.
        found: String,
        /// What should have come.
        expected: String,
    },
    /// The person asked to stop; the run holds what was finished.
    #[error("stopped after {} of {} documents", run.score.documents, run.score.documents_total)]
    Cancelled {
        /// What was finished.
        run: Box<TaskRun>,
    },
}

/// Scores the documents of a task in order, with one call of the model for several short ones, so that they share what their
/// prompts begin with; see [`crate::plan`].
///
/// `on_document` sees each document as it is finished, with the score so far. Nothing is kept between runs.
pub async fn run_task<M: LanguageModel>(
    model: &mut M,
    task: &Task,
    options: &RunOptions,
    on_document: &mut dyn FnMut(&DocumentResult, &TaskScore),
) -> Result<TaskRun, RunError<M::Error>> {
    run_prompts(model, task, options, task.prompts(options)?, on_document).await
}

/// Asks about some documents of a task once more, as a run with `options` would have: each with the examples it had there. Gives
/// them in the order of the run; `doc_ids` that it has not are left out.
pub async fn run_documents<M: LanguageModel>(
    model: &mut M,
    task: &Task,
    options: &RunOptions,
    doc_ids: &[u32],
) -> Result<TaskRun, RunError<M::Error>> {
    let mut prompts = task.prompts(options)?;
    prompts.retain(|prompt| doc_ids.contains(&prompt.doc_id));
    run_prompts(model, task, options, prompts, &mut |_, _| {}).await
}

async fn run_prompts<M: LanguageModel>(
    model: &mut M,
    task: &Task,
    options: &RunOptions,
    prompts: Vec<Prompt<'_>>,
    on_document: &mut dyn FnMut(&DocumentResult, &TaskScore),
) -> Result<TaskRun, RunError<M::Error>> {
    let mut state = State {
        task,
        options,
        total: prompts.len(),
        documents: Vec::with_capacity(prompts.len()),
    };
    let (mut window, mut waiting) = (Window::default(), Vec::new());
    for prompt in &prompts {
        match Waiting::new(model, task, prompt, options) {
            Ok(next) => {
                let full = window.add(&next.tokens);
                waiting.push(next);
                if !full {
                    continue;
                }
            }
            Err(error) => {
                state.answer(model, waiting, on_document).await?;
                return Err(error);
            }
        }
        let full = std::mem::take(&mut waiting);
        window = Window::default();
        state = state.answer(model, full, on_document).await?;
    }
    let state = state.answer(model, waiting, on_document).await?;
    Ok(state.finish()?)
}

/// A document whose requests are to be asked.
struct Waiting<'a> {
    doc_id: u32,
    document: &'a Document,
    asked: Asked,
    tokens: Vec<Tokens>,
}

impl<'a> Waiting<'a> {
    fn new<M: LanguageModel>(
        model: &M,
        task: &Task,
        prompt: &Prompt<'a>,
        options: &RunOptions,
    ) -> Result<Self, RunError<M::Error>> {
        let doc_id = prompt.doc_id;
        let asked =
            asked(model, task, prompt, options).map_err(|source| failed(task, doc_id, source))?;
        let tokens = tokens(model, task, doc_id, &asked)?;
        Ok(Self {
            doc_id,
            document: prompt.document,
            asked,
            tokens,
        })
    }
}

fn failed<E: ModelFailure>(task: &Task, doc_id: u32, source: E) -> RunError<E> {
    RunError::Model {
        task: task.name().into(),
        doc_id,
        source,
    }
}

/// What the model answered to one [`Tokens`].
enum Answered {
    Loglikelihoods(Vec<Loglikelihood>),
    Texts(Vec<String>),
}

/// Asks everything about some documents: all log-likelihoods in one call.
async fn answer<M: LanguageModel>(
    model: &mut M,
    documents: &[Waiting<'_>],
) -> Result<Vec<Vec<Answered>>, M::Error> {
    let tokens = || documents.iter().flat_map(|document| &document.tokens);
    let pairs: Vec<TokenPair> = tokens()
        .flat_map(|tokens| match tokens {
            Tokens::Pairs(pairs) => pairs.clone(),
            Tokens::Generations(_) => Vec::new(),
        })
        .collect();
    let mut loglikelihoods = match pairs.is_empty() {
        true => Vec::new(),
        false => model.loglikelihood(&pairs).await?,
    }
    .into_iter();
    let mut answers = Vec::with_capacity(documents.len());
    for document in documents {
        let mut answered = Vec::with_capacity(document.tokens.len());
        for tokens in &document.tokens {
            answered.push(match tokens {
                Tokens::Pairs(pairs) => {
                    Answered::Loglikelihoods(loglikelihoods.by_ref().take(pairs.len()).collect())
                }
                Tokens::Generations(requests) => Answered::Texts(texts(model, requests).await?),
            });
        }
        answers.push(answered);
    }
    Ok(answers)
}

/// Generates for each request of a document.
async fn texts<M: LanguageModel>(
    model: &mut M,
    requests: &[GenerateRequest],
) -> Result<Vec<String>, M::Error> {
    let mut texts: Vec<String> = Vec::with_capacity(requests.len());
    for request in requests {
        // What is most probable stays so however often it is asked.
        match texts.first() {
            Some(first) if request.sampling.is_none() => texts.push(first.clone()),
            _ => texts.push(model.generate(request, &mut |_| {}).await?.text),
        }
    }
    Ok(texts)
}

/// A run between two documents.
struct State<'a> {
    task: &'a Task,
    options: &'a RunOptions,
    total: usize,
    documents: Vec<DocumentResult>,
}

impl State<'_> {
    /// Asks about some documents and adds them. If the model fails on several, each is asked alone, so that those before the
    /// culprit count and the error names it.
    async fn answer<M: LanguageModel>(
        mut self,
        model: &mut M,
        documents: Vec<Waiting<'_>>,
        on_document: &mut dyn FnMut(&DocumentResult, &TaskScore),
    ) -> Result<Self, RunError<M::Error>> {
        match answer(model, &documents).await {
            Ok(answers) => {
                for (document, answers) in documents.into_iter().zip(answers) {
                    self.add(document, answers)?;
                    let score = self.score(0)?;
                    if let Some(last) = self.documents.last() {
                        on_document(last, &score);
                    }
                }
                Ok(self)
            }
            Err(error) if error.is_cancelled() => Err(RunError::Cancelled {
                run: Box::new(self.finish()?),
            }),
            Err(error) if documents.len() == 1 => {
                Err(failed(self.task, documents[0].doc_id, error))
            }
            Err(_) => {
                for document in documents {
                    self = Box::pin(self.answer(model, vec![document], on_document)).await?;
                }
                Ok(self)
            }
        }
    }

    fn add<E: ModelFailure>(
        &mut self,
        waiting: Waiting<'_>,
        answers: Vec<Answered>,
    ) -> Result<(), RunError<E>> {
        let Waiting {
            doc_id,
            document,
            asked,
            tokens,
        } = waiting;
        let mut requests = Vec::with_capacity(asked.requests.len());
        for (index, ((request, tokens), answered)) in asked
            .requests
            .into_iter()
            .zip(&tokens)
            .zip(answers)
            .enumerate()
        {
            let answer = check(tokens, answered).map_err(|(found, expected)| RunError::Answer {
                task: self.task.name().into(),
                doc_id,
                found: format!("{found} for request {index}"),
                expected,
            })?;
            requests.push(RequestResult {
                context: request.context,
                continuation: request.continuation,
                answer,
            });
        }
        let mut result = rescore::document_result(self.task, document, doc_id, requests)?;
        result.fewshot_context = asked.fewshot_context;
        result.prompt = asked.prompt;
        result.tokens_asked = tokens.iter().map(Tokens::asked).sum::<usize>() as u32;
        self.documents.push(result);
        Ok(())
    }

    fn finish(self) -> Result<TaskRun, TaskError> {
        Ok(TaskRun {
            score: self.score(self.options.bootstrap_iters)?,
            documents: self.documents,
        })
    }

    /// The score of the documents so far. Without resamples, as after each document, there is only the standard error of
    /// means, and metrics of whole corpora are left out.
    fn score(&self, bootstrap_iters: u32) -> Result<TaskScore, TaskError> {
        let during = bootstrap_iters == 0 && self.documents.len() < self.total;
        let effort = match (during, self.options.bootstrap_iters, bootstrap_iters) {
            (true, _, _) => Effort::Running,
            (false, 1.., 0) => Effort::Formulas,
            (false, _, iterations) => Effort::Bootstrap(iterations),
        };
        let shots = self.task.shots(self.options.num_fewshot);
        rescore::task_score(self.task, shots, self.total, &self.documents, effort)
    }
}

/// A model that answers with too few numbers, or with NaN, must not become a score: `argmax` would pick the NaN.
fn check(tokens: &Tokens, answered: Answered) -> Result<Answer, (String, String)> {
    match (tokens, answered) {
        (Tokens::Pairs(pairs), Answered::Loglikelihoods(answers)) => {
            if answers.len() != pairs.len() {
                return Err((
                    format!("{} answers", answers.len()),
                    pairs.len().to_string(),
                ));
            }
            let mut token_logprobs = Vec::new();
            let mut sum = 0.0;
            let mut is_greedy = true;
            for (pair, answer) in pairs.iter().zip(answers) {
                let (found, expected) = (answer.token_logprobs.len(), pair.continuation.len());
                if found != expected {
                    return Err((format!("{found} tokens"), expected.to_string()));
                }
                let finite = |value: &&f32| !value.is_finite();
                if let Some(value) = answer.token_logprobs.iter().find(finite) {
                    return Err((value.to_string(), "finite log-probabilities".into()));
                }
                sum += answer.sum();
                is_greedy &= answer.is_greedy;
                token_logprobs.extend(answer.token_logprobs);
            }
            Ok(Answer::Loglikelihood {
                sum,
                token_logprobs,
                is_greedy,
            })
        }
        (Tokens::Generations(_), Answered::Texts(texts)) => Ok(Answer::Texts { texts }),
        _ => Err(("another kind of answer".into(), "what was asked".into())),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
