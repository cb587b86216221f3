//! The keys of a task file, in the format of lm-evaluation-harness (`lm_eval/config/task.py`).
//!
//! A key that is known but not supported is an error: ignoring it could change a score without a word.

use serde_json::{Map, Value as Json};

use crate::builtin::{self, DocTo, ProcessDocs, ProcessResults};
use crate::error::TaskError;
use crate::filters::FilterEnsemble;
use crate::generation::GenerationSettings;
use crate::metric::{Metric, MetricKind};
use crate::task::{DataFiles, Source};
use crate::yaml::{Files, Function, Keys, describe};

/// Keys of a task file that are read, or that cannot change a score.
const KEYS: &[&str] = &[
    "task",
    "task_alias",
    "tag",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "fewshot_config",
    "output_type",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "process_results",
    "gen_prefix",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "num_fewshot",
    "metric_list",
    "generation_kwargs",
    "filter_list",
    "repeats",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "metadata",
];
/// Keys of `fewshot_config`.
const FEWSHOT_KEYS: &[&str] = &[
    "sampler",
    "split",
    "samples",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "fewshot_delimiter",
    "target_delimiter",
];

/// What is asked of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// Log-likelihoods of several continuations.
    MultipleChoice,
    /// The log-likelihood of one continuation.
    Loglikelihood,
    /// The log-likelihood of a whole text.
    LoglikelihoodRolling,
    /// A continuation.
    GenerateUntil,
}

impl OutputType {
    const ALLOWED: &'static str =
        "multiple_choice, loglikelihood, loglikelihood_rolling or generate_until";

    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "multiple_choice" => Self::MultipleChoice,
            "loglikelihood" => Self::Loglikelihood,
            "loglikelihood_rolling" => Self::LoglikelihoodRolling,
            "generate_until" => Self::GenerateUntil,
            _ => return None,
        })
    }
}

/// How few-shot examples are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// Drawn anew for each document by Python's generator.
    Default,
    /// The first ones of the split.
    FirstN,
}

/// What `doc_to_text`, `doc_to_target` or `doc_to_choice` holds.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// A field's name or a template.
    Text(String),
    /// The same index for every document.
    Index(i64),
    /// The same texts for every document.
    List(Vec<String>),
    /// A built-in for a Python function.
    Function(DocTo),
}

/// How documents, or examples, become text.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) doc_to_text: Rule,
    pub(crate) doc_to_target: Rule,
    pub(crate) doc_to_choice: Option<Rule>,
    pub(crate) gen_prefix: Option<String>,
    pub(crate) target_delimiter: String,
    pub(crate) fewshot_delimiter: String,
}

/// A task file, checked.
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// The file, for messages.
    pub(crate) file: Keys,
    pub(crate) name: String,
    pub(crate) output_type: OutputType,
    pub(crate) form: Form,
    pub(crate) description: String,
    pub(crate) process_docs: Option<ProcessDocs>,
    pub(crate) process_results: Option<ProcessResults>,
    pub(crate) num_fewshot: Option<u32>,
    pub(crate) sampler: Sampler,
    pub(crate) fewshot_form: Form,
    pub(crate) fewshot_process_docs: Option<ProcessDocs>,
    /// `fewshot_config.split`, else `fewshot_split`.
    pub(crate) fewshot_split: Option<String>,
    /// `fewshot_config.samples`.
    pub(crate) samples: Option<Vec<Map<String, Json>>>,
    pub(crate) training_split: Option<String>,
    pub(crate) validation_split: Option<String>,
    pub(crate) test_split: Option<String>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) filters: Vec<FilterEnsemble>,
    pub(crate) generation: Option<GenerationSettings>,
    pub(crate) repeats: u32,
}

impl TaskConfig {
    /// Reads a task file; `files` holds what it includes.
    pub fn read(source: Source<'_>, files: &Files) -> Result<Self, TaskError> {
        Self::parse(Keys::read(source, files)?, &Map::new())
    }

    /// Reads the keys of a task file; `gen_kwargs` win over its `generation_kwargs`.
    pub(crate) fn parse(keys: Keys, gen_kwargs: &Map<String, Json>) -> Result<Self, TaskError> {
        keys.only(KEYS)?;
        let output_type = match keys.text("output_type")? {
            None => OutputType::GenerateUntil,
            Some(name) => OutputType::read(&name)
                .ok_or_else(|| keys.wrong("output_type", OutputType::ALLOWED))?,
        };
        let name = keys.text("task")?.ok_or_else(|| keys.missing("task"))?;
        // The name becomes part of file names.
        if name.is_empty() || name.contains(['/', '\\', ',']) || name.chars().any(char::is_control)
        {
            let allowed = "a name without `/`, `\\`, `,` and control characters";
            return Err(keys.wrong("task", allowed));
        }
        let form = Form {
            doc_to_text: match output_type {
                // What stands before a whole text is never read.
                OutputType::LoglikelihoodRolling => {
                    rule(&keys, &keys, "doc_to_text")?.unwrap_or(Rule::Text(String::new()))
                }
                _ => required(&keys, "doc_to_text")?,
            },
            doc_to_target: required(&keys, "doc_to_target")?,
            doc_to_choice: match output_type {
                OutputType::MultipleChoice => Some(required(&keys, "doc_to_choice")?),
                _ => rule(&keys, &keys, "doc_to_choice")?,
            },
            gen_prefix: keys.text("gen_prefix")?,
            target_delimiter: keys.text("target_delimiter")?.unwrap_or_else(|| " ".into()),
            fewshot_delimiter: keys
                .text("fewshot_delimiter")?
                .unwrap_or_else(|| "\n\n".into()),
        };
        let process_docs = function(&keys, &keys, "process_docs", builtin::process_docs)?;
        let mut config = Self {
            name,
            output_type,
            description: keys.text("description")?.unwrap_or_default(),
            process_docs,
            process_results: function(&keys, &keys, "process_results", builtin::process_results)?,
            num_fewshot: keys.count("num_fewshot")?,
            sampler: Sampler::Default,
            fewshot_form: form.clone(),
            fewshot_process_docs: process_docs,
            fewshot_split: keys.text("fewshot_split")?,
            samples: None,
            training_split: keys.text("training_split")?,
            validation_split: keys.text("validation_split")?,
            test_split: keys.text("test_split")?,
            metrics: Vec::new(),
            filters: filters(&keys)?,
            generation: None,
            repeats: keys.count("repeats")?.unwrap_or(1),
            form,
            file: keys,
        };
        config.read_fewshot()?;
        config.metrics = Metric::list(&config)?;
        if output_type == OutputType::GenerateUntil {
            let delimiter = &config.form.fewshot_delimiter;
            let settings = GenerationSettings::parse(&config.file, gen_kwargs, delimiter)?;
            config.generation = Some(settings);
        }
        config.check()?;
        Ok(config)
    }

    fn read_fewshot(&mut self) -> Result<(), TaskError> {
        let Some(keys) = self.file.under("fewshot_config")? else {
            return Ok(());
        };
        keys.only(FEWSHOT_KEYS)?;
        self.sampler = match keys.text("sampler")?.as_deref() {
            None | Some("default") => Sampler::Default,
            Some("first_n") => Sampler::FirstN,
            Some(_) => return Err(keys.wrong("sampler", "default or first_n")),
        };
        if let Some(split) = keys.text("split")? {
            self.fewshot_split = Some(split);
        }
        if let Some(samples) = keys.list("samples")? {
            self.samples = Some(samples.into_iter().map(|sample| sample.map).collect());
        }
        let form = &mut self.fewshot_form;
        if let Some(rule) = rule(&keys, &self.file, "doc_to_text")? {
            form.doc_to_text = rule;
        }
        if let Some(rule) = rule(&keys, &self.file, "doc_to_target")? {
            form.doc_to_target = rule;
        }
        if let Some(rule) = rule(&keys, &self.file, "doc_to_choice")? {
            form.doc_to_choice = Some(rule);
        }
        if let Some(prefix) = keys.text("gen_prefix")? {
            form.gen_prefix = Some(prefix);
        }
        if let Some(delimiter) = keys.text("target_delimiter")? {
            form.target_delimiter = delimiter;
        }
        if let Some(delimiter) = keys.text("fewshot_delimiter")? {
            form.fewshot_delimiter = delimiter;
        }
        let named = function(&keys, &self.file, "process_docs", builtin::process_docs)?;
        self.fewshot_process_docs = named.or(self.fewshot_process_docs);
        Ok(())
    }

    /// What the harness would run into in the middle of a run.
    fn check(&self) -> Result<(), TaskError> {
        let generates = self.output_type == OutputType::GenerateUntil;
        if self.repeats == 0 || (self.repeats > 1 && !generates) {
            return Err(self.file.wrong("repeats", "1, or more for generate_until"));
        }
        if !generates && !self.filters.iter().all(FilterEnsemble::takes_first_only) {
            let allowed = "take_first alone, unless output_type is generate_until";
            return Err(self.file.wrong("filter_list", allowed));
        }
        if !generates && self.file.get("generation_kwargs").is_some() {
            let allowed = "left out, unless output_type is generate_until";
            return Err(self.file.wrong("generation_kwargs", allowed));
        }
        Ok(())
    }

    /// Name, as `--tasks` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Texts that are generated for each document.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// What is asked of the model.
    pub fn output_type(&self) -> OutputType {
        self.output_type
    }

    /// The file this was read from.
    pub fn file(&self) -> &str {
        self.file.file()
    }

    /// `dataset_path`: a dataset of the hub, or `json` and the like for local files.
    pub fn dataset_path(&self) -> Option<&str> {
        self.file.get("dataset_path")?.as_str()
    }

    /// `dataset_name`: a configuration of the dataset.
    pub fn dataset_name(&self) -> Option<&str> {
        self.file.get("dataset_name")?.as_str()
    }

    /// Split whose documents are scored, as `eval_docs`.
    pub fn documents_split(&self) -> Option<&str> {
        self.test_split
            .as_deref()
            .or(self.validation_split.as_deref())
    }

    /// Split that examples come from, as `fewshot_docs`; `None` where the task file holds them itself.
    pub fn examples_split(&self) -> Option<&str> {
        if self.fewshot_split.is_none() && self.samples.is_some() {
            return None;
        }
        let named = [
            &self.fewshot_split,
            &self.training_split,
            &self.validation_split,
            &self.test_split,
        ];
        named.into_iter().find_map(Option::as_deref)
    }

    /// Files of `dataset_kwargs.data_files`, a mapping from split to file.
    pub fn data_files(&self) -> Result<DataFiles, TaskError> {
        let Some(files) = self
            .file
            .get("dataset_kwargs")
            .and_then(|kwargs| kwargs.get("data_files"))
        else {
            return Ok(DataFiles::default());
        };
        let wrong = || {
            let (file, line) = self.file.place("data_files");
            TaskError::Value {
                file,
                line,
                key: "dataset_kwargs.data_files".into(),
                found: describe(files),
                allowed: "a mapping from split to one file",
            }
        };
        let file = |split: Option<&str>| {
            let Some(named) = split.and_then(|split| files.get(split)) else {
                return Ok(None);
            };
            let name = match named {
                Json::Array(names) if names.len() == 1 => names[0].as_str(),
                _ => named.as_str(),
            };
            name.map(|name| Some(name.to_string())).ok_or_else(wrong)
        };
        if !files.is_object() {
            return Err(wrong());
        }
        let (documents, examples) = (self.documents_split(), self.examples_split());
        let fewshot = if examples == documents {
            None
        } else {
            file(examples)?
        };
        Ok(DataFiles {
            documents: file(documents)?,
            fewshot,
        })
    }

    /// Examples before each question: what is asked for, else what the task file says, else none.
    /// A task file that says 0 keeps it, as in the harness.
    pub fn shots(&self, asked: Option<u32>) -> u32 {
        match self.num_fewshot {
            Some(0) => 0,
            default => asked.or(default).unwrap_or(0),
        }
    }

    /// `metadata.<key>`.
    pub(crate) fn metadata(&self, key: &str) -> Option<&Json> {
        self.file.get("metadata")?.get(key)
    }

    /// `metadata.version`; the harness calls a task without one `Yaml`.
    pub(crate) fn version(&self) -> Json {
        self.metadata("version")
            .cloned()
            .unwrap_or_else(|| "Yaml".into())
    }

    pub(crate) fn has_metric(&self, kind: &MetricKind) -> bool {
        self.metrics.iter().any(|metric| metric.kind == *kind)
    }
}

/// A rule that must be there.
fn required(keys: &Keys, key: &'static str) -> Result<Rule, TaskError> {
    rule(keys, keys, key)?.ok_or_else(|| keys.missing(key))
}

/// A rule of `keys`, which lie in the task file `task`.
fn rule(keys: &Keys, task: &Keys, key: &'static str) -> Result<Option<Rule>, TaskError> {
    let Some(value) = keys.get(key) else {
        return Ok(None);
    };
    if let Some(call) = function(keys, task, key, builtin::doc_to)? {
        return Ok(Some(Rule::Function(call)));
    }
    let texts = |items: Vec<&Json>| -> Option<Rule> {
        let texts = items
            .into_iter()
            .map(|item| item.as_str().map(String::from));
        texts.collect::<Option<_>>().map(Rule::List)
    };
    let (rule, allowed) = match (key, value) {
        (_, Json::String(text)) => (Some(Rule::Text(text.clone())), ""),
        ("doc_to_choice", value) => {
            let rule = match value {
                Json::Array(items) => texts(items.iter().collect()),
                Json::Object(map) => texts(map.values().collect()),
                _ => None,
            };
            (rule, "a field, a template, or a list or mapping of texts")
        }
        (_, value) => {
            let allowed = "a field, a template or a whole number";
            (value.as_i64().map(Rule::Index), allowed)
        }
    };
    rule.map(Some).ok_or_else(|| keys.wrong(key, allowed))
}

/// The built-in that stands for the Python function which `key` names, if it names one.
pub(crate) fn function<T>(
    keys: &Keys,
    task: &Keys,
    key: &str,
    find: impl Fn(&str, &str) -> Option<T>,
) -> Result<Option<T>, TaskError> {
    const ALLOWED: &str =
        "`!function` with a function of the harness that is built in (see ARCHITECTURE.md)";
    let function = match keys.get(key) {
        None => return Ok(None),
        Some(value) => match Function::of(value) {
            Some(function) => function,
            // Other keys may hold texts; these are functions or nothing.
            None if key.starts_with("process_") => return Err(keys.wrong(key, ALLOWED)),
            None => return Ok(None),
        },
    };
    let dataset = task.get("dataset_path").and_then(Json::as_str);
    let family = dataset.and_then(builtin::family);
    let found = find(&function.module, &function.name)
        .or_else(|| family.and_then(|family| find(family, &function.name)));
    found.map(Some).ok_or_else(|| keys.wrong(key, ALLOWED))
}

fn filters(keys: &Keys) -> Result<Vec<FilterEnsemble>, TaskError> {
    let Some(entries) = keys.list("filter_list")? else {
        return Ok(vec![FilterEnsemble::take_first()]);
    };
    let mut filters: Vec<FilterEnsemble> = Vec::new();
    for entry in entries {
        entry.only(&["name", "filter"])?;
        let name = entry
            .text("name")?
            .ok_or_else(|| entry.wrong("name", "a name"))?;
        if filters.iter().any(|known| known.name == name) {
            return Err(entry.wrong("name", "each name once"));
        }
        let functions: Vec<Map<String, Json>> = entry
            .list("filter")?
            .ok_or_else(|| entry.wrong("filter", "a list of mappings with `function`"))?
            .into_iter()
            .map(|function| function.map)
            .collect();
        let filter = FilterEnsemble::parse(&name, &functions).map_err(|error| {
            let (file, line) = entry.place(&error.key);
            TaskError::Filter {
                file,
                line,
                filter: name.clone(),
                source: Box::new(error),
            }
        })?;
        filters.push(filter);
    }
    if filters.is_empty() {
        return Err(keys.wrong("filter_list", "at least one filter"));
    }
    Ok(filters)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
