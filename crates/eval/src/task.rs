//! A task: a task file and its documents, read, rendered and checked before anything is scored.
//!
//! As `ConfigurableTask` (`lm_eval/api/task.py`). Where the harness warns and goes on with a wrong score (a gold index
//! that no choice has), a [`TaskError`] names file, line and field instead.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value as Json};

use crate::builtin::ProcessDocs;
use crate::config::{OutputType, TaskConfig};
use crate::documents::{Documents, Row, json_lines};
use crate::error::TaskError;
use crate::fewshot::{Draw, Itself};
use crate::origin::{Origin, OriginKind};
use crate::prompt::{Example, Prompt, turns};
use crate::python;
use crate::results::TaskCard;
use crate::rules::{Place, Rules};
use crate::run::RunOptions;
use crate::template;
use crate::yaml::Files;

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

/// What `doc_to_text` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The text that is asked.
    Text(String),
    /// Index of the right one among the choices, which are then the texts, and the target what follows each of them
    /// (WinoGrande's partial scoring).
    Choice(usize),
}

/// A document ready to be asked.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document, after `process_docs`.
    pub fields: Map<String, Json>,
    /// The task's description for this document; empty for most tasks.
    pub description: String,
    /// The question.
    pub question: Question,
    /// `gen_prefix`: what the answer is made to begin with.
    pub prefix: Option<String>,
    /// The choices, none empty: at least two for `multiple_choice`, none where the task has no `doc_to_choice`.
    pub choices: Vec<String>,
    /// Indices of the right choices; empty where there are no choices.
    pub gold: Vec<usize>,
    /// What `doc_to_target` gives: an index, a text or a list.
    pub target: Json,
}

impl Document {
    /// What `doc_to_target` gives, as Python prints it.
    pub fn printed_target(&self) -> String {
        python::str_of(&self.target)
    }
}

/// A task with its documents.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) config: TaskConfig,
    documents: Vec<Document>,
    /// The few-shot split; `None` if it is named but was not given.
    pub(crate) pool: Option<Documents>,
    /// Columns of the documents: a rule that is one of them is a field and no template.
    features: HashSet<String>,
    /// What happens to a document among its own examples.
    itself: Itself,
    /// Where the documents come from.
    pub(crate) origin: Origin,
}

impl Task {
    /// A task from its file, its documents and its few-shot split.
    ///
    /// Every document is rendered here, so that what is wrong with one is known before a run begins. Without a few-shot
    /// split the documents serve each other as examples, unless the task file names another split or holds samples.
    pub fn new(
        config: TaskConfig,
        documents: Documents,
        fewshot: Option<Documents>,
    ) -> Result<Self, TaskError> {
        let own_split = config.examples_split() == config.documents_split();
        // The harness compares the names of the splits, absent ones too, so that its documents can be their own examples
        // where `test_split` alone is named; ours never are.
        let itself = match (
            config.fewshot_split == config.test_split,
            &fewshot,
            &config.samples,
        ) {
            (true, _, _) => Itself::LeftOut,
            (false, None, None) if own_split => Itself::Replaced,
            _ => Itself::Elsewhere,
        };
        let pool = match (&config.samples, fewshot) {
            (Some(samples), _) if config.fewshot_split.is_none() => Some(inline(&config, samples)),
            (_, Some(fewshot)) => Some(process(config.fewshot_process_docs, fewshot)?),
            (_, None) if own_split => {
                Some(process(config.fewshot_process_docs, documents.clone())?)
            }
            _ => None,
        };
        let documents = process(config.process_docs, documents)?;
        let features: HashSet<String> = documents
            .rows
            .iter()
            .flat_map(|row| row.fields.keys())
            .cloned()
            .collect();
        let env = template::environment();
        let rules = Rules::compile(&env, &config, &config.form, &features)?;
        let mut rendered = Vec::with_capacity(documents.rows.len());
        for row in &documents.rows {
            let place = Place {
                file: &documents.name,
                row,
            };
            let document = rules.document(place, config.output_type)?;
            let first: &Document = rendered.first().unwrap_or(&document);
            let kind = |document: &Document| matches!(document.question, Question::Choice(_));
            if kind(first) != kind(&document) {
                let found = "a number for some documents and a text for others";
                return Err(place.wrong("doc_to_text", found, "one of both for all documents"));
            }
            rendered.push(document);
        }
        Ok(Self {
            documents: rendered,
            pool,
            features,
            itself,
            origin: Origin {
                kind: OriginKind::Local,
                files: Vec::new(),
            },
            config,
        })
    }

    /// The same task, with where its documents come from; without it they count as local files.
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Where the documents come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A task from a task file, its documents and its few-shot split, both as JSON Lines.
    pub fn from_files(
        task: Source<'_>,
        documents: Source<'_>,
        fewshot: Option<Source<'_>>,
    ) -> Result<Self, TaskError> {
        let config = TaskConfig::read(task, &Files::new())?;
        let read = |source: Source<'_>| json_lines(source.name, source.text);
        Self::new(config, read(documents)?, fewshot.map(read).transpose()?)
    }

    /// Name, as `--tasks` takes it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The task file.
    pub fn config(&self) -> &TaskConfig {
        &self.config
    }

    /// `metadata.version`, as Python prints it.
    pub fn version(&self) -> String {
        python::str_of(&self.config.version())
    }

    /// The documents in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Examples before each question; see [`TaskConfig::shots`].
    pub fn shots(&self, asked: Option<u32>) -> u32 {
        self.config.shots(asked)
    }

    /// Most examples each document can have.
    pub fn max_fewshot(&self) -> u32 {
        if self.config.num_fewshot == Some(0) {
            return 0;
        }
        let pool = self.pool.as_ref().map_or(0, |pool| pool.rows.len());
        let itself = usize::from(self.itself != Itself::Elsewhere);
        (pool - itself.min(pool)) as u32
    }

    /// What guessing gives on the first `documents` documents, as the mean of right choices / choices; `None` for tasks
    /// without choices.
    pub fn chance(&self, documents: usize) -> Option<f64> {
        if self.config.output_type != OutputType::MultipleChoice {
            return None;
        }
        let asked = &self.documents[..documents.min(self.documents.len())];
        let share =
            |document: &Document| document.gold.len() as f64 / document.choices.len() as f64;
        Some(asked.iter().map(share).sum::<f64>() / asked.len().max(1) as f64)
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
            origin: self.origin.kind,
            generates: self.config.output_type == OutputType::GenerateUntil,
            note: text("shots_note").unwrap_or_default(),
            note_ko: text("shots_note_ko").unwrap_or_default(),
        }
    }

    /// Documents a run with this limit scores.
    pub fn count(&self, limit: Option<u32>) -> usize {
        match limit {
            None | Some(0) => self.documents.len(),
            Some(limit) => self.documents.len().min(limit as usize),
        }
    }

    /// Prompts of the documents that a run with `options` scores, in order.
    ///
    /// The examples of all documents are drawn first, and only those that are drawn are rendered.
    pub fn prompts(&self, options: &RunOptions) -> Result<Vec<Prompt<'_>>, TaskError> {
        let shots = self.shots(options.num_fewshot);
        let documents = &self.documents[..self.count(options.limit)];
        let pool = self.pool.as_ref();
        let rows = pool.map_or(&[][..], |pool| pool.rows.as_slice());
        let mut draw = Draw::new(
            rows.iter().map(|row| &row.fields).collect(),
            self.config.sampler,
            options.seed,
            self.itself,
        );
        let mut drawn: Vec<Vec<usize>> = Vec::with_capacity(documents.len());
        for document in documents {
            let examples = draw.next(&document.fields, shots);
            drawn.push(examples.map_err(|available| TaskError::FewshotCount {
                task: self.name().into(),
                asked: shots,
                available,
            })?);
        }
        let examples = self.examples(drawn.iter().flatten().copied().collect())?;
        let prompt = |(index, document): (usize, _)| Prompt {
            doc_id: index as u32,
            document,
            before: turns(&self.config, document, options, || {
                drawn[index]
                    .iter()
                    .filter_map(|example| examples.get(example))
            }),
            form: &self.config.form,
        };
        Ok(documents.iter().enumerate().map(prompt).collect())
    }

    /// The rendered examples with these indices in the few-shot split.
    fn examples(&self, indices: BTreeSet<usize>) -> Result<BTreeMap<usize, Example>, TaskError> {
        let Some(pool) = &self.pool else {
            return Ok(BTreeMap::new());
        };
        let env = template::environment();
        let form = &self.config.fewshot_form;
        let rules = Rules::compile(&env, &self.config, form, &self.features)?;
        let mut examples = BTreeMap::new();
        for index in indices {
            if let Some(row) = pool.rows.get(index) {
                let place = Place {
                    file: &pool.name,
                    row,
                };
                examples.insert(index, rules.example(place)?);
            }
        }
        Ok(examples)
    }
}

/// `fewshot_config.samples` as documents; messages name the task file.
fn inline(config: &TaskConfig, samples: &[Map<String, Json>]) -> Documents {
    let (name, line) = config.file.place("samples");
    let row = |fields: &Map<String, Json>| Row {
        line,
        fields: fields.clone(),
    };
    Documents {
        name,
        rows: samples.iter().map(row).collect(),
    }
}

/// The documents after `process_docs`, which may leave some out.
fn process(call: Option<ProcessDocs>, documents: Documents) -> Result<Documents, TaskError> {
    let Some(call) = call else {
        return Ok(documents);
    };
    let name = documents.name;
    let mut rows = Vec::with_capacity(documents.rows.len());
    for row in documents.rows {
        let line = row.line;
        let fields = call(row.fields).map_err(|error| error.at(&name, line))?;
        if let Some(fields) = fields {
            rows.push(Row { line, fields });
        }
    }
    Documents::new(name, rows)
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
