//! From what `--tasks` names to task files: bundled ones by name, others by the path of their YAML file or of their folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use jeoul_eval::{Catalog, Files, SelectError, Selection, Source, bundled, includes};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// Folders below `--include_path`, at most.
const DEPTH_MAX: usize = 8;

/// Reads the task files that `--tasks` names, in its order.
pub(crate) fn select(
    names: &[String],
    include_path: Option<&Path>,
    gen_kwargs: &Map<String, Value>,
) -> Result<Selection, Failure> {
    let mut catalog = bundled::catalog()?;
    if let Some(folder) = include_path {
        catalog.add(folder_files(folder)?)?;
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| match is_yaml(Path::new(name)) {
            true => add(&mut catalog, name),
            false => Ok(name.clone()),
        })
        .collect::<Result<_, _>>()?;
    catalog.select(&names, gen_kwargs).map_err(|error| match error {
        SelectError::Unknown { .. } => Failure::usage(error)
            .hint("`jeoul tasks` lists them; a task of your own is named by the path of its .yaml file"),
        SelectError::Twice { .. } => Failure::usage(error),
        SelectError::Task(error) => error.into(),
    })
}

/// Adds a task file with what it includes and the task files beside it, and gives its name.
fn add(catalog: &mut Catalog, path: &str) -> Result<String, Failure> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    for entry in fs::read_dir(here).into_iter().flatten().flatten() {
        let beside = folder.join(entry.file_name()).display().to_string();
        let mut files = Files::new();
        // One that cannot be used is not in the way of the one asked for.
        if is_yaml(&entry.path()) && beside != path && read(&beside, &mut files).is_ok() {
            _ = catalog.add(files);
        }
    }
    // The one asked for comes last: its name holds.
    let mut files = Files::new();
    read(path, &mut files)?;
    catalog.add(files)?;
    let name = catalog.name_of(path).map(String::from);
    name.ok_or_else(|| {
        Failure::from(anyhow!("`{path}` is neither a task nor a group"))
            .hint("a task file has the key `task`, a group file `group`")
    })
}

/// Reads a file and what it includes.
fn read(path: &str, files: &mut Files) -> Result<(), Failure> {
    if files.contains_key(path) {
        return Ok(());
    }
    let text = text(Path::new(path))?;
    let included = includes(Source {
        name: path,
        text: &text,
    })?;
    files.insert(path.into(), text);
    for path in included {
        // What is missing is reported by the file that includes it, with its line.
        if Path::new(&path).exists() {
            read(&path, files)?;
        }
    }
    Ok(())
}

/// All files of a folder that can be task files, or be included by them.
fn folder_files(folder: &Path) -> Result<Files, Failure> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if is_yaml(&path) || path.to_string_lossy().ends_with("_yaml") {
                files.insert(path.display().to_string(), text(&path)?);
            }
        }
    }
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// A text file; what is no UTF-8 is named with its line.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        anyhow!("`{name}` line {line} is not UTF-8 at byte {valid}")
    })
}
