//! From what `--tasks` names to tasks: bundled ones by name, others by the path of their YAML file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use jeoul_eval::{Source, Task, bundled};

use crate::failure::Failure;

/// Reads the tasks that `--tasks` names, in its order.
pub(crate) fn tasks(names: &[String]) -> Result<Vec<Task>, Failure> {
    let bundled = bundled::tasks()?;
    let mut tasks: Vec<Task> = Vec::new();
    for name in names {
        let task = match bundled.iter().find(|task| task.name() == name) {
            Some(task) => task.clone(),
            None if name.ends_with(".yaml") || name.ends_with(".yml") => read(Path::new(name))?,
            None => {
                let known: Vec<&str> = bundled.iter().map(Task::name).collect();
                return Err(Failure::usage(anyhow!(
                    "there is no task `{name}`; bundled: {}",
                    known.join(", ")
                ))
                .hint("a task of your own is named by the path of its .yaml file"));
            }
        };
        if tasks.iter().any(|known| known.name() == task.name()) {
            return Err(Failure::usage(anyhow!(
                "task `{}` is named twice in --tasks",
                task.name()
            )));
        }
        tasks.push(task);
    }
    Ok(tasks)
}

/// A task file with its documents: those it names, else `documents.jsonl` and `fewshot.jsonl` beside it.
fn read(path: &Path) -> Result<Task, Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let task = File::read(path.to_path_buf())?;
    let named = Task::data_files(task.source())?;
    // The harness looks from the working folder; a task that travels with its documents names them from its own.
    let place = |name: String| {
        [folder.join(&name), PathBuf::from(&name)]
            .into_iter()
            .find(|path| path.exists())
    };
    let find = |name: String| place(name.clone()).unwrap_or_else(|| folder.join(name));
    let documents = match named.documents {
        Some(name) => File::read(find(name))?,
        None => File::read(folder.join("documents.jsonl")).map_err(|failure| {
            failure.hint("documents are read from `documents.jsonl` beside the task file, or from the files of `dataset_kwargs.data_files`")
        })?,
    };
    let beside = folder.join("fewshot.jsonl");
    let fewshot = match named.fewshot {
        Some(name) => Some(File::read(find(name))?),
        None if beside.exists() && documents.path != beside => Some(File::read(beside)?),
        None => None,
    };
    Ok(Task::from_files(
        task.source(),
        documents.source(),
        fewshot.as_ref().map(File::source),
    )?)
}

/// A text file and its path.
struct File {
    path: PathBuf,
    name: String,
    text: String,
}

impl File {
    fn read(path: PathBuf) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{name}`"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count()
                + 1;
            anyhow!("`{name}` line {line} is not UTF-8 at byte {valid}")
        })?;
        Ok(Self { path, name, text })
    }

    fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            text: &self.text,
        }
    }
}
