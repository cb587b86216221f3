//! The tasks that come with Jeoul: sample documents in the shape of well-known benchmarks.

use crate::error::TaskError;
use crate::task::{Source, Task};

/// The files of one bundled task.
macro_rules! bundled {
    ($name:literal) => {
        Files {
            task: Source {
                name: concat!("tasks/", $name, "/", $name, ".yaml"),
                text: include_str!(concat!("../../../tasks/", $name, "/", $name, ".yaml")),
            },
            documents: Source {
                name: concat!("tasks/", $name, "/documents.jsonl"),
                text: include_str!(concat!("../../../tasks/", $name, "/documents.jsonl")),
            },
            fewshot: Source {
                name: concat!("tasks/", $name, "/fewshot.jsonl"),
                text: include_str!(concat!("../../../tasks/", $name, "/fewshot.jsonl")),
            },
        }
    };
}

struct Files {
    task: Source<'static>,
    documents: Source<'static>,
    fewshot: Source<'static>,
}

const FILES: [Files; 3] = [
    bundled!("jeoul_science"),
    bundled!("jeoul_commonsense"),
    bundled!("jeoul_boolq_ko"),
];

/// The bundled tasks, in the order the page shows them.
pub fn tasks() -> Result<Vec<Task>, TaskError> {
    FILES
        .iter()
        .map(|files| Task::from_files(files.task, files.documents, Some(files.fewshot)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_tasks_are_samples_with_titles_in_both_languages() {
        let cards: Vec<_> = tasks().unwrap().iter().map(Task::card).collect();
        let names: Vec<&str> = cards.iter().map(|card| card.name.as_str()).collect();
        assert_eq!(
            names,
            ["jeoul_science", "jeoul_commonsense", "jeoul_boolq_ko"]
        );
        for (card, least) in cards.iter().zip([60, 60, 40]) {
            assert!(
                card.sample && card.documents >= least && card.max_fewshot >= 5,
                "{card:?}"
            );
            assert!(
                card.title != card.name && card.title_ko != card.title,
                "{card:?}"
            );
        }
    }

    #[test]
    fn right_answers_stand_in_every_place_about_equally_often() {
        for task in tasks().unwrap() {
            let choices = task.documents()[0].choices.len();
            for place in 0..choices {
                let share = task
                    .documents()
                    .iter()
                    .filter(|document| document.gold == place)
                    .count()
                    * choices;
                let documents = task.documents().len();
                assert!(
                    (documents * 3 / 4..=documents * 5 / 4).contains(&share),
                    "{} {place}",
                    task.name()
                );
            }
        }
    }
}
