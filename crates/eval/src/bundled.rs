//! The tasks that come with Jeoul, with sample documents in the shape of the benchmarks.
//!
//! `tasks/<family>/` holds task files in the harness's format; `tasks/<family>/samples/` holds documents that the authors of
//! Jeoul wrote, in the columns of the real dataset. A file of samples is named by the configuration of the dataset and the
//! splits it serves, `ARC-Easy.train+validation.jsonl`, or by the column that tells configurations apart,
//! `by-subject.test.jsonl`.

use crate::catalog::Catalog;
use crate::config::TaskConfig;
use crate::documents::{Documents, Row, json_lines};
use crate::error::TaskError;
use crate::origin::{Origin, OriginFile, OriginKind};
use crate::task::Task;

/// Paths below `tasks/` and texts, in the order of the paths.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/bundled_files.rs"));

/// All bundled tasks and groups.
pub fn catalog() -> Result<Catalog, TaskError> {
    let files = FILES.iter().filter(|(path, _)| !path.ends_with(".jsonl"));
    Catalog::new(
        files
            .map(|(path, text)| (format!("tasks/{path}"), text.to_string()))
            .collect(),
    )
}

/// Whether a task file is one of these.
pub fn has(path: &str) -> bool {
    path.strip_prefix("tasks/")
        .is_some_and(|path| text(path).is_some())
}

/// A task with its bundled documents.
pub fn task(config: TaskConfig) -> Result<Task, TaskError> {
    let documents = samples(&config, config.documents_split())?;
    let fewshot = match config.examples_split() {
        split if split == config.documents_split() => None,
        // Without examples the task still runs at zero shots.
        split => samples(&config, split).ok(),
    };
    let files = [Some(&documents), fewshot.as_ref()];
    let file = |documents: &Documents| OriginFile {
        name: documents.name.clone(),
        sha256: String::new(),
        commit: None,
    };
    let origin = Origin {
        kind: OriginKind::Samples,
        files: files.into_iter().flatten().map(file).collect(),
    };
    Ok(Task::new(config, documents, fewshot)?.with_origin(origin))
}

/// The bundled documents of one split.
fn samples(config: &TaskConfig, split: Option<&str>) -> Result<Documents, TaskError> {
    let missing = || TaskError::NoSamples {
        task: config.name().into(),
        split: split.unwrap_or("-").into(),
    };
    let split = split.ok_or_else(missing)?;
    // A task whose dataset is a file of its own names it itself.
    let named = config.data_files()?;
    let own = match config.documents_split() == Some(split) {
        true => named.documents,
        false => named.fewshot,
    };
    if let Some(own) = own {
        let folder = config
            .file()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let folder = folder.strip_prefix("tasks/").unwrap_or(folder);
        let path = format!("{folder}/{own}");
        let text = text(&path).ok_or_else(missing)?;
        return json_lines(&format!("tasks/{path}"), text);
    }
    let folder = config.dataset_path().and_then(folder).ok_or_else(missing)?;
    let name = config.dataset_name().unwrap_or("default");
    let start = format!("{folder}/samples/");
    for (path, text) in FILES {
        let Some(file) = path
            .strip_prefix(&start)
            .and_then(|file| file.strip_suffix(".jsonl"))
        else {
            continue;
        };
        let Some((configuration, splits)) = file.rsplit_once('.') else {
            continue;
        };
        if !splits.split('+').any(|known| known == split) {
            continue;
        }
        let file = format!("tasks/{path}");
        if configuration == name {
            return json_lines(&file, text);
        }
        if let Some(column) = configuration.strip_prefix("by-") {
            return by_column(&file, text, column, name);
        }
    }
    Err(missing())
}

/// The documents whose `column` holds `name`. Lines without that text are not even parsed: there are dozens of names.
fn by_column(file: &str, text: &str, column: &str, name: &str) -> Result<Documents, TaskError> {
    let quoted = format!("\"{name}\"");
    let may_hold = |line: &&str| line.contains(&quoted);
    // Other lines stay, empty, so that messages name the right one.
    let lines: Vec<&str> = text
        .lines()
        .map(|line| Some(line).filter(may_hold).unwrap_or_default())
        .collect();
    let mut documents = json_lines(file, &lines.join("\n"))?;
    let holds = |row: &Row| row.fields.get(column).and_then(|value| value.as_str()) == Some(name);
    documents.rows.retain(holds);
    Documents::new(file, documents.rows)
}

/// The family of a dataset: the folder with samples among whose task files one names it.
fn folder(dataset_path: &str) -> Option<&'static str> {
    let names = |text: &str| {
        let mut lines = text.lines();
        lines.any(|line| {
            let value = line.trim_start_matches('"').strip_prefix("dataset_path");
            let value = value.and_then(|rest| rest.trim_start_matches('"').strip_prefix(':'));
            value.is_some_and(|value| value.trim().trim_matches(['"', '\'']) == dataset_path)
        })
    };
    FILES
        .iter()
        .filter(|(path, text)| !path.ends_with(".jsonl") && names(text))
        .filter_map(|(path, _)| path.split_once('/'))
        .map(|(folder, _)| folder)
        .find(|folder| {
            let start = format!("{folder}/samples/");
            FILES.iter().any(|(path, _)| path.starts_with(&start))
        })
}

fn text(path: &str) -> Option<&'static str> {
    let found = FILES.binary_search_by_key(&path, |(path, _)| path).ok()?;
    FILES.get(found).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Task> {
        let catalog = catalog().unwrap();
        let names: Vec<String> = catalog.tasks().map(String::from).collect();
        names
            .iter()
            .map(|name| task(catalog.task(name).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn every_bundled_task_has_sample_documents_and_a_language() {
        for task in all() {
            let card = task.card();
            assert!(
                card.origin == OriginKind::Samples && card.documents >= 1,
                "{card:?}"
            );
            assert!(card.language == "en" || card.language == "ko", "{card:?}");
        }
    }

    #[test]
    fn every_bundled_task_has_the_examples_it_asks_for() {
        for task in all() {
            let card = task.card();
            assert!(card.max_fewshot >= card.num_fewshot, "{card:?}");
        }
    }

    #[test]
    fn every_bundled_group_can_be_selected() {
        let catalog = catalog().unwrap();
        for group in catalog.groups() {
            let selection = catalog
                .select(&[group.to_string()], &Default::default())
                .unwrap();
            assert!(!selection.tasks.is_empty(), "{group}");
        }
    }

    #[test]
    fn right_answers_stand_in_every_place_about_equally_often() {
        for name in ["jeoul_science", "jeoul_commonsense", "jeoul_boolq_ko"] {
            let task = task(catalog().unwrap().task(name).unwrap()).unwrap();
            let choices = task.documents()[0].choices.len();
            for place in 0..choices {
                let documents = task.documents().iter();
                let share = documents
                    .filter(|document| document.gold == [place])
                    .count()
                    * choices;
                let documents = task.documents().len();
                assert!(
                    (documents * 3 / 4..=documents * 5 / 4).contains(&share),
                    "{name} {place}"
                );
            }
        }
    }
}
