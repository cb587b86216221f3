//! Where the documents of a task come from: the hub, a folder, the task's own files, or the bundled samples.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use jeoul_dataset::hub::{HUB, Split, origin};
use jeoul_dataset::native::{Cache, CacheError, Client, FolderError, find};
use jeoul_dataset::{read, sha256};
use jeoul_eval::origin::{Origin, OriginFile, OriginKind};
use jeoul_eval::{Documents, Task, TaskConfig, bundled};

use crate::failure::Failure;

/// Where documents come from.
#[derive(clap::Args)]
pub(crate) struct DocumentArguments {
    /// Folder with the documents of the tasks, as JSON Lines, JSON, CSV or Parquet; the Hugging Face hub if left out.
    #[arg(
        long = "data_dir",
        alias = "data-dir",
        value_name = "DIR",
        conflicts_with = "sample_documents"
    )]
    data_dir: Option<PathBuf>,
    /// Use the bundled sample documents: they work offline, and are not the benchmark.
    #[arg(long = "sample_documents", alias = "sample-documents")]
    sample_documents: bool,
}

/// Documents of one split and the files they come from.
type Found = (Documents, Vec<OriginFile>);

impl DocumentArguments {
    /// Reads the documents of the tasks; examples only where `shots` of a task are not 0.
    pub(crate) fn read(
        &self,
        tasks: Vec<TaskConfig>,
        num_fewshot: Option<u32>,
    ) -> Result<Vec<Task>, Failure> {
        let mut source = self.source()?;
        tasks
            .into_iter()
            .map(|task| source.task(task, num_fewshot))
            .collect()
    }

    fn source(&self) -> Result<Source, Failure> {
        Ok(match (&self.data_dir, self.sample_documents) {
            (Some(folder), _) => Source::Folder(folder.clone()),
            (None, true) => Source::Samples,
            (None, false) => Source::Hub {
                cache: Cache::open()?,
                client: Client::default(),
                hub: std::env::var("HF_ENDPOINT").unwrap_or_else(|_| HUB.into()),
            },
        })
    }
}

/// A place to take documents from.
enum Source {
    Samples,
    Folder(PathBuf),
    Hub {
        cache: Cache,
        client: Client,
        hub: String,
    },
}

impl Source {
    fn task(&mut self, config: TaskConfig, num_fewshot: Option<u32>) -> Result<Task, Failure> {
        if matches!(self, Self::Samples) {
            return Ok(bundled::task(config)?);
        }
        let is_folder = matches!(self, Self::Folder(_));
        // A task with documents of its own needs no hub: bundled ones, and files that lie with the task file.
        if !is_folder && let Some(task) = own(&config)? {
            return Ok(task);
        }
        let name = config.name().to_string();
        let split = config
            .documents_split()
            .ok_or_else(|| anyhow!("task `{name}` names no split to score"))?
            .to_string();
        let (documents, mut files) = self.split(&config, &split)?;
        let examples = match config.examples_split() {
            Some(other) if other != split && config.shots(num_fewshot) > 0 => {
                let (examples, more) = self.split(&config, other)?;
                files.extend(more);
                Some(examples)
            }
            _ => None,
        };
        let origin = match self {
            Self::Hub { .. } => origin(files),
            _ => local(files),
        };
        Ok(Task::new(config, documents, examples)?.with_origin(origin))
    }

    fn split(&mut self, config: &TaskConfig, split: &str) -> Result<Found, Failure> {
        match self {
            Self::Samples => Err(anyhow!("samples are bundled").into()),
            Self::Folder(folder) => {
                let found = find(folder, config.name(), config.dataset_name(), split);
                let path = found.map_err(|error| match error {
                    FolderError::Missing { .. } => Failure::usage(error),
                    error => error.into(),
                })?;
                file(&path)
            }
            Self::Hub { cache, client, hub } => {
                let dataset = config
                    .dataset_path()
                    .ok_or_else(|| anyhow!("task `{}` has no `dataset_path`", config.name()))?;
                let wanted = Split {
                    dataset: dataset.into(),
                    configuration: config.dataset_name().map(String::from),
                    split: split.into(),
                };
                let documents = pollster::block_on(cache.documents(client, hub, &wanted));
                documents.map_err(|error| {
                    let unreachable = matches!(error, CacheError::Hub(_));
                    let failure = Failure::from(
                        anyhow::Error::from(error).context(format!("documents of `{}`", config.name())),
                    );
                    match unreachable {
                        true => failure.hint("`--data_dir DIR` takes documents from a folder, `--sample_documents` the bundled samples"),
                        false => failure,
                    }
                })
            }
        }
    }
}

/// A task whose documents lie with its file: bundled ones whose dataset is no other, the files that `dataset_kwargs` names, or
/// `documents.jsonl` and `fewshot.jsonl` beside it.
fn own(config: &TaskConfig) -> Result<Option<Task>, Failure> {
    let on_hub = !matches!(
        config.dataset_path(),
        None | Some("json" | "csv" | "parquet")
    );
    let path = Path::new(config.file());
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = config.data_files()?;
    let is_bundled = !path.exists() || bundled::has(config.file());
    if is_bundled && !on_hub {
        return Ok(Some(bundled::task(config.clone())?));
    }
    // The harness looks from the working folder; a task that travels with its documents names them from its own.
    let place = |name: String| {
        let here = [folder.join(&name), PathBuf::from(&name)];
        let found = here.iter().find(|path| path.exists());
        found.unwrap_or(&here[0]).clone()
    };
    let beside = folder.join("documents.jsonl");
    let documents = match named.documents {
        Some(name) => place(name),
        None if beside.exists() => beside,
        None if on_hub => return Ok(None),
        None => {
            return Err(Failure::from(anyhow!("cannot read `{}`", beside.display())).hint(
                "documents are read from `documents.jsonl` beside the task file, from the files of `dataset_kwargs.data_files`, or from `--data_dir`",
            ));
        }
    };
    let beside = folder.join("fewshot.jsonl");
    let examples = match named.fewshot {
        Some(name) => Some(place(name)),
        None if beside.exists() && documents != beside => Some(beside),
        None => None,
    };
    let (documents, mut files) = file(&documents)?;
    let examples = match examples {
        Some(path) => {
            let (examples, more) = file(&path)?;
            files.extend(more);
            Some(examples)
        }
        None => None,
    };
    let task = Task::new(config.clone(), documents, examples)?;
    Ok(Some(task.with_origin(local(files))))
}

fn file(path: &Path) -> Result<Found, Failure> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
    let file = OriginFile {
        name: name.clone(),
        sha256: sha256(&bytes),
        commit: None,
    };
    Ok((read(&name, bytes)?, vec![file]))
}

fn local(files: Vec<OriginFile>) -> Origin {
    Origin {
        kind: OriginKind::Local,
        files,
    }
}
