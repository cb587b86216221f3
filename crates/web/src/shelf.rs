//! The tasks a worker can run: bundled ones and the person's own, each with the documents chosen for it.

use std::collections::{BTreeMap, HashMap};

use jeoul_eval::group::Group;
use jeoul_eval::origin::Origin;
use jeoul_eval::results::{GroupCard, TaskCard};
use jeoul_eval::{
    Catalog, Documents, RunOptions, SelectError, Selection, Source, Task, TaskConfig, TaskError,
    bundled,
};
use jeoul_record::TaskSet;

use crate::protocol::{RunSettings, TaskRequest};

/// Documents that stand in for a task's samples.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Documents to score.
    pub documents: Option<Documents>,
    /// Few-shot split.
    pub examples: Option<Documents>,
    /// Where they come from.
    pub origin: Origin,
}

/// All tasks, ready to be chosen from.
pub struct Shelf {
    catalog: Catalog,
    /// By task.
    own: HashMap<String, Own>,
    /// Read once; a task whose documents change is read again.
    tasks: BTreeMap<String, Task>,
}

/// What a run will do.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Tasks with their settings, in order.
    pub tasks: Vec<(Task, RunOptions)>,
    /// The groups they were chosen by, parents before children.
    pub groups: Vec<Group>,
}

impl Shelf {
    /// The bundled tasks.
    pub fn new() -> Result<Self, TaskError> {
        Ok(Self {
            catalog: bundled::catalog()?,
            own: HashMap::new(),
            tasks: BTreeMap::new(),
        })
    }

    /// Cards of all tasks whose documents are there, in the order of their names.
    pub fn task_cards(&mut self) -> Result<Vec<TaskCard>, SelectError> {
        let names: Vec<String> = self.catalog.tasks().map(String::from).collect();
        let mut cards = Vec::with_capacity(names.len());
        for name in names {
            let config = self.catalog.task(&name)?;
            match self.task(config) {
                Ok(task) => cards.push(task.card()),
                // A task of the person's own waits for its documents.
                Err(TaskError::NoSamples { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(cards)
    }

    /// Cards of all groups.
    pub fn group_cards(&self) -> Result<Vec<GroupCard>, SelectError> {
        self.catalog.group_cards()
    }

    /// Adds a task file of the person's own; gives its name.
    pub fn add(&mut self, name: &str, text: &str) -> Result<String, SelectError> {
        let config = TaskConfig::read(Source { name, text }, &Default::default())?;
        let task = config.name().to_string();
        self.catalog
            .add([(name.to_string(), text.to_string())].into())?;
        self.tasks.remove(&task);
        Ok(task)
    }

    /// The task file of this name.
    pub fn config(&self, task: &str) -> Result<TaskConfig, SelectError> {
        self.catalog.task(task)
    }

    /// What stands in for a task's samples now.
    pub fn own(&self, task: &str) -> Own {
        self.own.get(task).cloned().unwrap_or_default()
    }

    /// Gives a task other documents, if they fit it; without them it has its samples back.
    pub fn set_own(&mut self, task: &str, own: Option<Own>) -> Result<(), SelectError> {
        let before = match own {
            Some(own) => self.own.insert(task.to_string(), own),
            None => self.own.remove(task),
        };
        self.tasks.remove(task);
        let config = self.catalog.task(task)?;
        if let Err(error) = self.task(config) {
            match before {
                Some(before) => self.own.insert(task.to_string(), before),
                None => self.own.remove(task),
            };
            return Err(error.into());
        }
        Ok(())
    }

    /// The tasks asked for, with their settings.
    pub fn choose(
        &mut self,
        requests: &[TaskRequest],
        settings: &RunSettings,
    ) -> Result<Chosen, SelectError> {
        let mut chosen = Chosen::default();
        let mut chosen_by: HashMap<String, String> = HashMap::new();
        for request in requests {
            let names = [request.task.clone()];
            let Selection { tasks, groups } = self.catalog.select(&names, &Default::default())?;
            for config in tasks {
                let name = config.name().to_string();
                if let Some(first) = chosen_by.insert(name.clone(), request.task.clone()) {
                    return Err(SelectError::Twice {
                        task: name,
                        first,
                        second: request.task.clone(),
                    });
                }
                let options = RunOptions {
                    num_fewshot: request.num_fewshot,
                    limit: request.limit,
                    seed: u64::from(settings.seed),
                    apply_chat_template: settings.apply_chat_template,
                    fewshot_as_multiturn: settings.fewshot_as_multiturn,
                    system_instruction: settings.system_instruction.clone(),
                    ..RunOptions::default()
                };
                // A group may set its tasks' own shots, so they are read with its settings.
                chosen.tasks.push((self.read(config)?, options));
            }
            for group in groups {
                if !chosen.groups.iter().any(|known| known.name == group.name) {
                    chosen.groups.push(group);
                }
            }
        }
        Ok(chosen)
    }

    /// The tasks with these names as they are now and as they are bundled; what is not there is left out.
    pub fn known<'a>(&self, names: impl Iterator<Item = &'a str>) -> TaskSet {
        let configs = names.filter_map(|name| self.catalog.task(name).ok());
        let read = |config: TaskConfig| [self.read(config.clone()), bundled::task(config)];
        configs.flat_map(read).flatten().collect()
    }

    fn task(&mut self, config: TaskConfig) -> Result<&Task, TaskError> {
        let name = config.name().to_string();
        if !self.tasks.contains_key(&name) {
            let task = self.read(config)?;
            self.tasks.insert(name.clone(), task);
        }
        Ok(&self.tasks[&name])
    }

    fn read(&self, config: TaskConfig) -> Result<Task, TaskError> {
        match self.own.get(config.name()) {
            Some(Own {
                documents: Some(documents),
                examples,
                origin,
            }) => {
                Ok(Task::new(config, documents.clone(), examples.clone())?
                    .with_origin(origin.clone()))
            }
            _ => bundled::task(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeoul_eval::json_lines;
    use jeoul_eval::origin::OriginKind;
    use jeoul_record::KnownTasks;

    fn request(task: &str) -> TaskRequest {
        TaskRequest {
            task: task.into(),
            num_fewshot: None,
            limit: Some(1),
        }
    }

    fn local(text: &str) -> Own {
        Own {
            documents: Some(json_lines("mine.jsonl", text).unwrap()),
            examples: None,
            origin: Origin {
                kind: OriginKind::Local,
                files: Vec::new(),
            },
        }
    }

    const MINE: &str = r#"{"question": "Is it?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}"#;

    #[test]
    fn a_task_keeps_its_samples_until_documents_fit() {
        let mut shelf = Shelf::new().unwrap();
        let task = "jeoul_science";
        let documents = |shelf: &mut Shelf| {
            let chosen = shelf
                .choose(&[request(task)], &RunSettings::default())
                .unwrap();
            (
                chosen.tasks[0].0.documents().len(),
                chosen.tasks[0].0.card().origin,
            )
        };
        let (count, origin) = documents(&mut shelf);
        assert!(count > 1 && origin == OriginKind::Samples);
        let error = shelf
            .set_own(task, Some(local("{\"question\": 1}")))
            .unwrap_err();
        assert!(
            error.to_string().starts_with("`mine.jsonl` line 1: "),
            "{error}"
        );
        assert_eq!(documents(&mut shelf), (count, OriginKind::Samples));
        shelf.set_own(task, Some(local(MINE))).unwrap();
        assert_eq!(documents(&mut shelf), (1, OriginKind::Local));
        shelf.set_own(task, None).unwrap();
        assert_eq!(documents(&mut shelf), (count, OriginKind::Samples));
    }

    #[test]
    fn a_task_of_ones_own_waits_for_its_documents() {
        let mut shelf = Shelf::new().unwrap();
        let text = "task: mine\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: question\ndoc_to_target: 0\ndoc_to_choice: [x, y]\n";
        assert_eq!(shelf.add("mine.yaml", text).unwrap(), "mine");
        let listed = |shelf: &mut Shelf| {
            let cards = shelf.task_cards().unwrap();
            cards.iter().any(|card| card.name == "mine")
        };
        assert!(!listed(&mut shelf));
        shelf.set_own("mine", Some(local(MINE))).unwrap();
        assert!(listed(&mut shelf));
    }

    #[test]
    fn a_task_is_known_with_documents_of_ones_own_and_with_its_samples() {
        let mut shelf = Shelf::new().unwrap();
        let (task, names) = ("jeoul_science", ["jeoul_science", "no_task"]);
        let hash = |shelf: &mut Shelf| {
            let config = shelf.config(task).unwrap();
            shelf.task(config).unwrap().content_hash()
        };
        let samples = hash(&mut shelf);
        shelf.set_own(task, Some(local(MINE))).unwrap();
        let mine = hash(&mut shelf);
        let known = shelf.known(names.into_iter());
        assert!(known.task(task, &samples).is_some());
        assert!(known.task(task, &mine).is_some() && mine != samples);
        assert!(known.task(task, &"0".repeat(64)).is_none());
    }

    #[test]
    fn a_task_is_chosen_once() {
        let mut shelf = Shelf::new().unwrap();
        let twice = [request("jeoul_science"), request("jeoul_science")];
        let error = shelf.choose(&twice, &RunSettings::default()).unwrap_err();
        assert!(matches!(error, SelectError::Twice { .. }), "{error}");
    }
}
