//! What is asked of the model about one document: texts, and the tokens they become.
//!
//! As `construct_requests` (`lm_eval/api/task.py`) and the requests of `HFLM` (`lm_eval/models/huggingface.py`).

use crate::config::OutputType;
use crate::metric::MetricKind;
use crate::model::{GenerateRequest, LanguageModel, TokenPair};
use crate::prompt::{Prompt, plain};
use crate::python;
use crate::run::{RunError, RunOptions};
use crate::task::{Document, Question, Task};
use crate::tokens::{EncodeError, encode_pair, generation_context, rolling_windows, truncate};

/// The texts of a document's prompt, and what is asked after them.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Instruction, description and examples; see [`crate::results::DocumentResult::fewshot_context`].
    pub fewshot_context: String,
    /// The document's own part of the prompt.
    pub prompt: String,
    /// The requests, in order.
    pub requests: Vec<Request>,
}

/// One thing asked of the model, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the model reads, where it is not `fewshot_context` and `prompt`.
    pub context: Option<String>,
    /// The text whose probability is asked for; `None` asks for a generation.
    pub continuation: Option<String>,
}

/// One thing asked of the model, as tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tokens {
    /// Log-likelihoods whose sum answers the request: one, or the windows of a long text.
    Pairs(Vec<TokenPair>),
    /// Generations.
    Generations(Vec<GenerateRequest>),
}

impl Tokens {
    /// Tokens that are read or scored, each counted as often as it is asked; generated ones are not known before.
    pub(crate) fn asked(&self) -> usize {
        match self {
            Self::Pairs(pairs) => pairs
                .iter()
                .map(|pair| pair.context.len() + pair.continuation.len())
                .sum(),
            Self::Generations(requests) => {
                requests.iter().map(|request| request.context.len()).sum()
            }
        }
    }
}

/// The texts that are asked about a document.
pub(crate) fn asked<M: LanguageModel>(
    model: &M,
    task: &Task,
    prompt: &Prompt<'_>,
    options: &RunOptions,
) -> Result<Asked, M::Error> {
    let mut contexts = Vec::new();
    let mut asked = Asked {
        fewshot_context: String::new(),
        prompt: String::new(),
        requests: Vec::new(),
    };
    if options.apply_chat_template {
        for question in prompt.questions() {
            let messages = prompt.messages(&question, options.fewshot_as_multiturn);
            contexts.push(model.apply_chat_template(&messages, prompt.add_generation_prompt())?);
        }
    } else {
        asked.fewshot_context = prompt.fewshot_context();
        contexts.extend(prompt.questions().iter().map(|question| plain(question)));
    }
    let document = prompt.document;
    let target = document.target.as_str().unwrap_or_default();
    let delimiter = delimiter(task, options);
    let request = |context: Option<String>, continuation: String| Request {
        context,
        continuation: Some(continuation),
    };
    let single = matches!(document.question, Question::Text(_));
    if single {
        asked.prompt = contexts.pop().unwrap_or_default();
    }
    asked.requests = match task.config.output_type {
        // One context for each choice, and the target after all of them.
        OutputType::MultipleChoice if !single => contexts
            .into_iter()
            .map(|context| {
                let whole = format!("{}{context}", asked.fewshot_context);
                request(Some(whole), format!("{delimiter}{target}"))
            })
            .collect(),
        OutputType::MultipleChoice => document
            .choices
            .iter()
            .map(|choice| request(None, format!("{delimiter}{choice}")))
            .collect(),
        OutputType::Loglikelihood => vec![request(None, target.into())],
        OutputType::LoglikelihoodRolling => vec![request(Some(String::new()), target.into())],
        OutputType::GenerateUntil => vec![Request {
            context: None,
            continuation: None,
        }],
    };
    if task.config.has_metric(&MetricKind::AccMutualInfo) {
        let alone = |choice| request(Some(String::new()), format!("{delimiter}{choice}"));
        asked.requests.extend(document.choices.iter().map(alone));
    }
    Ok(asked)
}

/// Requests that are asked about a document: one for each choice, twice as many where `acc_mutual_info` is among the metrics, or a
/// single one.
pub fn request_count(task: &Task, document: &Document) -> usize {
    let choices = document.choices.len();
    let alone = match task.config.has_metric(&MetricKind::AccMutualInfo) {
        true => choices,
        false => 0,
    };
    match task.config.output_type {
        OutputType::MultipleChoice => choices + alone,
        _ => 1 + alone,
    }
}

/// What stands between a context and a choice. In chat form the model's turn has begun already.
fn delimiter<'a>(task: &'a Task, options: &RunOptions) -> &'a str {
    let form = &task.config.form;
    let begun = form
        .gen_prefix
        .as_deref()
        .is_some_and(|prefix| !prefix.is_empty() && !prefix.ends_with(python::is_space));
    if options.apply_chat_template && !begun {
        ""
    } else {
        &form.target_delimiter
    }
}

/// The tokens of a document's requests, shortened to what the model can read.
pub(crate) fn tokens<M: LanguageModel>(
    model: &M,
    task: &Task,
    doc_id: u32,
    asked: &Asked,
) -> Result<Vec<Tokens>, RunError<M::Error>> {
    let whole = format!("{}{}", asked.fewshot_context, asked.prompt);
    let one = |(index, request): (usize, &Request)| {
        let context = request.context.as_deref().unwrap_or(&whole);
        let tokens = match &request.continuation {
            None => generations(model, task, context),
            Some(text) if task.config.output_type == OutputType::LoglikelihoodRolling => {
                rolling(model, text)
            }
            Some(continuation) => encode_pair(model, context, continuation)
                .and_then(|pair| truncate(pair, model.max_length()))
                .map(|pair| Tokens::Pairs(vec![pair])),
        };
        tokens.map_err(|source| RunError::Request {
            task: task.name().into(),
            doc_id,
            request: index,
            source,
        })
    };
    asked.requests.iter().enumerate().map(one).collect()
}

fn rolling<M: LanguageModel>(model: &M, text: &str) -> Result<Tokens, EncodeError<M::Error>> {
    let tokens = model.encode(text).map_err(EncodeError::Model)?;
    let windows = rolling_windows(&tokens, model.prefix_token(), model.max_length());
    Ok(Tokens::Pairs(windows))
}

/// As `HFLM.generate_until`: the context keeps its end, with room for what is generated.
fn generations<M: LanguageModel>(
    model: &M,
    task: &Task,
    context: &str,
) -> Result<Tokens, EncodeError<M::Error>> {
    let Some(settings) = &task.config.generation else {
        return Ok(Tokens::Generations(Vec::new()));
    };
    let context = generation_context(model, context, settings.max_tokens)?;
    let request = |repeat: u32| GenerateRequest {
        context: context.clone(),
        until: settings.until.clone(),
        max_tokens: settings.max_tokens,
        // Repeats are drawn anew.
        sampling: settings.sampling.map(|mut sampling| {
            sampling.seed = sampling.seed.wrapping_add(u64::from(repeat));
            sampling
        }),
    };
    Ok(Tokens::Generations(
        (0..task.config.repeats).map(request).collect(),
    ))
}
