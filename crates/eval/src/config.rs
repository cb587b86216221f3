//! The keys of a task file, in the format of lm-evaluation-harness (`lm_eval/config/task.py`).
//!
//! A key that is known but not supported is an error: ignoring it could change a score without a word.

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;

use crate::error::TaskError;
use crate::python;
use crate::results::DocumentResult;
use crate::task::{DataFiles, Source};

/// Keys of a task file that are read, or that cannot change a score.
const KEYS: &[&str] = &[
    "task",
    "task_alias",
    "tag",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "fewshot_config",
    "output_type",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "num_fewshot",
    "metric_list",
    "repeats",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "metadata",
];
/// Keys of `fewshot_config`.
const FEWSHOT_KEYS: &[&str] = &["sampler", "split"];
/// Keys of an entry of `metric_list`.
const METRIC_KEYS: &[&str] = &["metric", "aggregation", "higher_is_better"];

/// How few-shot examples are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// Drawn anew for each document by Python's generator.
    Default,
    /// The first ones of the split.
    FirstN,
}

/// What a document is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Acc,
    AccNorm,
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Acc => "acc",
            Self::AccNorm => "acc_norm",
        }
    }

    /// The metric's value for one document.
    pub(crate) fn of(self, document: &DocumentResult) -> f64 {
        match self {
            Self::Acc => document.acc,
            Self::AccNorm => document.acc_norm,
        }
    }
}

/// What `doc_to_text`, `doc_to_target` or `doc_to_choice` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A field's name or a template.
    Text(String),
    /// The same index for every document.
    Index(i64),
    /// The same texts for every document.
    List(Vec<String>),
}

/// A task file, checked.
#[derive(Clone, Debug)]
pub(crate) struct TaskConfig {
    pub(crate) name: String,
    pub(crate) doc_to_text: Rule,
    pub(crate) doc_to_target: Rule,
    pub(crate) doc_to_choice: Rule,
    pub(crate) description: String,
    pub(crate) target_delimiter: String,
    pub(crate) fewshot_delimiter: String,
    pub(crate) num_fewshot: Option<u32>,
    pub(crate) sampler: Sampler,
    /// `fewshot_config.split`, else `fewshot_split`.
    pub(crate) fewshot_split: Option<String>,
    pub(crate) training_split: Option<String>,
    pub(crate) validation_split: Option<String>,
    pub(crate) test_split: Option<String>,
    pub(crate) metrics: Vec<(Metric, bool)>,
    /// The whole file, for result files.
    pub(crate) json: Map<String, Json>,
}

impl TaskConfig {
    pub(crate) fn parse(source: Source<'_>) -> Result<Self, TaskError> {
        let file = || source.name.to_string();
        let text = source.text.trim_start_matches('\u{feff}');
        let parsed: Yaml = serde_yaml_ng::from_str(text).map_err(|e| TaskError::Yaml {
            file: file(),
            reason: e.to_string(),
        })?;
        let kind = yaml_kind(&parsed);
        let Yaml::Mapping(mapping) = parsed else {
            return Err(TaskError::Yaml {
                file: file(),
                reason: format!("it holds {kind}"),
            });
        };
        let keys = Keys {
            source,
            under: String::new(),
            map: json_map(source, "", mapping)?,
        };
        keys.only(KEYS)?;

        let output_type = keys.text("output_type")?;
        if output_type.as_deref() != Some("multiple_choice") {
            return Err(keys.wrong("output_type", "multiple_choice"));
        }
        if !matches!(keys.get("repeats").and_then(Json::as_u64), None | Some(1)) {
            return Err(keys.wrong("repeats", "1"));
        }
        let name = keys.text("task")?.ok_or(TaskError::MissingKey {
            file: file(),
            key: "task",
        })?;
        // The name becomes part of file names.
        if name.is_empty() || name.contains(['/', '\\', ',']) || name.chars().any(char::is_control)
        {
            return Err(keys.wrong(
                "task",
                "a name without `/`, `\\`, `,` and control characters",
            ));
        }
        let fewshot = keys.under("fewshot_config")?;
        let mut sampler = Sampler::Default;
        let mut fewshot_split = keys.text("fewshot_split")?;
        if let Some(fewshot) = fewshot {
            fewshot.only(FEWSHOT_KEYS)?;
            sampler = match fewshot.text("sampler")?.as_deref() {
                None | Some("default") => Sampler::Default,
                Some("first_n") => Sampler::FirstN,
                Some(_) => return Err(fewshot.wrong("sampler", "default or first_n")),
            };
            fewshot_split = fewshot.text("split")?.or(fewshot_split);
        }
        Ok(Self {
            name,
            doc_to_text: keys.rule("doc_to_text")?,
            doc_to_target: keys.rule("doc_to_target")?,
            doc_to_choice: keys.rule("doc_to_choice")?,
            description: keys.text("description")?.unwrap_or_default(),
            target_delimiter: keys.text("target_delimiter")?.unwrap_or_else(|| " ".into()),
            fewshot_delimiter: keys
                .text("fewshot_delimiter")?
                .unwrap_or_else(|| "\n\n".into()),
            num_fewshot: keys.count("num_fewshot")?,
            sampler,
            fewshot_split,
            training_split: keys.text("training_split")?,
            validation_split: keys.text("validation_split")?,
            test_split: keys.text("test_split")?,
            metrics: keys.metrics()?,
            json: keys.map,
        })
    }

    /// Split whose documents are scored, as `eval_docs`.
    pub(crate) fn documents_split(&self) -> Option<&str> {
        self.test_split
            .as_deref()
            .or(self.validation_split.as_deref())
    }

    /// Split that examples come from, as `fewshot_docs`.
    pub(crate) fn examples_split(&self) -> Option<&str> {
        let named = [
            &self.fewshot_split,
            &self.training_split,
            &self.validation_split,
            &self.test_split,
        ];
        named.into_iter().find_map(Option::as_deref)
    }

    /// Files of `dataset_kwargs.data_files`, a mapping from split to file.
    pub(crate) fn data_files(&self, source: Source<'_>) -> Result<DataFiles, TaskError> {
        let Some(files) = self
            .json
            .get("dataset_kwargs")
            .and_then(|kwargs| kwargs.get("data_files"))
        else {
            return Ok(DataFiles::default());
        };
        let wrong = || TaskError::Value {
            file: source.name.into(),
            line: line_of(source.text, "data_files"),
            key: "dataset_kwargs.data_files".into(),
            found: describe(files),
            allowed: "a mapping from split to one file",
        };
        let file = |split: Option<&str>| {
            let Some(named) = split.and_then(|split| files.get(split)) else {
                return Ok(None);
            };
            let name = match named {
                Json::Array(names) if names.len() == 1 => names[0].as_str(),
                _ => named.as_str(),
            };
            name.map(|name| Some(name.to_string())).ok_or_else(wrong)
        };
        if !files.is_object() {
            return Err(wrong());
        }
        let (documents, examples) = (self.documents_split(), self.examples_split());
        let fewshot = if examples == documents {
            None
        } else {
            file(examples)?
        };
        Ok(DataFiles {
            documents: file(documents)?,
            fewshot,
        })
    }

    /// `metadata.<key>`.
    pub(crate) fn metadata(&self, key: &str) -> Option<&Json> {
        self.json.get("metadata")?.get(key)
    }

    /// `metadata.version`; the harness calls a task without one `Yaml`.
    pub(crate) fn version(&self) -> Json {
        self.metadata("version")
            .cloned()
            .unwrap_or_else(|| "Yaml".into())
    }
}

/// A mapping of the task file and where it lies.
struct Keys<'a> {
    source: Source<'a>,
    /// `fewshot_config.` or such, empty at the top.
    under: String,
    map: Map<String, Json>,
}

impl Keys<'_> {
    /// The value of a key; null counts as absent, as in the harness.
    fn get(&self, key: &str) -> Option<&Json> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn only(&self, allowed: &[&str]) -> Result<(), TaskError> {
        match self.map.keys().find(|key| !allowed.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(TaskError::UnsupportedKey {
                file: self.source.name.into(),
                line: line_of(self.source.text, key),
                key: format!("{}{key}", self.under),
                allowed: allowed.join(", "),
            }),
        }
    }

    fn wrong(&self, key: &str, allowed: &'static str) -> TaskError {
        TaskError::Value {
            file: self.source.name.into(),
            line: line_of(self.source.text, key),
            key: format!("{}{key}", self.under),
            found: self.get(key).map_or("missing".into(), describe),
            allowed,
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "text")),
        }
    }

    fn count(&self, key: &str) -> Result<Option<u32>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(key, "a whole number from 0")),
            },
        }
    }

    fn under(&self, key: &str) -> Result<Option<Keys<'_>>, TaskError> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(Keys {
                source: self.source,
                under: format!("{key}."),
                map: map.clone(),
            })),
            Some(_) => Err(self.wrong(key, "a mapping")),
        }
    }

    fn rule(&self, key: &'static str) -> Result<Rule, TaskError> {
        let missing = || TaskError::MissingKey {
            file: self.source.name.into(),
            key,
        };
        let texts = |items: Vec<&Json>| -> Option<Vec<String>> {
            items
                .into_iter()
                .map(|item| item.as_str().map(String::from))
                .collect()
        };
        match (key, self.get(key).ok_or_else(missing)?) {
            (_, Json::String(text)) => Ok(Rule::Text(text.clone())),
            ("doc_to_target", Json::Number(n)) => n
                .as_i64()
                .map(Rule::Index)
                .ok_or_else(|| self.wrong(key, "a field, a template or a whole number")),
            ("doc_to_choice", Json::Array(items)) => texts(items.iter().collect())
                .map(Rule::List)
                .ok_or_else(|| {
                    self.wrong(key, "a field, a template, or a list or mapping of texts")
                }),
            ("doc_to_choice", Json::Object(map)) => texts(map.values().collect())
                .map(Rule::List)
                .ok_or_else(|| {
                    self.wrong(key, "a field, a template, or a list or mapping of texts")
                }),
            ("doc_to_choice", _) => {
                Err(self.wrong(key, "a field, a template, or a list or mapping of texts"))
            }
            ("doc_to_target", _) => Err(self.wrong(key, "a field, a template or a whole number")),
            _ => Err(self.wrong(key, "a field or a template")),
        }
    }

    /// Metrics with `higher_is_better`; without the key, those the harness gives to `multiple_choice`.
    fn metrics(&self) -> Result<Vec<(Metric, bool)>, TaskError> {
        let entries = match self.get("metric_list") {
            None => return Ok(vec![(Metric::Acc, true), (Metric::AccNorm, true)]),
            Some(Json::Array(entries)) if !entries.is_empty() => entries,
            Some(_) => return Err(self.wrong("metric_list", "a list of mappings with `metric`")),
        };
        let mut metrics: Vec<(Metric, bool)> = Vec::new();
        for entry in entries {
            let Json::Object(map) = entry else {
                return Err(self.wrong("metric_list", "a list of mappings with `metric`"));
            };
            let entry = Keys {
                source: self.source,
                under: "metric_list.".into(),
                map: map.clone(),
            };
            entry.only(METRIC_KEYS)?;
            let metric = match entry.text("metric")?.as_deref() {
                Some("acc") => Metric::Acc,
                Some("acc_norm") => Metric::AccNorm,
                _ => return Err(entry.wrong("metric", "acc or acc_norm")),
            };
            if metrics.iter().any(|(known, _)| *known == metric) {
                return Err(entry.wrong("metric", "each metric once"));
            }
            if !matches!(entry.text("aggregation")?.as_deref(), None | Some("mean")) {
                return Err(entry.wrong("aggregation", "mean"));
            }
            let higher = match entry.get("higher_is_better") {
                None => true,
                Some(Json::Bool(higher)) => *higher,
                Some(_) => return Err(entry.wrong("higher_is_better", "true or false")),
            };
            metrics.push((metric, higher));
        }
        Ok(metrics)
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
fn describe(value: &Json) -> String {
    match value {
        Json::String(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
        Json::Array(_) => "a list".into(),
        Json::Object(_) => "a mapping".into(),
        other => format!("`{}`", python::json(other)),
    }
}

fn yaml_kind(value: &Yaml) -> &'static str {
    match value {
        Yaml::Null => "nothing",
        Yaml::Sequence(_) => "a list",
        Yaml::Mapping(_) => "a mapping",
        Yaml::Tagged(_) => "a tag",
        _ => "a single value",
    }
}

fn json_map(
    source: Source<'_>,
    under: &str,
    mapping: serde_yaml_ng::Mapping,
) -> Result<Map<String, Json>, TaskError> {
    let mut map = Map::new();
    for (key, value) in mapping {
        let key = match json_value(source, under, key)? {
            Json::String(key) => key,
            other => python::str_of(&other),
        };
        let value = json_value(source, &key, value)?;
        map.insert(key, value);
    }
    Ok(map)
}

/// YAML as JSON. Tags (`!function utils.py`) call Python in the harness and are refused.
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
        Yaml::Mapping(mapping) => Json::Object(json_map(source, key, mapping)?),
        Yaml::Tagged(tagged) => {
            return Err(wrong(
                format!("tagged `{}`", tagged.tag),
                "a value without a tag: no Python is run",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n";

    fn parse(text: &str) -> Result<TaskConfig, String> {
        TaskConfig::parse(Source {
            name: "t.yaml",
            text,
        })
        .map_err(|e| e.to_string())
    }

    #[track_caller]
    fn refuses(addition: &str, message: &str) {
        assert_eq!(
            parse(&format!("{GOOD}{addition}")).map(|_| ()),
            Err(message.into())
        );
    }

    #[test]
    fn what_is_left_out_is_as_in_the_harness() {
        let config = parse(GOOD).unwrap();
        assert_eq!(
            (
                config.target_delimiter.as_str(),
                config.fewshot_delimiter.as_str()
            ),
            (" ", "\n\n")
        );
        assert_eq!(
            config.metrics,
            [(Metric::Acc, true), (Metric::AccNorm, true)]
        );
        assert_eq!(
            (config.num_fewshot, config.sampler),
            (None, Sampler::Default)
        );
        assert_eq!(config.version(), "Yaml");
    }

    #[test]
    fn all_forms_of_the_rules_are_read() {
        let text = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: 1\ndoc_to_choice: {a: x, b: y}\n\
                    fewshot_config: {sampler: first_n, split: dev}\nmetadata: {version: 1.0}\ndescription: null\n";
        let config = parse(text).unwrap();
        assert_eq!(config.doc_to_target, Rule::Index(1));
        assert_eq!(
            config.doc_to_choice,
            Rule::List(vec!["x".into(), "y".into()])
        );
        assert_eq!(
            (config.sampler, config.fewshot_split.as_deref()),
            (Sampler::FirstN, Some("dev"))
        );
        assert_eq!(python::str_of(&config.version()), "1.0");
    }

    #[test]
    fn an_unsupported_key_is_named_with_its_line() {
        let error = parse(&format!("{GOOD}process_docs: x\n")).unwrap_err();
        assert!(
            error.starts_with("`t.yaml` line 6: `process_docs` is not supported; allowed: task, "),
            "{error}"
        );
        refuses(
            "fewshot_config:\n  samples: []\n",
            "`t.yaml` line 7: `fewshot_config.samples` is not supported; allowed: sampler, split",
        );
        refuses(
            "metric_list:\n  - metric: acc\n    ignore_case: true\n",
            "`t.yaml` line 8: `metric_list.ignore_case` is not supported; allowed: metric, aggregation, higher_is_better",
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        refuses(
            "num_fewshot: -1\n",
            "`t.yaml` line 6: `num_fewshot` is `-1`; allowed: a whole number from 0",
        );
        refuses(
            "description: [a]\n",
            "`t.yaml` line 6: `description` is a list; allowed: text",
        );
        refuses(
            "repeats: 2\n",
            "`t.yaml` line 6: `repeats` is `2`; allowed: 1",
        );
        refuses(
            "metric_list:\n  - metric: f1\n",
            "`t.yaml` line 7: `metric_list.metric` is `f1`; allowed: acc or acc_norm",
        );
        refuses(
            "metric_list:\n  - metric: acc\n    aggregation: median\n",
            "`t.yaml` line 8: `metric_list.aggregation` is `median`; allowed: mean",
        );
        refuses(
            "fewshot_config:\n  sampler: balanced\n",
            "`t.yaml` line 7: `fewshot_config.sampler` is `balanced`; allowed: default or first_n",
        );
        refuses(
            "process_results: !function utils.f\n",
            "`t.yaml` line 6: `process_results` is tagged `!function`; allowed: a value without a tag: no Python is run",
        );
        let generate = GOOD.replace("multiple_choice", "generate_until");
        let error = "`t.yaml` line 2: `output_type` is `generate_until`; allowed: multiple_choice";
        assert_eq!(parse(&generate).map(|_| ()), Err(error.into()));
        let slash = GOOD.replace("task: t", "task: ../t");
        assert!(
            parse(&slash)
                .unwrap_err()
                .starts_with("`t.yaml` line 1: `task` is `../t`; allowed: a name without")
        );
    }

    #[test]
    fn a_missing_key_is_named() {
        let text = GOOD.replace("doc_to_choice: c\n", "");
        assert_eq!(
            parse(&text).map(|_| ()),
            Err("`t.yaml`: `doc_to_choice` is missing".into())
        );
    }

    #[test]
    fn what_is_no_yaml_mapping_is_refused_with_its_place() {
        assert_eq!(
            parse("- a\n").map(|_| ()),
            Err("`t.yaml` is no YAML mapping: it holds a list".into())
        );
        assert_eq!(
            parse("").map(|_| ()),
            Err("`t.yaml` is no YAML mapping: it holds nothing".into())
        );
        assert!(parse("a: [\n").unwrap_err().contains("line 2"));
        assert!(
            parse(&format!("{GOOD}task: u\n"))
                .unwrap_err()
                .contains("duplicate")
        );
    }

    #[test]
    fn aliases_that_multiply_and_deep_nesting_are_refused() {
        let mut text = format!("{GOOD}tag:\n  a0: &a0 [x, x]\n");
        for i in 1..40 {
            text += &format!("  a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1);
        }
        assert!(parse(&text).unwrap_err().contains("repetition limit"));
        let deep = format!("{GOOD}tag: {}{}\n", "[".repeat(5000), "]".repeat(5000));
        assert!(parse(&deep).unwrap_err().contains("recursion limit"));
    }
}
