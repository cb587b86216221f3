//! `--data_dir`: where the documents of a split lie in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::EXTENSIONS;

/// A folder without the one file that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FolderError {
    /// None of the names.
    #[error("`{folder}` has no documents of `{task}` for the split `{split}`; looked for {looked_for}", looked_for = list(looked_for))]
    Missing {
        /// The folder.
        folder: String,
        /// Task.
        task: String,
        /// Split.
        split: String,
        /// Names, with `*` for the endings.
        looked_for: Vec<String>,
    },
    /// Several files that one name could mean.
    #[error("`{folder}` has several files for the split `{split}` of `{task}`: {found}", found = list(found))]
    Several {
        /// The folder.
        folder: String,
        /// Task.
        task: String,
        /// Split.
        split: String,
        /// Their names.
        found: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The file with the documents of a split, looked for in this order: `<task>.<split>.*`, `<dataset_name>/<split>.*`,
/// `<dataset_name>.<split>.*`, `<split>.*`, `<split>-00000-of-00001.parquet`. Endings are those of [`EXTENSIONS`].
pub fn find(
    folder: &Path,
    task: &str,
    dataset_name: Option<&str>,
    split: &str,
) -> Result<PathBuf, FolderError> {
    let mut stems = vec![format!("{task}.{split}")];
    if let Some(name) = dataset_name {
        stems.extend([format!("{name}/{split}"), format!("{name}.{split}")]);
    }
    stems.extend([split.to_string(), format!("{split}-00000-of-00001")]);
    for stem in &stems {
        let files = EXTENSIONS.map(|end| folder.join(format!("{stem}.{end}")));
        let mut found: Vec<PathBuf> = files.into_iter().filter(|file| is_file(file)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(file), true) => return Ok(file),
            (Some(file), false) => {
                found.push(file);
                return Err(FolderError::Several {
                    folder: folder.display().to_string(),
                    task: task.into(),
                    split: split.into(),
                    found: found
                        .iter()
                        .map(|file| file.display().to_string())
                        .collect(),
                });
            }
            (None, _) => {}
        }
    }
    Err(FolderError::Missing {
        folder: folder.display().to_string(),
        task: task.into(),
        split: split.into(),
        looked_for: stems.iter().map(|stem| format!("{stem}.*")).collect(),
    })
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}
