//! Chat templates: the Jinja program inside a checkpoint that turns messages into a prompt.
//!
//! Set up as `apply_chat_template` of Hugging Face's transformers 5.24 sets up Jinja2 (`utils/chat_template_utils.py`), so that the
//! prompts are those of lm-evaluation-harness. The template is untrusted: its steps, its depth and with them its output are limited.
//!
//! Known limits: no tools and no documents (the harness passes none); numbers inside `tojson` are written as Rust writes them.
//! A template written to do harm, that puts a list into itself again and again, can still take long or exhaust the stack of
//! the thread: Jinja values have no depth limit. A page runs this in a worker, which it can end.

mod json;

use std::borrow::Cow;

use jiff::civil::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use crate::text::shown;

/// Steps one rendering may take, and with them its output: 64 bytes cost a step, so at most 6.4 MB.
const STEPS_MAX: u64 = 100_000;
/// Nested blocks and macro calls; a template has a handful.
const DEPTH_MAX: usize = 64;
/// What marks the end of the message that the model shall continue. Its space tells whether the template trims messages.
/// transformers' own: where a template writes a message twice, one of the tags stays in the prompt.
const END_TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// One message of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatMessage<'a> {
    /// Who says it: `system`, `user` or `assistant`.
    pub role: &'a str,
    /// What is said.
    pub content: &'a str,
}

/// A checkpoint's chat template, with the tokens it may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    /// `tokenizer.chat_template`.
    pub source: String,
    /// `bos_token` of the template: the token as text.
    pub bos: Option<String>,
    /// `eos_token` of the template.
    pub eos: Option<String>,
}

/// Why messages make no prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// The template is not Jinja.
    #[error("`tokenizer.chat_template`, line {line}: {reason}")]
    Syntax {
        /// Line of the template, from 1.
        line: usize,
        /// The engine's words.
        reason: String,
    },
    /// The template failed, refused the messages, or took too many steps.
    #[error("`tokenizer.chat_template`, line {line}, fails on {messages} messages: {reason}")]
    Render {
        /// Line of the template, from 1.
        line: usize,
        /// Number of messages.
        messages: usize,
        /// The engine's words, or the template's own.
        reason: String,
    },
    /// A last message was to be continued, and there is none.
    #[error("there are 0 messages; to continue the last one, at least 1 is needed")]
    NoMessage,
    /// The template drops or changes the message that was to be continued.
    #[error(
        "`tokenizer.chat_template` does not write the last message, `{found}`, as it is; it cannot be continued"
    )]
    LostMessage {
        /// The message, shortened.
        found: String,
    },
}

impl ChatTemplate {
    /// The prompt of a conversation: with `add_generation_prompt` it ends where the assistant begins to speak, without it
    /// within the last message, after its content, so that the model continues it.
    ///
    /// If the template refuses, it is asked again without the system messages, as `HFLM.apply_chat_template` does
    /// (`lm_eval/models/huggingface.py`).
    pub fn render(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let first = self.render_all(messages, add_generation_prompt);
        match first {
            Err(ChatError::Render { .. }) => {
                let is_rest = |message: &&ChatMessage| message.role != "system";
                let rest: Vec<ChatMessage> = messages.iter().filter(is_rest).copied().collect();
                if rest.len() == messages.len() {
                    return first;
                }
                self.render_all(&rest, add_generation_prompt)
            }
            _ => first,
        }
    }

    fn render_all(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let message = |content: &str, role: &str| context! { role, content };
        let mut values: Vec<Value> = messages
            .iter()
            .map(|m| message(m.content, m.role))
            .collect();
        let continued = match (add_generation_prompt, messages.last()) {
            (true, _) => None,
            (false, None) => return Err(ChatError::NoMessage),
            (false, Some(last)) => {
                values.pop();
                values.push(message(&format!("{}{END_TAG}", last.content), last.role));
                Some(last.content)
            }
        };
        let rendered = self.run(&values, add_generation_prompt)?;
        match continued {
            None => Ok(rendered),
            Some(content) => cut(&rendered, content),
        }
    }

    fn run(&self, messages: &[Value], add_generation_prompt: bool) -> Result<String, ChatError> {
        let env = environment();
        let source = without_generation_tags(&self.source);
        let template = env
            .template_from_str(&source)
            .map_err(|error| ChatError::Syntax {
                line: error.line().unwrap_or(1),
                reason: reason(&error),
            })?;
        let variables = context! {
            messages,
            add_generation_prompt,
            // There, but `None`: templates ask `tools is not none`.
            tools => Value::from(()),
            documents => Value::from(()),
            bos_token => defined(self.bos.as_deref()),
            eos_token => defined(self.eos.as_deref()),
        };
        template
            .render(variables)
            .map_err(|error| ChatError::Render {
                line: error.line().unwrap_or(1),
                messages: messages.len(),
                reason: reason(&error),
            })
    }
}

/// A token that the checkpoint has, or an undefined name.
fn defined(token: Option<&str>) -> Value {
    token.map_or(Value::UNDEFINED, Value::from)
}

/// The prompt up to the end of the last message's content.
fn cut(rendered: &str, content: &str) -> Result<String, ChatError> {
    let tag = END_TAG.trim_end();
    let lost = || ChatError::LostMessage {
        found: shown(content.trim()),
    };
    if !rendered.contains(content.trim()) {
        return Err(lost());
    }
    let (before, _) = rendered.rsplit_once(tag).ok_or_else(lost)?;
    let spaced = rendered
        .get(before.len()..)
        .is_some_and(|rest| rest.starts_with(END_TAG));
    // The template trims messages: the space before the tag would have gone with it.
    Ok(if spaced { before } else { before.trim_end() }.to_owned())
}

fn environment<'source>() -> Environment<'source> {
    let mut env = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    // The builder fails only for empty or equal delimiters; the defaults are neither.
    if let Ok(syntax) = syntax.build() {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_fuel(Some(STEPS_MAX));
    env.set_recursion_limit(DEPTH_MAX);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_filter("tojson", json::filter);
    env.add_function("raise_exception", raise_exception);
    env.add_function("strftime_now", strftime_now);
    env
}

fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
}

/// The local time, as Python's `strftime` writes it.
fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

#[cfg(not(target_family = "wasm"))]
fn now() -> DateTime {
    jiff::ZonedDateTime::now().datetime()
}

/// The browser's clock and time zone; the standard library has neither in wasm.
#[cfg(target_family = "wasm")]
fn now() -> DateTime {
    let date = js_sys::Date::new_0();
    let small = |number: u32| i8::try_from(number).unwrap_or_default();
    let year = i16::try_from(date.get_full_year()).unwrap_or_default();
    let (month, day) = (small(date.get_month()) + 1, small(date.get_date()));
    let (hour, minute) = (small(date.get_hours()), small(date.get_minutes()));
    DateTime::new(year, month, day, hour, minute, small(date.get_seconds()), 0).unwrap_or_default()
}

/// `{% generation %}` only marks what the assistant said, for training; here it is a block that is always written.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("endgeneration") {
        return source.into();
    }
    let mut pieces = source.split("{%");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str("{%");
        let replaced = piece.split_once("%}").and_then(|(tag, rest)| {
            let name = tag.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
            let by = match name {
                "generation" => "if true",
                "endgeneration" => "endif",
                _ => return None,
            };
            Some(format!("{}%}}{rest}", tag.replacen(name, by, 1)))
        });
        out.push_str(replaced.as_deref().unwrap_or(piece));
    }
    out.into()
}

/// The engine's words without its own place.
fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
