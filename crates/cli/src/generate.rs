//! `jeoul generate`: continues a text for people, or many for programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use jeoul_eval::model::{GenerateRequest, Generation, LanguageModel, Message, Role, Sampling};
use jeoul_eval::plan::Plan;
use jeoul_eval::tokens::generation_context;
use jeoul_model::{LocalModel, ModelError};
use serde::{Deserialize, Serialize};

use crate::checkpoint::ModelArguments;
use crate::failure::Failure;
use crate::input::{read_json, read_stdin};
use crate::output::print;
use crate::progress::Progress;

/// What lm-evaluation-harness generates where a task does not say (`HFLM._max_gen_toks`).
const MAX_GEN_TOKS: u32 = 256;
/// What Hugging Face's `generate` keeps where nobody says (`GenerationConfig.top_k`).
const TOP_K: u32 = 50;

/// Arguments of `generate`.
#[derive(clap::Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    model: ModelArguments,
    /// Text to continue; without it stdin is read, less a line break at its end.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Print JSON: for each request its context, text, tokens, and why it ended (`stop`, `end`, `length`).
    #[arg(long, requires = "requests")]
    json: bool,
    /// JSON list of {"context"} and, where wanted, {"until", "max_gen_toks", "temperature", "do_sample", "top_p", "top_k",
    /// "seed"}; `-` reads stdin.
    #[arg(
        long,
        value_name = "FILE",
        requires = "json",
        conflicts_with_all = ["prompt", "until", "max_gen_toks", "temperature", "top_p", "top_k", "seed"]
    )]
    requests: Option<PathBuf>,
    /// Ask with the checkpoint's chat template: the text is what the user says.
    #[arg(long)]
    chat: bool,
    /// What the system says first.
    #[arg(
        long = "system_instruction",
        alias = "system-instruction",
        value_name = "TEXT",
        requires = "chat"
    )]
    system_instruction: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// How one text is continued. Names and defaults are those of `generation_kwargs` in the harness.
#[derive(clap::Args)]
struct Settings {
    /// Text at which to stop; may be given several times.
    #[arg(long, value_name = "TEXT")]
    until: Vec<String>,
    /// Most tokens to generate.
    #[arg(
        long = "max_gen_toks",
        alias = "max-gen-toks",
        value_name = "COUNT",
        default_value_t = MAX_GEN_TOKS
    )]
    max_gen_toks: u32,
    /// 0 takes the most probable token each time; above, tokens are drawn.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    temperature: f32,
    /// Draw from the most probable tokens that together have this probability.
    #[arg(
        long = "top_p",
        alias = "top-p",
        value_name = "SHARE",
        default_value_t = 1.0
    )]
    top_p: f32,
    /// Draw from this many of the most probable tokens; 0 from all.
    #[arg(long = "top_k", alias = "top-k", value_name = "COUNT", default_value_t = TOP_K)]
    top_k: u32,
    /// Of the generator that draws.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

impl Settings {
    fn request(self, context: Vec<u32>) -> GenerateRequest {
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            seed: self.seed,
        };
        GenerateRequest {
            context,
            until: self.until,
            max_tokens: self.max_gen_toks,
            sampling: (self.temperature != 0.0).then_some(sampling),
        }
    }
}

/// One request of `--requests`. A field that is not known is an error: to ignore it would give another text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    context: String,
    until: Option<Until>,
    max_gen_toks: Option<u32>,
    temperature: Option<f32>,
    do_sample: Option<bool>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    seed: Option<u64>,
}

/// `until`, as task files write it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`until` must be a text or a list of texts")]
enum Until {
    One(String),
    Many(Vec<String>),
}

impl Asked {
    /// The text, and how it is continued: greedily at temperature 0 or where `do_sample` is false.
    fn split(self) -> (String, Settings) {
        let drawn = self.do_sample != Some(false);
        let settings = Settings {
            until: match self.until {
                None => Vec::new(),
                Some(Until::One(text)) => vec![text],
                Some(Until::Many(texts)) => texts,
            },
            max_gen_toks: self.max_gen_toks.unwrap_or(MAX_GEN_TOKS),
            temperature: self.temperature.filter(|_| drawn).unwrap_or(0.0),
            top_p: self.top_p.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(TOP_K),
            seed: self.seed.unwrap_or(0),
        };
        (self.context, settings)
    }
}

/// One answer, as it is printed.
#[derive(Serialize)]
struct Answered {
    context: String,
    text: String,
    tokens: Vec<u32>,
    finish: &'static str,
}

/// How a conversation begins, where there is one.
struct Chat {
    system_instruction: Option<String>,
}

impl Generate {
    /// Runs the verb.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let chat = self.chat.then_some(Chat {
            system_instruction: self.system_instruction,
        });
        match &self.requests {
            Some(path) => run_all(&self.model, path, chat.as_ref()),
            None => run_one(&self.model, self.prompt, self.settings, chat.as_ref()),
        }
    }
}

/// The request for a text: rendered, encoded and shortened.
fn request(
    model: &LocalModel,
    text: &str,
    settings: Settings,
    chat: Option<&Chat>,
) -> anyhow::Result<GenerateRequest> {
    let rendered = match chat {
        None => None,
        Some(chat) => {
            let message = |role, content: &str| Message {
                role,
                content: content.into(),
            };
            let system = chat.system_instruction.as_deref();
            let mut messages = Vec::from_iter(system.map(|text| message(Role::System, text)));
            messages.push(message(Role::User, text));
            Some(model.apply_chat_template(&messages, true)?)
        }
    };
    let text = rendered.as_deref().unwrap_or(text);
    let context = generation_context(model, text, settings.max_gen_toks)?;
    Ok(settings.request(context))
}

/// Streams one text to stdout.
fn run_one(
    arguments: &ModelArguments,
    prompt: Option<String>,
    settings: Settings,
    chat: Option<&Chat>,
) -> Result<(), Failure> {
    let prompt = match prompt {
        Some(prompt) => prompt,
        None => {
            let text = read_stdin()?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            text.strip_suffix('\r').unwrap_or(text).to_owned()
        }
    };
    let progress = Progress::loading()?;
    let (mut model, _) = arguments.load(&progress)?;
    progress.hide();
    let request = request(&model, &prompt, settings, chat)?;
    let (start, mut written) = (Instant::now(), Ok(()));
    let mut show = |piece: &str| {
        let mut stdout = io::stdout().lock();
        let result = stdout
            .write_all(piece.as_bytes())
            .and_then(|()| stdout.flush());
        if result.is_err() && written.is_ok() {
            // Nobody reads on.
            written = result;
            progress.stop();
        }
    };
    let answer = pollster::block_on(model.generate(&request, &mut show));
    written?;
    print("\n")?;
    let Generation { tokens, finish, .. } = answer.map_err(|error| match error {
        ModelError::Cancelled => Failure::stopped(error),
        error => error.into(),
    })?;
    let (count, elapsed_s) = (tokens.len(), start.elapsed().as_secs_f64());
    eprintln!(
        "{count} tokens in {elapsed_s:.1} s, {:.1} tokens/s on the {} lane; ended by {}",
        count as f64 / elapsed_s,
        model.lane(),
        finish.name()
    );
    Ok(())
}

/// Answers all requests of a file, in order.
fn run_all(arguments: &ModelArguments, path: &Path, chat: Option<&Chat>) -> Result<(), Failure> {
    let asked: Vec<Asked> = read_json(path, r#"{"context", "until", "max_gen_toks", …}"#)?;
    let progress = Progress::loading()?;
    let (mut model, _) = arguments.load(&progress)?;
    let name = |index: usize| format!("`{}` request {index}", path.display());
    let mut requests = Vec::with_capacity(asked.len());
    let mut plan = Plan::default();
    for (index, asked) in asked.into_iter().enumerate() {
        let (context, settings) = asked.split();
        let request = request(&model, &context, settings, chat).with_context(|| name(index))?;
        // At most: a text may end early, and a beginning may be shared.
        plan.tokens_computed += request.context.len() as u64 + u64::from(request.max_tokens);
        requests.push((context, request));
    }
    plan.tokens_asked = plan.tokens_computed;
    progress.begin(plan, "requests")?;
    let mut lines = Vec::with_capacity(requests.len());
    for (index, (context, request)) in requests.into_iter().enumerate() {
        let answered = pollster::block_on(model.generate(&request, &mut |_| {}));
        let answer = answered.map_err(|error| {
            progress.end();
            match error {
                ModelError::Cancelled => Failure::stopped(error),
                error => anyhow::Error::from(error).context(name(index)).into(),
            }
        })?;
        lines.push(serde_json::to_string(&Answered {
            context,
            text: answer.text,
            tokens: answer.tokens,
            finish: answer.finish.name(),
        })?);
    }
    progress.end();
    print(&format!("[\n{}\n]", lines.join(",\n")))
}
