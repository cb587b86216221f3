//! All task and group files there are, and what `--tasks` selects among them.
//!
//! As `lm_eval/tasks/_index.py`, `_factory.py` and `manager.py`: a name is a task, a group of tasks and groups, or a tag that
//! several tasks carry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::config::TaskConfig;
use crate::error::TaskError;
use crate::group::{GROUP_KEYS, Group};
use crate::results::GroupCard;
use crate::task::Source;
use crate::yaml::{Files, Keys, describe, mapping};

/// Groups within groups, at most.
const DEPTH_MAX: usize = 16;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Task { path: String },
    Group { path: String },
    Tag { tasks: BTreeSet<String> },
}

/// Task and group files by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    files: Files,
    entries: BTreeMap<String, Entry>,
}

/// What was selected.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The tasks, in order, each once.
    pub tasks: Vec<TaskConfig>,
    /// The groups among which they lie, parents before children.
    pub groups: Vec<Group>,
}

/// A name that selects nothing, or too much.
#[derive(Debug, Error)]
pub enum SelectError {
    /// No such task, group or tag.
    #[error("there is no task, group or tag `{name}`{}", did_you_mean(near))]
    Unknown {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A task that two of the names select.
    #[error("the task `{task}` is selected twice, by `{first}` and by `{second}`")]
    Twice {
        /// The task.
        task: String,
        /// Name that selects it first.
        first: String,
        /// Name that selects it again.
        second: String,
    },
    /// A file that cannot be used.
    #[error(transparent)]
    Task(#[from] TaskError),
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

impl Catalog {
    /// The catalog of some files, by path. Those that end in `.yaml` or `.yml` are tasks and groups, the others can be included.
    pub fn new(files: Files) -> Result<Self, TaskError> {
        let mut catalog = Self::default();
        catalog.add(files)?;
        Ok(catalog)
    }

    /// Adds files; their names hold against those known already.
    pub fn add(&mut self, files: Files) -> Result<(), TaskError> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (path, text) in &files {
            if !is_yaml(path) {
                continue;
            }
            let map = mapping(Source { name: path, text })?;
            let name = |key: &str| map.get(key).and_then(Json::as_str).map(String::from);
            let entry = match (name("group"), name("task")) {
                (Some(group), _) => (group, Entry::Group { path: path.clone() }),
                (None, Some(task)) => {
                    for tag in tags(&map) {
                        let tag = entries.entry(tag).or_insert(Entry::Tag {
                            tasks: BTreeSet::new(),
                        });
                        if let Entry::Tag { tasks } = tag {
                            tasks.insert(task.clone());
                        }
                    }
                    (task, Entry::Task { path: path.clone() })
                }
                // A file that is only included.
                (None, None) => continue,
            };
            entries.entry(entry.0).or_insert(entry.1);
        }
        self.entries.extend(entries);
        self.files.extend(files);
        Ok(())
    }

    /// Names of all tasks, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.named(|entry| matches!(entry, Entry::Task { .. }))
    }

    /// Names of all groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.named(|entry| matches!(entry, Entry::Group { .. }))
    }

    /// Cards of all groups, in order.
    pub fn group_cards(&self) -> Result<Vec<GroupCard>, SelectError> {
        let mut selections = Vec::new();
        for name in self.groups() {
            selections.push((name, self.select(&[name.to_string()], &Map::new())?));
        }
        let groups: Vec<Group> = selections
            .iter()
            .flat_map(|(_, selection)| selection.groups.clone())
            .collect();
        let card = |(name, selection): &(&str, Selection)| {
            let group = selection.groups.iter().find(|group| group.name == *name)?;
            Some(group.card(&selection.tasks, &groups))
        };
        Ok(selections.iter().filter_map(card).collect())
    }

    /// The name under which a file's task or group is known.
    pub fn name_of(&self, path: &str) -> Option<&str> {
        let entries = self.entries.iter();
        let mut names = entries.filter_map(|(name, entry)| match entry {
            Entry::Task { path: own } | Entry::Group { path: own } if own == path => {
                Some(name.as_str())
            }
            _ => None,
        });
        names.next()
    }

    fn named(&self, is: impl Fn(&Entry) -> bool) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter();
        entries.filter_map(move |(name, entry)| is(entry).then_some(name.as_str()))
    }

    /// The task file of this name.
    pub fn task(&self, name: &str) -> Result<TaskConfig, SelectError> {
        match self.entries.get(name) {
            Some(Entry::Task { path }) => self.read(path, &Overrides::default(), &Map::new()),
            _ => Err(self.unknown(name)),
        }
    }

    /// What some names select; `gen_kwargs` win over `generation_kwargs` of the tasks.
    pub fn select(
        &self,
        names: &[String],
        gen_kwargs: &Map<String, Json>,
    ) -> Result<Selection, SelectError> {
        let mut selection = Selection::default();
        let mut selected_by: BTreeMap<String, String> = BTreeMap::new();
        for name in names {
            let mut part = Selection::default();
            let overrides = Overrides::default();
            self.collect(name, &overrides, gen_kwargs, 0, &mut part)?;
            for task in part.tasks {
                let first = selected_by.get(task.name());
                if let Some(first) = first {
                    return Err(SelectError::Twice {
                        task: task.name().into(),
                        first: first.clone(),
                        second: name.clone(),
                    });
                }
                selected_by.insert(task.name().into(), name.clone());
                selection.tasks.push(task);
            }
            for group in part.groups {
                if !selection
                    .groups
                    .iter()
                    .any(|known| known.name == group.name)
                {
                    selection.groups.push(group);
                }
            }
        }
        Ok(selection)
    }

    /// Adds what a name stands for, and gives the names of the children that a group has by it.
    fn collect(
        &self,
        name: &str,
        overrides: &Overrides,
        gen_kwargs: &Map<String, Json>,
        depth: usize,
        into: &mut Selection,
    ) -> Result<Vec<String>, SelectError> {
        match self.entries.get(name) {
            Some(Entry::Task { path }) => {
                let task = self.read(path, overrides, gen_kwargs)?;
                let name = task.name().to_string();
                if !into.tasks.iter().any(|known| known.name() == name) {
                    into.tasks.push(task);
                }
                Ok(vec![name])
            }
            Some(Entry::Tag { tasks }) => {
                let mut names = Vec::new();
                for task in tasks {
                    names.extend(self.collect(task, overrides, gen_kwargs, depth, into)?);
                }
                Ok(names)
            }
            Some(Entry::Group { path }) => {
                let text = self.files.get(path).map_or("", String::as_str);
                let keys = Keys::read(Source { name: path, text }, &self.files)?;
                self.collect_group(&keys, name, overrides, gen_kwargs, depth, into)?;
                Ok(vec![name.to_string()])
            }
            None => Err(self.unknown(name)),
        }
    }

    fn collect_group(
        &self,
        keys: &Keys,
        name: &str,
        overrides: &Overrides,
        gen_kwargs: &Map<String, Json>,
        depth: usize,
        into: &mut Selection,
    ) -> Result<(), SelectError> {
        if depth > DEPTH_MAX {
            return Err(keys
                .wrong("task", "groups that do not hold each other")
                .into());
        }
        let mut group = Group::parse(keys, name)?;
        // Parents stand before children, so the place is kept.
        let place = into.groups.len();
        into.groups.push(group.clone());
        let own = Overrides::of(keys, GROUP_KEYS).under(overrides);
        let members = match keys.get("task") {
            None => &[],
            Some(Json::Array(members)) => members.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let first_task = into.tasks.len();
        for member in members {
            let children = match member {
                Json::String(member) => self.collect(member, &own, gen_kwargs, depth + 1, into)?,
                Json::Object(map) => {
                    let item = keys.with(map.clone());
                    self.collect_entry(&item, name, &own, gen_kwargs, depth + 1, into)?
                }
                other => {
                    let allowed = "a list of names and mappings";
                    return Err(keys.found("task", describe(other), allowed).into());
                }
            };
            group.children.extend(children);
        }
        group.tasks = into.tasks[first_task..]
            .iter()
            .map(|task| task.name().to_string())
            .collect();
        into.groups[place] = group;
        Ok(())
    }

    /// A member that is a mapping: a task, a group or a tag with other settings, or a group that stands only here.
    fn collect_entry(
        &self,
        item: &Keys,
        parent: &str,
        overrides: &Overrides,
        gen_kwargs: &Map<String, Json>,
        depth: usize,
        into: &mut Selection,
    ) -> Result<Vec<String>, SelectError> {
        match (item.text("group")?, item.text("task")) {
            (Some(group), _) if self.entries.contains_key(&group) => {
                let own = Overrides::of(item, &["group"]).over(overrides);
                self.collect(&group, &own, gen_kwargs, depth, into)
            }
            (Some(group), _) => {
                let name = format!("{parent}::{group}");
                self.collect_group(item, &name, overrides, gen_kwargs, depth, into)?;
                Ok(vec![name])
            }
            (None, Ok(Some(task))) => {
                let own = Overrides::of(item, &["task"]).over(overrides);
                self.collect(&task, &own, gen_kwargs, depth, into)
            }
            _ => Err(item.wrong("task", "the name of a task, or `group`").into()),
        }
    }

    fn read(
        &self,
        path: &str,
        overrides: &Overrides,
        gen_kwargs: &Map<String, Json>,
    ) -> Result<TaskConfig, SelectError> {
        let text = self.files.get(path).map_or("", String::as_str);
        let mut keys = Keys::read(Source { name: path, text }, &self.files)?;
        for (key, value, from) in &overrides.0 {
            keys.set(key, value.clone(), from);
        }
        Ok(TaskConfig::parse(keys, gen_kwargs)?)
    }

    fn unknown(&self, name: &str) -> SelectError {
        let name_part = name.split(['_', ':']).next().unwrap_or(name);
        let like = |known: &&String| known.contains(name) || known.starts_with(name_part);
        let near = self.entries.keys().filter(like).take(8).cloned().collect();
        SelectError::Unknown {
            name: name.into(),
            near,
        }
    }
}

/// Keys that a group sets for its tasks, with the file that says so. The last of equal ones holds.
#[derive(Clone, Debug, Default)]
struct Overrides(Vec<(String, Json, Keys)>);

impl Overrides {
    /// All keys but those in `except`.
    fn of(keys: &Keys, except: &[&str]) -> Self {
        let others = keys
            .map
            .iter()
            .filter(|(key, _)| !except.contains(&key.as_str()));
        Self(
            others
                .map(|(key, value)| (key.clone(), value.clone(), keys.clone()))
                .collect(),
        )
    }

    /// These, where `above` says nothing else.
    fn under(mut self, above: &Self) -> Self {
        self.0.extend(above.0.iter().cloned());
        self
    }

    /// `below`, where these say nothing else.
    fn over(self, below: &Self) -> Self {
        below.clone().under(&self)
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn tags(map: &Map<String, Json>) -> Vec<String> {
    match map.get("tag") {
        Some(Json::String(tag)) => vec![tag.clone()],
        Some(Json::Array(tags)) => {
            let text = |tag: &Json| tag.as_str().map(String::from);
            tags.iter().filter_map(text).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str =
        "output_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n";

    fn catalog(files: &[(&str, &str)]) -> Catalog {
        let mut all: Files = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        all.insert("base".into(), TASK.into());
        Catalog::new(all).unwrap()
    }

    fn names(selection: &Selection) -> Vec<(&str, Option<u32>)> {
        let tasks = selection.tasks.iter();
        tasks.map(|task| (task.name(), task.num_fewshot)).collect()
    }

    fn select(catalog: &Catalog, names: &[&str]) -> Result<Selection, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let selection = catalog.select(&names, &Map::new());
        selection.map_err(|error| error.to_string())
    }

    #[test]
    fn a_group_holds_tasks_groups_and_tags_with_its_settings() {
        let catalog = catalog(&[
            (
                "b.yaml",
                "include: base\ntask: b\ntag: letters\nnum_fewshot: 1\n",
            ),
            ("a.yaml", "include: base\ntask: a\ntag: [letters]\n"),
            ("c.yaml", "include: base\ntask: c\n"),
            ("inner.yaml", "group: inner\ntask: letters\n"),
            (
                "outer.yaml",
                "group: outer\nnum_fewshot: 5\ntask:\n  - group: inner\n    num_fewshot: 7\n  - task: c\n    num_fewshot: 2\n  - group: here\n    task: [d]\n",
            ),
            ("d.yaml", "include: base\ntask: d\n"),
        ]);
        let selection = select(&catalog, &["outer"]).unwrap();
        assert_eq!(
            names(&selection),
            [
                ("a", Some(7)),
                ("b", Some(7)),
                ("c", Some(2)),
                ("d", Some(5))
            ]
        );
        let groups: Vec<(&str, &[String], usize)> = selection
            .groups
            .iter()
            .map(|group| {
                (
                    group.name.as_str(),
                    group.children.as_slice(),
                    group.tasks.len(),
                )
            })
            .collect();
        let own = |names: &[&str]| -> Vec<String> { names.iter().map(|n| n.to_string()).collect() };
        assert_eq!(
            groups,
            [
                ("outer", own(&["inner", "c", "outer::here"]).as_slice(), 4),
                ("inner", own(&["a", "b"]).as_slice(), 2),
                ("outer::here", own(&["d"]).as_slice(), 1)
            ]
        );
        assert_eq!(
            names(&select(&catalog, &["letters", "d"]).unwrap())[2].0,
            "d"
        );
    }

    #[test]
    fn what_selects_nothing_or_twice_is_named() {
        let catalog = catalog(&[
            ("a.yaml", "include: base\ntask: arc_easy\n"),
            ("g.yaml", "group: g\ntask: [arc_easy]\n"),
        ]);
        assert_eq!(
            select(&catalog, &["arc"]).map(|_| ()),
            Err("there is no task, group or tag `arc`; did you mean arc_easy?".into())
        );
        assert_eq!(
            select(&catalog, &["g", "arc_easy"]).map(|_| ()),
            Err("the task `arc_easy` is selected twice, by `g` and by `arc_easy`".into())
        );
    }

    #[test]
    fn groups_that_hold_each_other_are_refused() {
        let catalog = catalog(&[
            ("g.yaml", "group: g\ntask: [h]\n"),
            ("h.yaml", "group: h\ntask: [g]\n"),
        ]);
        let error = select(&catalog, &["g"]).map(|_| ()).unwrap_err();
        assert!(
            error.contains("groups that do not hold each other"),
            "{error}"
        );
    }

    #[test]
    fn a_setting_that_no_task_has_is_named_in_the_group() {
        let catalog = catalog(&[
            ("a.yaml", "include: base\ntask: a\n"),
            ("g.yaml", "group: g\nshots: 5\ntask: [a]\n"),
        ]);
        let error = select(&catalog, &["g"]).map(|_| ()).unwrap_err();
        assert!(
            error.starts_with("`g.yaml` line 2: `shots` is not supported"),
            "{error}"
        );
    }
}
