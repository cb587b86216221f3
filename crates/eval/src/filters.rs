//! From what a model wrote to what is compared: `filter_list`, as `lm_eval/filters/*.py`.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::python;
use crate::python_regex::{Endless, PythonRegex, escape};
use crate::yaml::describe;

/// What the harness writes where nothing was found.
const FALLBACK: &str = "[invalid]";
/// The pattern of `regex` where a task file gives none.
const PATTERN: &str = r"#### (\-?[0-9\.\,]+)";

/// One entry of `filter_list`.
#[derive(Clone, Debug)]
pub(crate) struct FilterEnsemble {
    pub(crate) name: String,
    steps: Vec<Step>,
}

/// A filter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{key}` is {found}; allowed: {allowed}")]
pub struct FilterConfigError {
    /// Key of the filter.
    pub key: String,
    /// What it holds.
    pub found: String,
    /// What it may hold.
    pub allowed: String,
}

/// An answer that a filter cannot take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Endless(#[from] Endless),
    #[error("take_first_k needs {needed} answers to a request; `repeats` gives {found}")]
    TooFew { needed: usize, found: usize },
    #[error("there is no answer to take")]
    Nothing,
    #[error("multi_choice_regex needs the field `choices` to be a list of texts")]
    NoChoices,
    #[error("a pattern made from the choices cannot be read: {0}")]
    Pattern(String),
}

/// One function of a filter.
#[derive(Clone, Debug)]
enum Step {
    Regex(Extraction),
    MultiChoiceRegex {
        extraction: Extraction,
        ignore_case: bool,
        ignore_punctuation: bool,
        ignored: Vec<PythonRegex>,
    },
    RemoveWhitespace,
    Lowercase,
    Uppercase,
    Map {
        mapping: Map<String, Json>,
        default: Json,
    },
    TakeFirst,
    TakeFirstK(usize),
    MajorityVote,
}

/// Options of `regex`.
#[derive(Clone, Debug)]
struct Extraction {
    regex: PythonRegex,
    /// Which match counts, negative from the end.
    group_select: i64,
    fallback: String,
}

impl FilterEnsemble {
    /// What a task without `filter_list` has.
    pub(crate) fn take_first() -> Self {
        Self {
            name: "none".into(),
            steps: vec![Step::TakeFirst],
        }
    }

    /// Reads the functions of one entry.
    pub(crate) fn parse(
        name: &str,
        functions: &[Map<String, Json>],
    ) -> Result<Self, FilterConfigError> {
        Ok(Self {
            name: name.into(),
            steps: functions.iter().map(step).collect::<Result<_, _>>()?,
        })
    }

    /// All responses to one request become what metrics see: a text, or a list where no step takes one.
    pub(crate) fn apply(
        &self,
        responses: &[String],
        document: &Map<String, Json>,
    ) -> Result<Json, FilterError> {
        let mut value = Json::from(responses.to_vec());
        for step in &self.steps {
            value = step.apply(value, document)?;
        }
        Ok(value)
    }

    /// Whether it only takes the first response, which is all that log-likelihoods can bear.
    pub(crate) fn takes_first_only(&self) -> bool {
        matches!(self.steps.as_slice(), [Step::TakeFirst])
    }
}

fn step(function: &Map<String, Json>) -> Result<Step, FilterConfigError> {
    let keys = FilterKeys(function);
    let name = keys.text("function")?;
    let (step, allowed): (Step, &[&str]) = match name.as_deref() {
        Some("regex") => (
            Step::Regex(keys.extraction()?),
            &["regex_pattern", "group_select", "fallback"],
        ),
        Some("multi_choice_regex") => (
            Step::MultiChoiceRegex {
                extraction: keys.extraction()?,
                ignore_case: keys.truth("ignore_case")?,
                ignore_punctuation: keys.truth("ignore_punctuation")?,
                ignored: keys.patterns("regexes_to_ignore")?,
            },
            &[
                "regex_pattern",
                "group_select",
                "fallback",
                "ignore_case",
                "ignore_punctuation",
                "regexes_to_ignore",
            ],
        ),
        Some("remove_whitespace") => (Step::RemoveWhitespace, &[]),
        Some("lowercase") => (Step::Lowercase, &[]),
        Some("uppercase") => (Step::Uppercase, &[]),
        Some("map") => (
            Step::Map {
                mapping: match function.get("mapping_dict") {
                    None => Map::new(),
                    Some(Json::Object(mapping)) => mapping.clone(),
                    Some(_) => return Err(keys.wrong("mapping_dict", "a mapping")),
                },
                default: function.get("default_value").cloned().unwrap_or_default(),
            },
            &["mapping_dict", "default_value"],
        ),
        Some("take_first") => (Step::TakeFirst, &[]),
        Some("take_first_k") => match function.get("k").and_then(Json::as_u64) {
            Some(k) if k > 0 => (Step::TakeFirstK(k as usize), &["k"]),
            _ => return Err(keys.wrong("k", "a whole number from 1")),
        },
        Some("majority_vote") => (Step::MajorityVote, &[]),
        _ => {
            return Err(keys.wrong(
                "function",
                "regex, multi_choice_regex, remove_whitespace, lowercase, uppercase, map, take_first, take_first_k or majority_vote",
            ));
        }
    };
    let known = |key: &&String| *key == "function" || allowed.contains(&key.as_str());
    match function.keys().find(|key| !known(key)) {
        None => Ok(step),
        Some(key) => Err(FilterConfigError {
            key: key.clone(),
            found: "not supported".into(),
            allowed: match allowed {
                [] => "no options".into(),
                allowed => allowed.join(", "),
            },
        }),
    }
}

/// The keys of one function.
struct FilterKeys<'a>(&'a Map<String, Json>);

impl FilterKeys<'_> {
    fn wrong(&self, key: &str, allowed: &str) -> FilterConfigError {
        FilterConfigError {
            key: key.into(),
            found: self.0.get(key).map_or("missing".into(), describe),
            allowed: allowed.into(),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, FilterConfigError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "text")),
        }
    }

    fn truth(&self, key: &str) -> Result<bool, FilterConfigError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(false),
            Some(Json::Bool(truth)) => Ok(*truth),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn pattern(&self, key: &str, pattern: &str) -> Result<PythonRegex, FilterConfigError> {
        PythonRegex::new(pattern).map_err(|reason| FilterConfigError {
            key: key.into(),
            found: format!("the pattern `{pattern}`, which cannot be read: {reason}"),
            allowed: "a regular expression of Python".into(),
        })
    }

    fn patterns(&self, key: &str) -> Result<Vec<PythonRegex>, FilterConfigError> {
        let items = match self.0.get(key) {
            None | Some(Json::Null) => return Ok(Vec::new()),
            Some(Json::Array(items)) => items,
            Some(_) => return Err(self.wrong(key, "a list of texts")),
        };
        let pattern = |item: &Json| match item.as_str() {
            Some(pattern) => self.pattern(key, pattern),
            None => Err(self.wrong(key, "a list of texts")),
        };
        items.iter().map(pattern).collect()
    }

    fn extraction(&self) -> Result<Extraction, FilterConfigError> {
        let pattern = self.text("regex_pattern")?;
        let pattern = pattern.as_deref().unwrap_or(PATTERN);
        let group_select = match self.0.get("group_select") {
            None => 0,
            Some(value) => value
                .as_i64()
                .ok_or_else(|| self.wrong("group_select", "a whole number"))?,
        };
        Ok(Extraction {
            regex: self.pattern("regex_pattern", pattern)?,
            group_select,
            fallback: self.text("fallback")?.unwrap_or_else(|| FALLBACK.into()),
        })
    }
}

impl Step {
    fn apply(&self, value: Json, document: &Map<String, Json>) -> Result<Json, FilterError> {
        let each = |change: &dyn Fn(&str) -> Result<Json, FilterError>| match &value {
            Json::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| change(item.as_str().unwrap_or_default()));
                Ok(Json::Array(items.collect::<Result<_, _>>()?))
            }
            one => change(one.as_str().unwrap_or_default()),
        };
        match self {
            Self::Regex(extraction) => each(&|text| Ok(extraction.extract(text)?.into())),
            Self::MultiChoiceRegex {
                extraction,
                ignore_case,
                ignore_punctuation,
                ignored,
            } => {
                let normalise = |text: &str| -> Result<String, FilterError> {
                    let mut text = text.to_string();
                    for pattern in ignored {
                        text = pattern.remove(&text)?;
                    }
                    if *ignore_case {
                        text = text.to_lowercase();
                    }
                    if *ignore_punctuation {
                        text.retain(|c| !is_punctuation(c));
                    }
                    Ok(text)
                };
                let choices = Choices::new(document, &normalise)?;
                each(&|text| Ok(choices.find(extraction, text, &normalise)?.into()))
            }
            Self::RemoveWhitespace => each(&|text| Ok(text.trim_matches(python::is_space).into())),
            Self::Lowercase => each(&|text| Ok(text.to_lowercase().into())),
            Self::Uppercase => each(&|text| Ok(text.to_uppercase().into())),
            Self::Map { mapping, default } => {
                each(&|text| Ok(mapping.get(text).unwrap_or(default).clone()))
            }
            Self::TakeFirst => match value {
                Json::Array(items) => items.into_iter().next().ok_or(FilterError::Nothing),
                // The first character, as Python takes it of a text.
                Json::String(text) => {
                    let first = text.chars().next().ok_or(FilterError::Nothing)?;
                    Ok(first.to_string().into())
                }
                other => Ok(other),
            },
            Self::TakeFirstK(k) => match value {
                Json::Array(items) if items.len() >= *k => {
                    Ok(Json::Array(items.into_iter().take(*k).collect()))
                }
                Json::Array(items) => Err(FilterError::TooFew {
                    needed: *k,
                    found: items.len(),
                }),
                other => Ok(other),
            },
            Self::MajorityVote => match value {
                Json::Array(items) => Ok(Json::Array(majority(items).into_iter().collect())),
                other => Ok(other),
            },
        }
    }
}

impl Extraction {
    /// `RegexFilter.apply` on one response.
    fn extract(&self, text: &str) -> Result<String, Endless> {
        Ok(match self.select(text)? {
            None => self.fallback.clone(),
            Some(found) if found.is_empty() => self.fallback.clone(),
            Some(found) => found[0].trim_matches(python::is_space).to_string(),
        })
    }

    /// The groups of the match that counts: of several only those that are not empty.
    fn select(&self, text: &str) -> Result<Option<Vec<String>>, Endless> {
        let found = self.regex.find_all(text)?;
        let Some(groups) = pick(&found, self.group_select) else {
            return Ok(None);
        };
        Ok(Some(match groups.as_slice() {
            [one] => vec![one.clone()],
            several => {
                let filled = several.iter().filter(|group| !group.is_empty());
                filled.cloned().collect()
            }
        }))
    }
}

/// Python's `list[index]`. Where Python would raise an error, nothing is found.
fn pick<T>(items: &[T], index: i64) -> Option<&T> {
    let from_end = items.len().checked_sub(index.unsigned_abs() as usize);
    match index < 0 {
        true => items.get(from_end?),
        false => items.get(usize::try_from(index).ok()?),
    }
}

/// The choices of a document, as `MultiChoiceRegexFilter` looks for them.
struct Choices {
    /// Any choice, the longest first.
    texts: PythonRegex,
    /// From a choice to its letter in brackets.
    letters: HashMap<String, String>,
    /// A letter after a colon.
    letter: PythonRegex,
}

impl Choices {
    fn new(
        document: &Map<String, Json>,
        normalise: &dyn Fn(&str) -> Result<String, FilterError>,
    ) -> Result<Self, FilterError> {
        let choices = document.get("choices").and_then(Json::as_array);
        let choices = choices.ok_or(FilterError::NoChoices)?;
        let mut patterns = Vec::new();
        let mut letters = HashMap::new();
        let mut names = Vec::new();
        for (choice, letter) in choices.iter().zip('A'..) {
            let text = choice.as_str().ok_or(FilterError::NoChoices)?;
            let text = normalise(text.trim_matches(python::is_space))?;
            patterns.push(escape(&text));
            letters.insert(text, format!("({letter})"));
            names.push(letter.to_string());
        }
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.chars().count()));
        let regex = |pattern: String| PythonRegex::new(&pattern).map_err(FilterError::Pattern);
        Ok(Self {
            texts: regex(patterns.join("|"))?,
            letter: regex(format!(r":[\s]*({})", names.join("|")))?,
            letters,
        })
    }

    fn find(
        &self,
        extraction: &Extraction,
        text: &str,
        normalise: &dyn Fn(&str) -> Result<String, FilterError>,
    ) -> Result<String, FilterError> {
        let trimmed = |groups: Option<Vec<String>>| {
            let first = groups.and_then(|groups| groups.into_iter().next());
            first.map(|text| text.trim_matches(python::is_space).to_string())
        };
        let by = |regex: &PythonRegex, text: &str| -> Result<Option<String>, Endless> {
            let extraction = Extraction {
                regex: regex.clone(),
                ..extraction.clone()
            };
            Ok(trimmed(extraction.select(text)?))
        };
        if let Some(found) = trimmed(extraction.select(text)?).filter(|found| !found.is_empty()) {
            return Ok(found);
        }
        if let Some(found) = by(&self.texts, &normalise(text)?)?.filter(|found| !found.is_empty()) {
            return Ok(self.letters.get(&found).cloned().unwrap_or(found));
        }
        match by(&self.letter, text)?.filter(|found| !found.is_empty()) {
            Some(letter) => Ok(format!("({letter})")),
            None => Ok(extraction.fallback.clone()),
        }
    }
}

/// The most frequent answer, the earliest of equals.
fn majority(items: Vec<Json>) -> Option<Json> {
    let count = |item: &Json| items.iter().filter(|other| *other == item).count();
    let most = items.iter().map(count).max()?;
    items.iter().find(|item| count(item) == most).cloned()
}

/// Unicode's categories that begin with P.
fn is_punctuation(c: char) -> bool {
    use unicode_general_category::GeneralCategory as Category;
    matches!(
        unicode_general_category::get_general_category(c),
        Category::ConnectorPunctuation
            | Category::DashPunctuation
            | Category::OpenPunctuation
            | Category::ClosePunctuation
            | Category::InitialPunctuation
            | Category::FinalPunctuation
            | Category::OtherPunctuation
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(functions: Json) -> Result<FilterEnsemble, String> {
        let functions: Vec<Map<String, Json>> = serde_json::from_value(functions).unwrap();
        FilterEnsemble::parse("f", &functions).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn gives(functions: Json, document: Json, responses: &[&str], expected: Json) {
        let filter = filter(functions).unwrap();
        let responses: Vec<String> = responses.iter().map(|text| text.to_string()).collect();
        let document = document.as_object().cloned().unwrap_or_default();
        assert_eq!(filter.apply(&responses, &document), Ok(expected));
    }

    // Expected: lm_eval.filters of 0.4.13.

    #[test]
    fn numbers_are_found_as_gsm8k_finds_them() {
        let strict = json!([{"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}, {"function": "take_first"}]);
        gives(
            strict.clone(),
            json!({}),
            &["So 3. #### 1,234 \n"],
            json!("1,234"),
        );
        gives(strict, json!({}), &["none"], json!("[invalid]"));
        let flexible = json!([
            {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
            {"function": "take_first"},
        ]);
        gives(
            flexible.clone(),
            json!({}),
            &["is 3 of $18.00."],
            json!("$18.00."),
        );
        gives(flexible, json!({}), &["1, then 7"], json!("7"));
    }

    #[test]
    fn letters_are_found_by_pattern_by_text_and_after_a_colon() {
        let functions = json!([{
            "function": "multi_choice_regex", "regex_pattern": "(\\([A-Z]\\))", "ignore_case": true,
            "ignore_punctuation": true, "regexes_to_ignore": ["the "],
        }]);
        let document = json!({"choices": ["Guilty", "Guilty of Romance!", "The Sun"]});
        let responses = [
            "it is (B).",
            "I say guilty of romance",
            "The sun it is",
            "answer: C",
            "nothing",
        ];
        gives(
            functions,
            document,
            &responses,
            json!(["(B)", "(B)", "(C)", "(C)", "[invalid]"]),
        );
    }

    #[test]
    fn votes_are_counted_and_the_first_of_equals_wins() {
        let functions = json!([{"function": "majority_vote"}, {"function": "take_first"}]);
        gives(functions.clone(), json!({}), &["a", "b", "b"], json!("b"));
        gives(functions, json!({}), &["b", "a"], json!("b"));
        gives(
            json!([{"function": "take_first_k", "k": 2}]),
            json!({}),
            &["a", "b", "c"],
            json!(["a", "b"]),
        );
    }

    #[test]
    fn texts_are_changed_one_by_one() {
        let functions = json!([
            {"function": "remove_whitespace"}, {"function": "lowercase"},
            {"function": "map", "mapping_dict": {"yes": "1"}, "default_value": "0"},
        ]);
        gives(functions, json!({}), &[" YES\n", "no"], json!(["1", "0"]));
        gives(
            json!([{"function": "uppercase"}]),
            json!({}),
            &["ß"],
            json!(["SS"]),
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert_eq!(
            filter(json!([{"function": "custom"}])).map(|_| ()),
            Err("`function` is `custom`; allowed: regex, multi_choice_regex, remove_whitespace, lowercase, uppercase, map, take_first, take_first_k or majority_vote".into())
        );
        assert_eq!(
            filter(json!([{"function": "take_first", "n": 1}])).map(|_| ()),
            Err("`n` is not supported; allowed: no options".into())
        );
        let error = filter(json!([{"function": "regex", "regex_pattern": "("}])).unwrap_err();
        assert!(
            error.starts_with("`regex_pattern` is the pattern `(`, which cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn too_few_answers_are_an_error() {
        let filter = filter(json!([{"function": "take_first_k", "k": 2}])).unwrap();
        let error = filter.apply(&["a".into()], &Map::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "take_first_k needs 2 answers to a request; `repeats` gives 1"
        );
    }
}
