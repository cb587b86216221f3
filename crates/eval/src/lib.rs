//! Tasks, prompts, few-shot, requests and metrics, as lm-evaluation-harness computes them. No tensors, no I/O.
//!
//! The way of a score, module by module:
//!
//! 1. [`catalog`] finds the task files (`yaml`, `config`) and groups ([`group`]) that names select.
//! 2. [`task`] takes the documents (`documents`), applies the file's rules to them (`rules`, `template`, `builtin`) and checks them.
//! 3. [`prompt`] puts examples (`fewshot`, `random`) before each question.
//! 4. [`request`] says what is asked, [`tokens`] splits it into token ids, [`plan`] counts them.
//! 5. [`run`] asks a [`model::LanguageModel`] document by document; `filters` and `scoring` turn answers into [`metrics`].
//!    [`rescore`] does the same with answers that somebody else got.
//! 6. [`report`] and [`table`] write what the harness writes: results, samples, Markdown.
//!
//! [`bundled`] holds the tasks that come with Jeoul.
//!
//! "The harness" is lm-evaluation-harness 0.4.13; a comment names its file where its behaviour decides.

mod builtin;
pub mod bundled;
pub mod catalog;
mod config;
mod content_hash;
mod documents;
pub mod error;
#[cfg(test)]
mod fake;
mod fewshot;
mod filters;
pub mod generation;
pub mod group;
mod metric;
pub mod metrics;
pub mod model;
pub mod origin;
pub mod plan;
pub mod prompt;
mod python;
mod python_regex;
mod random;
pub mod report;
pub mod request;
pub mod rescore;
pub mod results;
mod rules;
pub mod run;
mod scoring;
pub mod table;
pub mod task;
mod template;
pub mod tokens;
mod yaml;
mod yaml_1_1;

pub use catalog::{Catalog, SelectError, Selection};
pub use config::{OutputType, TaskConfig};
pub use documents::{Documents, Row, json_lines};
pub use error::TaskError;
pub use report::Runs;
pub use run::{RunError, RunOptions, TaskRun, run_documents, run_task};
pub use task::{Source, Task};
pub use yaml::{Files, includes};
