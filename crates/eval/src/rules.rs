//! The rules of a task file (`doc_to_text`, `doc_to_target`, `doc_to_choice` …), applied to documents.
//!
//! As the methods of the same names of `ConfigurableTask` (`lm_eval/api/task.py`).

use std::collections::HashSet;

use minijinja::{Environment, ErrorKind, Template};
use serde_json::Value as Json;

use crate::builtin::DocTo;
use crate::config::{Form, OutputType, Rule, TaskConfig};
use crate::documents::{Row, kind};
use crate::error::TaskError;
use crate::prompt::Example;
use crate::python;
use crate::task::{Document, Question};
use crate::template;

/// A row and the file it lies in.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) row: &'a Row,
}

impl<'a> Place<'a> {
    fn field(self, key: &'static str, field: &str) -> Result<&'a Json, TaskError> {
        self.row
            .fields
            .get(field)
            .ok_or_else(|| TaskError::MissingField {
                file: self.file.into(),
                line: self.row.line,
                key,
                field: field.into(),
            })
    }

    pub(crate) fn wrong(
        self,
        key: &'static str,
        found: impl Into<String>,
        allowed: &'static str,
    ) -> TaskError {
        TaskError::Field {
            file: self.file.into(),
            line: self.row.line,
            key,
            found: found.into(),
            allowed,
        }
    }

    fn render(self, key: &'static str, template: &Template<'_, '_>) -> Result<String, TaskError> {
        template
            .render(template::context(&self.row.fields))
            .map_err(|error| {
                let (file, line) = (self.file.to_string(), self.row.line);
                match error.kind() {
                    ErrorKind::OutOfFuel => TaskError::EndlessTemplate {
                        file,
                        line,
                        key,
                        limit: template::STEPS_MAX,
                    },
                    _ => TaskError::Template {
                        file,
                        line,
                        key,
                        reason: template::reason(&error),
                    },
                }
            })
    }

    fn gold(self, found: String, choices: usize) -> TaskError {
        TaskError::Gold {
            file: self.file.into(),
            line: self.row.line,
            found,
            choices,
        }
    }
}

/// A rule of the task file, ready to be applied to a document.
enum Compiled<'env> {
    Field(String),
    Template(Box<Template<'env, 'env>>),
    Index(i64),
    List(Vec<String>),
    Function(DocTo),
}

/// The rules of a task file, for its documents or for its examples.
pub(crate) struct Rules<'env> {
    description: Compiled<'env>,
    text: Compiled<'env>,
    target: Compiled<'env>,
    choice: Option<Compiled<'env>>,
    prefix: Option<Compiled<'env>>,
}

impl<'env> Rules<'env> {
    /// Compiles the templates of `form`; a text that names one of `features` is a field.
    pub(crate) fn compile(
        env: &'env Environment<'env>,
        config: &'env TaskConfig,
        form: &'env Form,
        features: &HashSet<String>,
    ) -> Result<Self, TaskError> {
        let text = |key: &'static str, text: &'env str| -> Result<Compiled<'env>, TaskError> {
            if features.contains(text) {
                return Ok(Compiled::Field(text.into()));
            }
            let template = env.template_from_str(text).map_err(|error| {
                let (file, line) = config.file.place(key);
                TaskError::TemplateSyntax {
                    file,
                    line,
                    key,
                    reason: template::reason(&error),
                }
            })?;
            Ok(Compiled::Template(Box::new(template)))
        };
        let rule = |key: &'static str, rule: &'env Rule| match rule {
            Rule::Text(source) => text(key, source),
            Rule::Index(index) => Ok(Compiled::Index(*index)),
            Rule::List(items) => Ok(Compiled::List(items.clone())),
            Rule::Function(call) => Ok(Compiled::Function(*call)),
        };
        let choice = form.doc_to_choice.as_ref();
        let prefix = form.gen_prefix.as_deref();
        Ok(Self {
            description: text("description", &config.description)?,
            text: rule("doc_to_text", &form.doc_to_text)?,
            target: rule("doc_to_target", &form.doc_to_target)?,
            choice: choice
                .map(|choice| rule("doc_to_choice", choice))
                .transpose()?,
            prefix: prefix
                .map(|prefix| text("gen_prefix", prefix))
                .transpose()?,
        })
    }

    /// A document, with everything that is asked about it.
    pub(crate) fn document(
        &self,
        place: Place<'_>,
        output: OutputType,
    ) -> Result<Document, TaskError> {
        let choices = self.choices(place)?;
        let question = self.question(place, &choices)?;
        let target = self.target(place)?;
        let gold = match (&question, output) {
            (Question::Choice(index), _) => {
                text_target(place, &target)?;
                vec![*index]
            }
            (Question::Text(_), OutputType::MultipleChoice) => gold(place, &target, &choices)?,
            // With choices the target is an index among them.
            (Question::Text(_), OutputType::GenerateUntil) if !choices.is_empty() => {
                gold(place, &target, &choices)?
            }
            (Question::Text(_), OutputType::Loglikelihood | OutputType::LoglikelihoodRolling) => {
                text_target(place, &target)?;
                Vec::new()
            }
            (Question::Text(_), OutputType::GenerateUntil) => Vec::new(),
        };
        Ok(Document {
            description: self.string(place, "description", &self.description)?,
            prefix: self.prefix(place)?,
            fields: place.row.fields.clone(),
            question,
            choices,
            gold,
            target,
        })
    }

    /// A few-shot example: its question and its answer.
    pub(crate) fn example(&self, place: Place<'_>) -> Result<Example, TaskError> {
        let choices = self.choices(place)?;
        let question = match self.question(place, &choices)? {
            Question::Text(text) => (text, choices),
            // The right choice is the question; what follows it is the answer.
            Question::Choice(index) => (choices[index].clone(), Vec::new()),
        };
        let (question, choices) = question;
        let target = self.target(place)?;
        let index = |index: Option<i64>| index.and_then(|index| usize::try_from(index).ok());
        let answer = match &target {
            Json::String(text) => text.clone(),
            Json::Array(items) => match items.first() {
                Some(Json::String(text)) => text.clone(),
                _ => return Err(place.wrong("doc_to_target", "a list without texts", "a text")),
            },
            Json::Bool(_) | Json::Number(_) if !choices.is_empty() => {
                match index(integer(&target)).and_then(|index| choices.get(index)) {
                    Some(choice) => choice.clone(),
                    None => return Err(place.gold(python::str_of(&target), choices.len())),
                }
            }
            other => {
                let allowed = "a text, a list of texts, or the index of a choice";
                return Err(place.wrong("doc_to_target", kind(other), allowed));
            }
        };
        Ok(Example {
            question,
            answer,
            prefix: self.prefix(place)?,
        })
    }

    fn question(&self, place: Place<'_>, choices: &[String]) -> Result<Question, TaskError> {
        const KEY: &str = "doc_to_text";
        let value = match &self.text {
            Compiled::Index(index) => Json::from(*index),
            Compiled::Field(field) => place.field(KEY, field)?.clone(),
            Compiled::Function(call) => {
                call(&place.row.fields).map_err(|error| error.at(place.file, place.row.line))?
            }
            Compiled::Template(template) => {
                let text = place.render(KEY, template)?;
                // The harness takes a number for an index into the choices, which then stand in the context.
                match self.choice.is_some() && python::is_digits(&text) {
                    true => text.parse::<i64>().map(Json::from).unwrap_or(text.into()),
                    false => text.into(),
                }
            }
            // The task file's reader gives these to other keys only.
            Compiled::List(_) => return Err(place.wrong(KEY, "a list", "a text")),
        };
        match value {
            Json::String(text) => Ok(Question::Text(text)),
            value => match integer(&value).map(usize::try_from) {
                Some(Ok(index)) if index < choices.len() => Ok(Question::Choice(index)),
                Some(_) => {
                    let found = format!("`{}`", python::str_of(&value));
                    Err(place.wrong(KEY, found, "a text, or the index of a choice"))
                }
                None => Err(place.wrong(KEY, kind(&value), "a text, or the index of a choice")),
            },
        }
    }

    fn string(
        &self,
        place: Place<'_>,
        key: &'static str,
        rule: &Compiled<'_>,
    ) -> Result<String, TaskError> {
        match rule {
            Compiled::Template(template) => place.render(key, template),
            Compiled::Field(field) => match place.field(key, field)? {
                Json::String(text) => Ok(text.clone()),
                other => Err(place.wrong(key, kind(other), "text")),
            },
            // The task file's reader gives these to other keys only.
            _ => Err(place.wrong(key, "no text", "text")),
        }
    }

    fn prefix(&self, place: Place<'_>) -> Result<Option<String>, TaskError> {
        let prefix = self.prefix.as_ref();
        prefix
            .map(|prefix| self.string(place, "gen_prefix", prefix))
            .transpose()
    }

    fn target(&self, place: Place<'_>) -> Result<Json, TaskError> {
        const KEY: &str = "doc_to_target";
        match &self.target {
            Compiled::Index(index) => Ok((*index).into()),
            Compiled::List(items) => Ok(items.clone().into()),
            Compiled::Field(field) => Ok(place.field(KEY, field)?.clone()),
            Compiled::Function(call) => {
                call(&place.row.fields).map_err(|error| error.at(place.file, place.row.line))
            }
            Compiled::Template(template) => {
                let text = place.render(KEY, template)?;
                if self.choice.is_some() && python::is_digits(&text) {
                    return text
                        .parse::<i64>()
                        .map(Json::from)
                        .map_err(|_| place.wrong(KEY, format!("`{text}`"), "a smaller number"));
                }
                // A text in brackets that is no list stays a text.
                match text.starts_with('[') && text.ends_with(']') {
                    true => Ok(python::list(&text).unwrap_or(text.into())),
                    false => Ok(text.into()),
                }
            }
        }
    }

    fn choices(&self, place: Place<'_>) -> Result<Vec<String>, TaskError> {
        const KEY: &str = "doc_to_choice";
        let texts = |value: &Json| match value {
            Json::Array(items) => items
                .iter()
                .map(|item| match item {
                    Json::String(text) => Ok(text.clone()),
                    other => {
                        let found = format!("a list with {}", kind(other));
                        Err(place.wrong(KEY, found, "a list of texts"))
                    }
                })
                .collect(),
            other => Err(place.wrong(KEY, kind(other), "a list of texts")),
        };
        let choices: Vec<String> = match &self.choice {
            None => return Ok(Vec::new()),
            Some(Compiled::List(items)) => items.clone(),
            Some(Compiled::Field(field)) => texts(place.field(KEY, field)?)?,
            Some(Compiled::Function(call)) => texts(
                &call(&place.row.fields).map_err(|error| error.at(place.file, place.row.line))?,
            )?,
            Some(Compiled::Template(template)) => {
                let printed = place.render(KEY, template)?;
                python::string_list(&printed).map_err(|error| {
                    let start: String = printed.chars().take(60).collect();
                    place.wrong(KEY, format!("{start:?}, where {error}"), "a list of texts")
                })?
            }
            Some(Compiled::Index(_)) => {
                return Err(place.wrong(KEY, "a number", "a list of texts"));
            }
        };
        let (file, line) = (place.file.to_string(), place.row.line);
        if choices.len() < 2 {
            return Err(TaskError::TooFewChoices {
                file,
                line,
                found: choices.len(),
            });
        }
        match choices.iter().position(String::is_empty) {
            Some(choice) => Err(TaskError::EmptyChoice { file, line, choice }),
            None => Ok(choices),
        }
    }
}

/// A whole number; Python counts True as 1.
fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Bool(truth) => Some(i64::from(*truth)),
        value => value.as_i64(),
    }
}

fn text_target(place: Place<'_>, target: &Json) -> Result<(), TaskError> {
    match target {
        Json::String(_) => Ok(()),
        other => Err(place.wrong("doc_to_target", kind(other), "a text")),
    }
}

/// Indices of the right choices: an index, the text of a choice, or a list of indices.
fn gold(place: Place<'_>, target: &Json, choices: &[String]) -> Result<Vec<usize>, TaskError> {
    let wrong = || place.gold(python::str_of(target), choices.len());
    let index = |value: &Json| {
        let index = integer(value).and_then(|index| usize::try_from(index).ok());
        index.filter(|&index| index < choices.len())
    };
    match target {
        Json::String(text) => {
            let place = choices.iter().position(|choice| choice == text);
            place.map(|index| vec![index]).ok_or_else(wrong)
        }
        Json::Array(items) if !items.is_empty() => items
            .iter()
            .map(index)
            .collect::<Option<_>>()
            .ok_or_else(wrong),
        value => index(value).map(|index| vec![index]).ok_or_else(wrong),
    }
}
