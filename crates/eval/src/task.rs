//! A multiple-choice task: a task file and its documents, read, rendered and checked before anything is scored.
//!
//! As `ConfigurableTask` (`lm_eval/api/task.py`). Where the harness warns and goes on with a wrong score (a gold index
//! that no choice has), a [`TaskError`] names file, line and field instead.

use std::collections::HashSet;

use minijinja::{Environment, ErrorKind, Template};
use serde_json::{Map, Value as Json};

use crate::config::{Metric, Rule, TaskConfig};
use crate::documents::{Row, kind, rows};
use crate::error::TaskError;
use crate::fewshot::Draw;
use crate::python;
use crate::results::TaskCard;
use crate::template;

/// A file's name, for messages, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Its contents.
    pub text: &'a str,
}

/// Files that a task file names for its documents, as it writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataFiles {
    /// Documents to score.
    pub documents: Option<String>,
    /// Few-shot split, where it is another one.
    pub fewshot: Option<String>,
}

/// A document ready to be asked.
#[derive(Clone, Debug)]
pub struct Document {
    /// The row as it was read.
    pub fields: Map<String, Json>,
    /// The task's description for this document; empty for most tasks.
    pub description: String,
    /// The question.
    pub text: String,
    /// The choices, at least two, none empty.
    pub choices: Vec<String>,
    /// Index of the right choice.
    pub gold: usize,
    /// What `doc_to_target` gave, as Python prints it: an index or a text.
    pub target: String,
}

/// A few-shot example: question, answer, delimiters.
#[derive(Clone, Debug)]
struct Example {
    fields: Map<String, Json>,
    text: String,
}

/// What precedes the choices of one document.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    /// Place of the document in its split, from 0.
    pub doc_id: u32,
    /// The document; its `text` ends the prompt.
    pub document: &'a Document,
    /// Description and examples, which stand directly before `document.text`.
    pub fewshot_context: String,
}

impl Prompt<'_> {
    /// The whole prompt, without the delimiter before a choice.
    pub fn context(&self) -> String {
        format!("{}{}", self.fewshot_context, self.document.text)
    }
}

/// A task with its documents.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) config: TaskConfig,
    documents: Vec<Document>,
    /// Examples of the few-shot split; `None` if that split is named but was not given.
    examples: Option<Vec<Example>>,
    /// Whether a document must not be its own example.
    excludes: bool,
}

impl Task {
    /// Reads a task file, its documents and its few-shot split, both as JSON Lines.
    ///
    /// Every document is rendered here, so that what is wrong with one is known before a run begins. Without a few-shot
    /// split the documents serve each other as examples, unless the task file names another split.
    pub fn from_files(
        task: Source<'_>,
        documents: Source<'_>,
        fewshot: Option<Source<'_>>,
    ) -> Result<Self, TaskError> {
        let config = TaskConfig::parse(task)?;
        let document_rows = rows(documents)?;
        let features: HashSet<&str> = document_rows
            .iter()
            .flat_map(|row| row.fields.keys())
            .map(String::as_str)
            .collect();
        let env = template::environment();
        let rules = Rules::compile(&env, &config, task, &features)?;

        let mut rendered = Vec::with_capacity(document_rows.len());
        for row in &document_rows {
            rendered.push(rules.document(Place {
                file: documents.name,
                row,
            })?);
        }
        let named_elsewhere = config.examples_split() != config.documents_split();
        let fewshot_rows = match fewshot {
            Some(fewshot) => Some((fewshot.name, rows(fewshot)?)),
            None if named_elsewhere => None,
            None => Some((documents.name, document_rows.clone())),
        };
        let examples = match &fewshot_rows {
            None => None,
            Some((file, rows)) => {
                let example = |row| rules.example(Place { file, row }, &config);
                Some(rows.iter().map(example).collect::<Result<Vec<_>, _>>()?)
            }
        };
        // The harness compares the names of the splits, absent ones too. Its documents can be their own examples where
        // `test_split` alone is named; ours never are.
        let excludes = fewshot.is_none() || config.fewshot_split == config.test_split;
        Ok(Self {
            documents: rendered,
            examples,
            excludes,
            config,
        })
    }

    /// The document files that a task file names (`dataset_kwargs.data_files`); whoever calls reads them.
    pub fn data_files(task: Source<'_>) -> Result<DataFiles, TaskError> {
        TaskConfig::parse(task)?.data_files(task)
    }

    /// Name, as `--tasks` takes it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// `metadata.version`, as Python prints it.
    pub fn version(&self) -> String {
        python::str_of(&self.config.version())
    }

    /// The documents in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Examples before each question: what is asked for, else what the task file says, else none.
    /// A task file that says 0 keeps it, as in the harness.
    pub fn shots(&self, asked: Option<u32>) -> u32 {
        match self.config.num_fewshot {
            Some(0) => 0,
            default => asked.or(default).unwrap_or(0),
        }
    }

    /// Most examples each document can have.
    pub fn max_fewshot(&self) -> u32 {
        if self.config.num_fewshot == Some(0) {
            return 0;
        }
        let pool = self.examples.as_ref().map_or(0, Vec::len);
        (pool - usize::from(self.excludes).min(pool)) as u32
    }

    /// What guessing gives on the first `documents` documents: the mean of 1 / choices.
    pub fn chance(&self, documents: usize) -> f64 {
        let asked = &self.documents[..documents.min(self.documents.len())];
        asked
            .iter()
            .map(|document| 1.0 / document.choices.len() as f64)
            .sum::<f64>()
            / asked.len().max(1) as f64
    }

    /// What a person sees of the task before running it.
    pub fn card(&self) -> TaskCard {
        let text = |key: &str| {
            self.config
                .metadata(key)
                .and_then(Json::as_str)
                .map(String::from)
        };
        let title = text("title").unwrap_or_else(|| self.name().into());
        TaskCard {
            name: self.name().into(),
            title_ko: text("title_ko").unwrap_or_else(|| title.clone()),
            title,
            language: text("language").unwrap_or_else(|| "und".into()),
            documents: self.documents.len() as u32,
            num_fewshot: self.shots(None),
            max_fewshot: self.max_fewshot(),
            chance: self.chance(self.documents.len()),
            sample: self.config.metadata("sample") == Some(&Json::Bool(true)),
        }
    }

    /// Prompts of the first `limit` documents (all of them if `None` or 0), each with `shots` examples drawn with `seed`.
    pub fn prompts(&self, shots: u32, limit: Option<u32>, seed: u64) -> Prompts<'_> {
        let pool = self
            .examples
            .iter()
            .flatten()
            .map(|example| &example.fields)
            .collect();
        let draw = Draw::new(pool, self.config.sampler, seed, self.excludes);
        Prompts {
            task: self,
            draw,
            shots,
            next: 0,
            count: self.count(limit),
        }
    }

    /// Documents a run with this limit scores.
    pub fn count(&self, limit: Option<u32>) -> usize {
        match limit {
            None | Some(0) => self.documents.len(),
            Some(limit) => self.documents.len().min(limit as usize),
        }
    }

    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> + '_ {
        self.config.metrics.iter().map(|(metric, _)| *metric)
    }
}

/// Prompts in the order of the documents; see [`Task::prompts`].
pub struct Prompts<'a> {
    task: &'a Task,
    draw: Draw<'a>,
    shots: u32,
    next: usize,
    count: usize,
}

impl<'a> Iterator for Prompts<'a> {
    type Item = Result<Prompt<'a>, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let document = &self.task.documents[index];
        let drawn = match self.draw.next(&document.fields, self.shots) {
            Ok(drawn) => drawn,
            Err(available) => {
                let task = self.task.name().into();
                return Some(Err(TaskError::FewshotCount {
                    task,
                    asked: self.shots,
                    available,
                }));
            }
        };
        let examples = self.task.examples.as_deref().unwrap_or_default();
        let mut fewshot_context = document.description.clone();
        fewshot_context.extend(drawn.into_iter().map(|index| examples[index].text.as_str()));
        Some(Ok(Prompt {
            doc_id: index as u32,
            document,
            fewshot_context,
        }))
    }
}

/// A row and the file it lies in.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    row: &'a Row,
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

    fn wrong(
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
}

/// What `doc_to_target` gives.
enum Target {
    /// An index, and as Python prints it.
    Index(i64, String),
    Text(String),
}

/// The rules of a task file.
struct Rules<'env> {
    description: Compiled<'env>,
    text: Compiled<'env>,
    target: Compiled<'env>,
    choice: Compiled<'env>,
}

impl<'env> Rules<'env> {
    fn compile(
        env: &'env Environment<'env>,
        config: &'env TaskConfig,
        file: Source<'_>,
        features: &HashSet<&str>,
    ) -> Result<Self, TaskError> {
        let text = |key: &'static str, text: &'env str| -> Result<Compiled<'env>, TaskError> {
            if features.contains(text) {
                return Ok(Compiled::Field(text.into()));
            }
            let template =
                env.template_from_str(text)
                    .map_err(|error| TaskError::TemplateSyntax {
                        file: file.name.into(),
                        line: crate::config::line_of(file.text, key),
                        key,
                        reason: template::reason(&error),
                    })?;
            Ok(Compiled::Template(Box::new(template)))
        };
        let rule = |key: &'static str, rule: &'env Rule| match rule {
            Rule::Text(source) => text(key, source),
            Rule::Index(index) => Ok(Compiled::Index(*index)),
            Rule::List(items) => Ok(Compiled::List(items.clone())),
        };
        Ok(Self {
            description: text("description", &config.description)?,
            text: rule("doc_to_text", &config.doc_to_text)?,
            target: rule("doc_to_target", &config.doc_to_target)?,
            choice: rule("doc_to_choice", &config.doc_to_choice)?,
        })
    }

    fn document(&self, place: Place<'_>) -> Result<Document, TaskError> {
        let choices = self.choices(place)?;
        let (gold, target) = match self.target(place, &choices)? {
            Target::Index(index, printed) => (usize::try_from(index).ok(), printed),
            Target::Text(text) => (choices.iter().position(|choice| *choice == text), text),
        };
        let gold = gold
            .filter(|&gold| gold < choices.len())
            .ok_or_else(|| place.gold(target.clone(), choices.len()))?;
        Ok(Document {
            description: self.string(place, "description", &self.description)?,
            text: self.text(place)?,
            fields: place.row.fields.clone(),
            choices,
            gold,
            target,
        })
    }

    /// As `build_qa_turn`: question, delimiter, answer, delimiter between examples.
    fn example(&self, place: Place<'_>, config: &TaskConfig) -> Result<Example, TaskError> {
        let choices = self.choices(place)?;
        let answer = match self.target(place, &choices)? {
            Target::Text(text) => text,
            Target::Index(index, printed) => match usize::try_from(index)
                .ok()
                .and_then(|index| choices.get(index))
            {
                Some(choice) => choice.clone(),
                None => return Err(place.gold(printed, choices.len())),
            },
        };
        let (before, after) = (&config.target_delimiter, &config.fewshot_delimiter);
        let text = format!("{}{before}{answer}{after}", self.text(place)?);
        Ok(Example {
            fields: place.row.fields.clone(),
            text,
        })
    }

    fn text(&self, place: Place<'_>) -> Result<String, TaskError> {
        let text = self.string(place, "doc_to_text", &self.text)?;
        // The harness takes a number for an index into the choices, which then stand in the context.
        if python::is_digits(&text) && matches!(self.text, Compiled::Template(_)) {
            let allowed =
                "text that is more than a number (one context per choice is not supported)";
            return Err(place.wrong("doc_to_text", format!("`{text}`"), allowed));
        }
        Ok(text)
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
            Compiled::Index(_) | Compiled::List(_) => Err(place.wrong(key, "no text", "text")),
        }
    }

    fn target(&self, place: Place<'_>, choices: &[String]) -> Result<Target, TaskError> {
        const KEY: &str = "doc_to_target";
        const ALLOWED: &str = "an index or a text (several right answers are not supported)";
        match &self.target {
            Compiled::Index(index) => Ok(Target::Index(*index, index.to_string())),
            Compiled::List(_) => Err(place.wrong(KEY, "a list", ALLOWED)),
            Compiled::Field(field) => {
                let value = place.field(KEY, field)?;
                match (value, value.as_i64()) {
                    (Json::String(text), _) => Ok(Target::Text(text.clone())),
                    (_, Some(index)) => Ok(Target::Index(index, index.to_string())),
                    // Python counts True as 1.
                    (Json::Bool(value), _) => Ok(Target::Index(
                        i64::from(*value),
                        python::str_of(&(*value).into()),
                    )),
                    _ => Err(place.wrong(KEY, kind(value), ALLOWED)),
                }
            }
            Compiled::Template(template) => {
                let text = place.render(KEY, template)?;
                if python::is_digits(&text) {
                    let index = text
                        .parse()
                        .map_err(|_| place.gold(text.clone(), choices.len()))?;
                    return Ok(Target::Index(index, text));
                }
                if text.starts_with('[') && text.ends_with(']') && !choices.contains(&text) {
                    return Err(place.wrong(KEY, "a list", ALLOWED));
                }
                Ok(Target::Text(text))
            }
        }
    }

    fn choices(&self, place: Place<'_>) -> Result<Vec<String>, TaskError> {
        const KEY: &str = "doc_to_choice";
        let choices = match &self.choice {
            Compiled::List(items) => items.clone(),
            Compiled::Field(field) => match place.field(KEY, field)? {
                Json::Array(items) => items
                    .iter()
                    .map(|item| match item {
                        Json::String(text) => Ok(text.clone()),
                        other => Err(place.wrong(
                            KEY,
                            format!("a list with {}", kind(other)),
                            "a list of texts",
                        )),
                    })
                    .collect::<Result<_, _>>()?,
                other => return Err(place.wrong(KEY, kind(other), "a list of texts")),
            },
            Compiled::Template(template) => {
                let printed = place.render(KEY, template)?;
                python::string_list(&printed).map_err(|error| {
                    let start: String = printed.chars().take(60).collect();
                    place.wrong(KEY, format!("{start:?}, where {error}"), "a list of texts")
                })?
            }
            Compiled::Index(_) => return Err(place.wrong(KEY, "a number", "a list of texts")),
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

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
