//! What can be wrong with a task file or its documents; every variant names file, line and field.

use thiserror::Error;

use crate::filters::FilterConfigError;

/// A task file or a document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskError {
    /// The task file is no YAML mapping.
    #[error("`{file}` is no YAML mapping: {reason}")]
    Yaml {
        /// Task file.
        file: String,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// A key that would change scores if it were ignored.
    #[error("`{file}` line {line}: `{key}` is not supported; allowed: {allowed}")]
    UnsupportedKey {
        /// Task file.
        file: String,
        /// Line of the key, from 1.
        line: usize,
        /// The key, with those it lies under.
        key: String,
        /// Keys allowed in this place.
        allowed: String,
    },
    /// A key that must be there.
    #[error("`{file}`: `{key}` is missing")]
    MissingKey {
        /// Task file.
        file: String,
        /// The key.
        key: &'static str,
    },
    /// A key whose value cannot be used.
    #[error("`{file}` line {line}: `{key}` is {found}; allowed: {allowed}")]
    Value {
        /// Task file.
        file: String,
        /// Line of the key, from 1.
        line: usize,
        /// The key, with those it lies under.
        key: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// A template that cannot be read.
    #[error("`{file}` line {line}: the template `{key}` cannot be read: {reason}")]
    TemplateSyntax {
        /// Task file.
        file: String,
        /// Line of the key, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// The template engine's words.
        reason: String,
    },
    /// A template that fails on a document.
    #[error("`{file}` line {line}: the template `{key}` fails: {reason}")]
    Template {
        /// Document file.
        file: String,
        /// Line of the document, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// The template engine's words.
        reason: String,
    },
    /// A template that does not end, or prints too much.
    #[error("`{file}` line {line}: the template `{key}` does not end within {limit} steps")]
    EndlessTemplate {
        /// Document file.
        file: String,
        /// Line of the document, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// Steps allowed.
        limit: u64,
    },
    /// A line that is no JSON.
    #[error("`{file}` line {line} column {column} is no JSON: {reason}")]
    Json {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// A line that holds something else than one document.
    #[error("`{file}` line {line} holds {found}; a document is a JSON object")]
    NotAnObject {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Kind of JSON value.
        found: &'static str,
    },
    /// No document at all.
    #[error("`{file}` holds no documents; at least 1 is needed")]
    NoDocuments {
        /// Document file.
        file: String,
    },
    /// Two documents with one `id`.
    #[error("`{file}` line {line}: `id` {id} was already used in line {first}")]
    DuplicateId {
        /// Document file.
        file: String,
        /// Line of the second, from 1.
        line: usize,
        /// The identifier.
        id: String,
        /// Line of the first, from 1.
        first: usize,
    },
    /// A document without a field that the task reads.
    #[error("`{file}` line {line}: the field `{field}`, which `{key}` reads, is missing")]
    MissingField {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Key of the task file.
        key: &'static str,
        /// Field of the document.
        field: String,
    },
    /// A document for which a key yields something that cannot be used.
    #[error("`{file}` line {line}: `{key}` gives {found}; allowed: {allowed}")]
    Field {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Key of the task file.
        key: &'static str,
        /// What it gives.
        found: String,
        /// What it may give.
        allowed: &'static str,
    },
    /// A choice without text.
    #[error("`{file}` line {line}: choice {choice} of `doc_to_choice` is empty")]
    EmptyChoice {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Index of the choice, from 0.
        choice: usize,
    },
    /// A document with nothing to choose.
    #[error("`{file}` line {line}: `doc_to_choice` gives {found} choices; at least 2 are needed")]
    TooFewChoices {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Number of choices.
        found: usize,
    },
    /// A right answer that is none of the choices.
    #[error("`{file}` line {line}: `doc_to_target` gives {found}; allowed: 0 to {}, or the text of a choice", choices - 1)]
    Gold {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Index or text.
        found: String,
        /// Number of choices.
        choices: usize,
    },
    /// A field that a built-in function cannot read.
    #[error("`{file}` line {line}: the field `{field}` is {found}; allowed: {allowed}")]
    RowField {
        /// Document file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Field of the document.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// A filter that cannot be used.
    #[error("`{file}` line {line}: the filter `{filter}`: {source}")]
    Filter {
        /// Task file.
        file: String,
        /// Line of the key, from 1.
        line: usize,
        /// Name of the filter.
        filter: String,
        /// What is wrong with it.
        source: Box<FilterConfigError>,
    },
    /// A regular expression that cannot be read.
    #[error("`{file}` line {line}: a pattern of `{key}` cannot be read: {reason}")]
    Pattern {
        /// Task file.
        file: String,
        /// Line of the key, from 1.
        line: usize,
        /// The key, with those it lies under.
        key: String,
        /// The expression engine's words.
        reason: String,
    },
    /// Answers that cannot be scored.
    #[error("task `{task}`, filter `{filter}`: {reason}")]
    Results {
        /// Task.
        task: String,
        /// Filter.
        filter: String,
        /// What is wrong.
        reason: String,
    },
    /// A bundled task without documents for a split.
    #[error("task `{task}` has no sample documents for the split `{split}`")]
    NoSamples {
        /// Task.
        task: String,
        /// Split.
        split: String,
    },
    /// More examples than there are.
    #[error("task `{task}` has {available} few-shot examples; {asked} were asked for")]
    FewshotCount {
        /// Task.
        task: String,
        /// Examples asked for.
        asked: u32,
        /// Examples there are for each document.
        available: u32,
    },
}
