//! Tasks, prompts, few-shot, requests and metrics, as lm-evaluation-harness computes them. No tensors, no I/O.
//!
//! The way of a score, module by module:
//!
//! 1. [`task`] reads a task file (`config`) and its documents (`documents`), renders them (`template`) and checks them.
//! 2. [`task::Task::prompts`] puts examples (`fewshot`, `random`) before each question.
//! 3. [`tokens`] splits prompt and choice into token ids; [`plan`] counts them.
//! 4. [`run`] asks a [`model::LanguageModel`] document by document and computes [`metrics`].
//! 5. [`report`] and [`table`] write what the harness writes: results, samples, Markdown.
//!
//! [`bundled`] holds the tasks that come with Jeoul.
//!
//! "The harness" is lm-evaluation-harness 0.4.13; a comment names its file where its behaviour decides.

pub mod bundled;
mod config;
mod documents;
pub mod error;
#[cfg(test)]
mod fake;
mod fewshot;
pub mod metrics;
pub mod model;
pub mod plan;
mod python;
mod random;
pub mod report;
pub mod results;
pub mod run;
pub mod table;
pub mod task;
mod template;
pub mod tokens;

pub use error::TaskError;
pub use run::{RunError, RunOptions, TaskRun, run_task};
pub use task::{Source, Task};
