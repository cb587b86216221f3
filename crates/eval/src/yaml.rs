//! Task and group files as YAML: includes, `!function` tags, and the file and line of every key.
//!
//! As `lm_eval/tasks/_yaml_loader.py`: `include` names files from the folder of the one that says it, and keys of the including
//! file win. `!function utils.f` becomes [`Function`]; no Python is run.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;

use crate::error::TaskError;
use crate::python;
use crate::task::Source;
use crate::yaml_1_1::as_yaml_1_2;

/// Most files one task file may include, directly or not: the harness's own stay below five.
const INCLUDES_MAX: usize = 32;
/// Key under which a `!function` tag is kept in JSON.
const FUNCTION: &str = "!function";

/// Files by their path, with `/` between folders. A task file finds here what it includes.
pub type Files = BTreeMap<String, String>;

/// `!function module.name`: a Python function that a task file refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) module: String,
    pub(crate) name: String,
}

impl Function {
    /// The function that a value of the file refers to.
    pub(crate) fn of(value: &Json) -> Option<Self> {
        let (module, name) = value.get(FUNCTION)?.as_str()?.rsplit_once('.')?;
        Some(Self {
            module: module.into(),
            name: name.into(),
        })
    }
}

/// A mapping of a YAML file and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// `fewshot_config.` or such, empty at the top.
    under: String,
    pub(crate) map: Map<String, Json>,
    /// The file, and the ones it includes.
    sources: Vec<(String, String)>,
    /// Index into `sources` of the file that says a key of the top.
    origins: HashMap<String, usize>,
}

impl Keys {
    /// Reads a file and what it includes; `files` holds the latter.
    pub(crate) fn read(source: Source<'_>, files: &Files) -> Result<Self, TaskError> {
        let mut keys = Self {
            under: String::new(),
            map: Map::new(),
            sources: Vec::new(),
            origins: HashMap::new(),
        };
        keys.include(source, files)?;
        Ok(keys)
    }

    /// Puts the keys of a file, after those it includes, over the keys read so far.
    fn include(&mut self, source: Source<'_>, files: &Files) -> Result<(), TaskError> {
        let mut map = mapping(source)?;
        let index = self.sources.len();
        self.sources.push((source.name.into(), source.text.into()));
        let wrong = |found: String, allowed| TaskError::Value {
            file: source.name.into(),
            line: line_of(source.text, "include"),
            key: "include".into(),
            found,
            allowed,
        };
        const ALLOWED: &str = "a file, or a list of files, none of which includes itself";
        let names = match map.shift_remove("include") {
            None => Vec::new(),
            Some(Json::Array(names)) => names,
            Some(name) => vec![name],
        };
        for name in names {
            let name = name
                .as_str()
                .ok_or_else(|| wrong(describe(&name), ALLOWED))?;
            let path = join(source.name, name);
            let cycle = self.sources.iter().any(|(known, _)| *known == path);
            if cycle || self.sources.len() > INCLUDES_MAX {
                return Err(wrong(format!("`{name}`, again"), ALLOWED));
            }
            let text = files
                .get(&path)
                .ok_or_else(|| wrong(format!("`{path}`, which is not there"), "a file that is"))?;
            self.include(Source { name: &path, text }, files)?;
        }
        for (key, value) in map {
            self.origins.insert(key.clone(), index);
            self.map.insert(key, value);
        }
        Ok(())
    }

    /// The file's own name.
    pub(crate) fn file(&self) -> &str {
        self.sources.first().map_or("", |(name, _)| name)
    }

    /// Sets a key as a group does for its members; messages then name the group's file.
    pub(crate) fn set(&mut self, key: &str, value: Json, from: &Self) {
        self.origins.insert(key.into(), self.sources.len());
        self.sources.extend(from.sources.first().cloned());
        self.map.insert(key.into(), value);
    }

    /// Another mapping of the same file.
    pub(crate) fn with(&self, map: Map<String, Json>) -> Self {
        Self {
            map,
            ..self.clone()
        }
    }

    /// The value of a key; null counts as absent, as in the harness.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// File and line of a key, as far as they are known.
    pub(crate) fn place(&self, key: &str) -> (String, usize) {
        let top = self.under.split('.').next().filter(|top| !top.is_empty());
        let index = self.origins.get(top.unwrap_or(key)).copied().unwrap_or(0);
        let (name, text) = &self.sources[index.min(self.sources.len() - 1)];
        (name.clone(), line_of(text, key))
    }

    /// Refuses keys that are not in `allowed`.
    pub(crate) fn only(&self, allowed: &[&str]) -> Result<(), TaskError> {
        match self.map.keys().find(|key| !allowed.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let (file, line) = self.place(key);
                Err(TaskError::UnsupportedKey {
                    file,
                    line,
                    key: format!("{}{key}", self.under),
                    allowed: allowed.join(", "),
                })
            }
        }
    }

    /// The error for a key whose value cannot be used.
    pub(crate) fn wrong(&self, key: &str, allowed: &'static str) -> TaskError {
        let found = self.get(key).map_or("missing".into(), describe);
        self.found(key, found, allowed)
    }

    /// As [`Self::wrong`], with words of the caller's own.
    pub(crate) fn found(&self, key: &str, found: String, allowed: &'static str) -> TaskError {
        let (file, line) = self.place(key);
        TaskError::Value {
            file,
            line,
            key: format!("{}{key}", self.under),
            found,
            allowed,
        }
    }

    pub(crate) fn missing(&self, key: &'static str) -> TaskError {
        TaskError::MissingKey {
            file: self.file().into(),
            key,
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "text")),
        }
    }

    pub(crate) fn truth(&self, key: &str) -> Result<Option<bool>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    pub(crate) fn count(&self, key: &str) -> Result<Option<u32>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(key, "a whole number from 0")),
            },
        }
    }

    /// A mapping below this one.
    pub(crate) fn under(&self, key: &str) -> Result<Option<Self>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(self.below(key, map.clone()))),
            Some(_) => Err(self.wrong(key, "a mapping")),
        }
    }

    /// The mappings of a list below this one; one mapping alone counts as a list.
    pub(crate) fn list(&self, key: &str) -> Result<Option<Vec<Self>>, TaskError> {
        let items = match self.get(key) {
            None => return Ok(None),
            Some(Json::Array(items)) => items.as_slice(),
            Some(item @ Json::Object(_)) => std::slice::from_ref(item),
            Some(_) => return Err(self.wrong(key, "a list of mappings")),
        };
        let maps = items.iter().map(|item| match item {
            Json::Object(map) => Ok(self.below(key, map.clone())),
            _ => Err(self.wrong(key, "a list of mappings")),
        });
        maps.collect::<Result<_, _>>().map(Some)
    }

    fn below(&self, key: &str, map: Map<String, Json>) -> Self {
        Self {
            under: format!("{}{key}.", self.under),
            map,
            sources: self.sources.clone(),
            origins: self.origins.clone(),
        }
    }
}

/// The mapping a file holds, without what it includes.
pub(crate) fn mapping(source: Source<'_>) -> Result<Map<String, Json>, TaskError> {
    let wrong = |reason| TaskError::Yaml {
        file: source.name.into(),
        reason,
    };
    let text = source.text.trim_start_matches('\u{feff}');
    let text = as_yaml_1_2(text);
    let parsed: Yaml = serde_yaml_ng::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let kind = match &parsed {
        Yaml::Null => "nothing",
        Yaml::Sequence(_) => "a list",
        Yaml::Tagged(_) => "a tag",
        _ => "a single value",
    };
    match parsed {
        Yaml::Mapping(mapping) => json_map(source, mapping),
        _ => Err(wrong(format!("it holds {kind}"))),
    }
}

/// Paths of the files that a task file includes itself, as [`Files`] must name them.
pub fn includes(source: Source<'_>) -> Result<Vec<String>, TaskError> {
    let map = mapping(source)?;
    let names = match map.get("include") {
        Some(Json::Array(names)) => names.as_slice(),
        Some(name) => std::slice::from_ref(name),
        None => &[],
    };
    let names = names.iter().filter_map(Json::as_str);
    Ok(names.map(|name| join(source.name, name)).collect())
}

/// `name` as the file `from` means it: from its own folder.
fn join(from: &str, name: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if name.starts_with('/') {
        name.into()
    } else {
        path
    }
}

/// Line of a key's first appearance, from 1; the parsed YAML no longer knows it.
pub(crate) fn line_of(text: &str, key: &str) -> usize {
    let is_key = |line: &str| {
        let line = line
            .trim_start()
            .trim_start_matches("- ")
            .trim_start()
            .trim_start_matches(['"', '\'']);
        line.strip_prefix(key).is_some_and(|rest| {
            rest.trim_start_matches(['"', '\''])
                .trim_start()
                .starts_with(':')
        })
    };
    // A key within braces does not begin its line.
    let inline = || {
        text.lines()
            .position(|line| line.contains(&format!("{key}:")))
    };
    text.lines()
        .position(is_key)
        .or_else(inline)
        .map_or(1, |index| index + 1)
}

/// A value in an error message: short, and as the file has it.
pub(crate) fn describe(value: &Json) -> String {
    match value {
        Json::String(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
        Json::Array(_) => "a list".into(),
        Json::Object(map) => match map.get(FUNCTION).and_then(Json::as_str) {
            Some(function) => format!("`!function {function}`"),
            None => "a mapping".into(),
        },
        other => format!("`{}`", python::json(other)),
    }
}

fn json_map(
    source: Source<'_>,
    mapping: serde_yaml_ng::Mapping,
) -> Result<Map<String, Json>, TaskError> {
    let mut map = Map::new();
    for (key, value) in mapping {
        let key = match json_value(source, "", key)? {
            Json::String(key) => key,
            other => python::str_of(&other),
        };
        let value = json_value(source, &key, value)?;
        map.insert(key, value);
    }
    Ok(map)
}

/// YAML as JSON. The only tag is `!function`, which names Python code.
fn json_value(source: Source<'_>, key: &str, value: Yaml) -> Result<Json, TaskError> {
    let wrong = |found: String, allowed| TaskError::Value {
        file: source.name.into(),
        line: line_of(source.text, key),
        key: key.into(),
        found,
        allowed,
    };
    Ok(match value {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::String(value) => value.into(),
        Yaml::Number(n) => match (
            n.as_i64(),
            n.as_u64(),
            n.as_f64().and_then(serde_json::Number::from_f64),
        ) {
            (Some(n), _, _) => n.into(),
            (_, Some(n), _) => n.into(),
            (_, _, Some(n)) => n.into(),
            _ => return Err(wrong(format!("`{n}`"), "a finite number")),
        },
        Yaml::Sequence(items) => Json::Array(
            items
                .into_iter()
                .map(|item| json_value(source, key, item))
                .collect::<Result<_, _>>()?,
        ),
        Yaml::Mapping(mapping) => Json::Object(json_map(source, mapping)?),
        Yaml::Tagged(tagged) => match (tagged.tag == "!function", tagged.value) {
            (true, Yaml::String(name)) if name.contains('.') => {
                Json::Object(Map::from_iter([(FUNCTION.to_string(), name.into())]))
            }
            _ => {
                return Err(wrong(
                    format!("tagged `{}`", tagged.tag),
                    "a value without a tag, or `!function module.name`",
                ));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Keys, String> {
        let all: Files = files
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect();
        let (name, text) = files[0];
        Keys::read(Source { name, text }, &all).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_included_stands_below_what_includes_it() {
        let keys = read(&[
            ("a/b/t.yaml", "include: ../base\nx: 1\n"),
            ("a/base", "y: 2\nx: 3\ninclude: [b/more]\n"),
            ("a/b/more", "\nz: 4\ny: 5\n"),
        ])
        .unwrap();
        assert_eq!(
            keys.map,
            *serde_json::json!({"z": 4, "y": 2, "x": 1})
                .as_object()
                .unwrap()
        );
        assert_eq!(keys.place("x"), ("a/b/t.yaml".into(), 2));
        assert_eq!(keys.place("z"), ("a/b/more".into(), 2));
    }

    #[test]
    fn an_include_that_is_missing_or_circular_is_named() {
        assert_eq!(
            read(&[("a/t.yaml", "x: 1\ninclude: b\n")]).map(|_| ()),
            Err("`a/t.yaml` line 2: `include` is `a/b`, which is not there; allowed: a file that is".into())
        );
        let cycle = read(&[("t", "include: u\n"), ("u", "include: t\n")]);
        assert_eq!(
            cycle.map(|_| ()),
            Err("`u` line 1: `include` is `t`, again; allowed: a file, or a list of files, none of which includes itself".into())
        );
    }

    #[test]
    fn functions_are_kept_and_other_tags_refused() {
        let keys = read(&[("t", "a: !function utils.deep.f\n")]).unwrap();
        let function = Function::of(&keys.map["a"]).unwrap();
        assert_eq!(
            (function.module.as_str(), function.name.as_str()),
            ("utils.deep", "f")
        );
        assert_eq!(
            read(&[("t", "a: !x utils.f\n")]).map(|_| ()),
            Err("`t` line 1: `a` is tagged `!x`; allowed: a value without a tag, or `!function module.name`".into())
        );
    }

    #[test]
    fn what_is_no_yaml_mapping_is_refused_with_its_place() {
        let fails = |text| read(&[("t.yaml", text)]).map(|_| ()).unwrap_err();
        assert_eq!(
            fails("- a\n"),
            "`t.yaml` is no YAML mapping: it holds a list"
        );
        assert_eq!(fails(""), "`t.yaml` is no YAML mapping: it holds nothing");
        assert!(fails("a: [\n").contains("line 2"));
        assert!(fails("a: 1\na: 2\n").contains("duplicate"));
    }

    #[test]
    fn aliases_that_multiply_and_deep_nesting_are_refused() {
        let mut text = "tag:\n  a0: &a0 [x, x]\n".to_string();
        for i in 1..40 {
            text += &format!("  a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1);
        }
        let fails = |text: &str| read(&[("t", text)]).map(|_| ()).unwrap_err();
        assert!(fails(&text).contains("repetition limit"));
        let deep = format!("tag: {}{}\n", "[".repeat(5000), "]".repeat(5000));
        assert!(fails(&deep).contains("recursion limit"));
    }
}
