//! A board that knows the tasks of the honest submission, and what it says of others.

use jeoul_eval::Task;
use jeoul_record::check::TaskSet;
use jeoul_record::{PrivacyLevel, Refusal, check, reduce};
use serde_json::Value as Json;

use super::{context, honest, tasks};

/// A board, and the honest submission in full and without texts.
pub(crate) struct Board {
    pub(crate) set: TaskSet,
    pub(crate) full: Json,
    pub(crate) outcomes: Json,
    pub(crate) scores: Json,
}

impl Board {
    pub(crate) fn new() -> Self {
        let tasks: Vec<Task> = tasks();
        let full = honest(&tasks);
        let level = |level| serde_json::to_value(reduce(full.clone(), level)).unwrap();
        Self {
            outcomes: level(PrivacyLevel::Outcomes),
            scores: level(PrivacyLevel::Scores),
            full: serde_json::to_value(&full).unwrap(),
            set: tasks.into_iter().collect(),
        }
    }

    pub(crate) fn refusal(&self, bytes: &[u8]) -> Option<Refusal> {
        check(bytes, &context(&self.set)).err()
    }

    pub(crate) fn submission(&self, level: &str) -> Json {
        match level {
            "outputs" => self.full.clone(),
            "outcomes" => self.outcomes.clone(),
            "scores" => self.scores.clone(),
            _ => panic!("{level}"),
        }
    }

    /// Fails with all those that are not refused as they should be: name, bytes, code and pointer.
    #[track_caller]
    pub(crate) fn refuses<'a>(&self, forgeries: &[(&'a str, Vec<u8>, &'a str, &'a str)]) {
        let mut wrong = Vec::new();
        for (name, bytes, code, pointer) in forgeries {
            match self.refusal(bytes) {
                None => wrong.push(format!("{name}: taken")),
                Some(refusal) => {
                    if (refusal.code.as_str(), refusal.pointer.as_str()) != (*code, *pointer) {
                        wrong.push(format!("{name}: {refusal}, not {code} at `{pointer}`"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
