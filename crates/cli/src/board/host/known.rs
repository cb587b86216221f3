//! The tasks whose scores a board recomputes, from documents of its own.

use std::path::PathBuf;
use std::sync::Arc;

use jeoul_eval::bundled;
use jeoul_record::check::TaskSet;
use serde_json::Map;

use crate::documents::DocumentArguments;
use crate::failure::Failure;
use crate::task_files;

/// Tasks that a board knows: the bundled ones with their samples, and these with their real documents.
#[derive(clap::Args)]
pub(crate) struct TaskArguments {
    /// Benchmarks whose real documents the board has, beside the bundled samples: runs on others stay self-reported.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    tasks: Vec<String>,
    /// Folder with task files of your own.
    #[arg(long = "include_path", alias = "include-path", value_name = "DIR")]
    include_path: Option<PathBuf>,
    #[command(flatten)]
    documents: DocumentArguments,
}

impl TaskArguments {
    /// Reads all of them.
    pub(crate) fn read(&self) -> Result<Arc<TaskSet>, Failure> {
        let catalog = bundled::catalog()?;
        let mut known = TaskSet::default();
        for name in catalog.tasks() {
            known.insert(bundled::task(catalog.task(name)?)?);
        }
        if !self.tasks.is_empty() {
            let include = self.include_path.as_deref();
            let selection = task_files::select(&self.tasks, include, &Map::new())?;
            // A run without examples is of a task without a split for them, which has another hash.
            for shots in [0, u32::MAX] {
                let tasks = selection.tasks.clone();
                for task in self.documents.read(tasks, Some(shots))? {
                    known.insert(task);
                }
            }
        }
        Ok(Arc::new(known))
    }
}
