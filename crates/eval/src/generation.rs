//! How a task generates: `generation_kwargs`, as `TaskConfig.__post_init__` and `normalize_gen_kwargs` read them.

use serde_json::{Map, Value as Json};

use crate::error::TaskError;
use crate::model::Sampling;
use crate::python;
use crate::yaml::Keys;

/// Tokens generated where nothing else is said: `DEFAULT_MAX_GEN_TOKS` of the harness.
const MAX_TOKENS: u32 = 256;
/// Names of the longest length, the first one there counts.
const LENGTHS: [&str; 4] = [
    "max_gen_toks",
    "max_new_tokens",
    "max_tokens",
    "max_completion_tokens",
];

/// Settings of a task's generations.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationSettings {
    /// The settings as result files give them.
    pub(crate) json: Map<String, Json>,
    /// Texts that end a generation.
    pub until: Vec<String>,
    /// Most tokens to generate.
    pub max_tokens: u32,
    /// How tokens are drawn; the most probable one if `None`.
    pub sampling: Option<Sampling>,
}

impl GenerationSettings {
    /// Reads `generation_kwargs`; `asked` are those of `--gen_kwargs`, which win.
    pub(crate) fn parse(
        task: &Keys,
        asked: &Map<String, Json>,
        fewshot_delimiter: &str,
    ) -> Result<Self, TaskError> {
        let keys = task.under("generation_kwargs")?;
        let mut map = match &keys {
            Some(keys) => keys.map.clone(),
            None => Map::from_iter([
                ("temperature".to_string(), 0.0.into()),
                ("do_sample".to_string(), false.into()),
                ("max_gen_toks".to_string(), MAX_TOKENS.into()),
            ]),
        };
        if let Some(temperature) = map.get_mut("temperature")
            && let Some(number) = number(temperature)
        {
            *temperature = number.into();
        }
        if !map.contains_key("until") {
            map.insert("until".into(), Json::Array(vec![fewshot_delimiter.into()]));
        }
        for (key, value) in asked {
            map.insert(key.clone(), value.clone());
        }
        let wrong = |key: &str, value: &Json, allowed| {
            let place = keys.as_ref().unwrap_or(task);
            place.found(key, crate::yaml::describe(value), allowed)
        };
        let mut settings = Self {
            json: Map::new(),
            until: Vec::new(),
            max_tokens: MAX_TOKENS,
            sampling: None,
        };
        let mut sampling = Sampling {
            temperature: 0.0,
            top_p: 1.0,
            // Hugging Face keeps so many where nobody says otherwise.
            top_k: 50,
            seed: 0,
        };
        let mut do_sample = None;
        // The first of the names wins, so the last is read first.
        let order = |key: &str| LENGTHS.iter().position(|name| *name == key);
        let mut entries: Vec<(&String, &Json)> = map.iter().collect();
        entries.sort_by_key(|(key, _)| std::cmp::Reverse(order(key)));
        for (key, value) in entries {
            match key.as_str() {
                "until" => {
                    settings.until = texts(value)
                        .ok_or_else(|| wrong(key, value, "a text or a list of texts"))?
                }
                "do_sample" => {
                    do_sample = Some(
                        value
                            .as_bool()
                            .ok_or_else(|| wrong(key, value, "true or false"))?,
                    )
                }
                "temperature" => {
                    sampling.temperature = number(value)
                        .filter(|t| *t >= 0.0 && t.is_finite())
                        .ok_or_else(|| wrong(key, value, "a number from 0"))?
                        as f32
                }
                "top_p" => {
                    sampling.top_p = number(value)
                        .filter(|p| *p > 0.0 && *p <= 1.0)
                        .ok_or_else(|| wrong(key, value, "a number above 0, at most 1"))?
                        as f32
                }
                "top_k" => {
                    sampling.top_k =
                        whole(value).ok_or_else(|| wrong(key, value, "a whole number from 0"))?
                }
                "seed" => {
                    sampling.seed = value
                        .as_u64()
                        .ok_or_else(|| wrong(key, value, "a whole number from 0"))?
                }
                length if LENGTHS.contains(&length) => {
                    settings.max_tokens = whole(value)
                        .filter(|n| *n > 0)
                        .ok_or_else(|| wrong(key, value, "a whole number from 1"))?
                }
                _ => {
                    let (file, line) = task.place("generation_kwargs");
                    return Err(TaskError::UnsupportedKey {
                        file,
                        line,
                        key: format!("generation_kwargs.{key}"),
                        allowed: "until, do_sample, temperature, top_p, top_k, seed, max_gen_toks, max_new_tokens, max_tokens, max_completion_tokens".into(),
                    });
                }
            }
        }
        // `do_sample: false` holds against a temperature; a temperature alone samples.
        if do_sample.unwrap_or(sampling.temperature > 0.0) && sampling.temperature > 0.0 {
            settings.sampling = Some(sampling);
        }
        settings.json = map;
        Ok(settings)
    }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(String::from))
            .collect(),
        _ => None,
    }
}

/// A number, also one that YAML or a command line gives as text.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::String(text) => text.trim_matches(python::is_space).parse().ok(),
        value => value.as_f64(),
    }
}

fn whole(value: &Json) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Source;
    use crate::yaml::Files;

    fn read(kwargs: &str) -> Result<GenerationSettings, String> {
        let source = Source {
            name: "t.yaml",
            text: &format!("task: t\n{kwargs}"),
        };
        let keys = Keys::read(source, &Files::new()).map_err(|error| error.to_string())?;
        GenerationSettings::parse(&keys, &Map::new(), "\n\n").map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_greedy_until_the_delimiter() {
        let settings = read("").unwrap();
        assert_eq!(
            (settings.until, settings.max_tokens),
            (vec!["\n\n".to_string()], 256)
        );
        assert_eq!(settings.sampling, None);
        let json =
            r#"{"temperature": 0.0, "do_sample": false, "max_gen_toks": 256, "until": ["\n\n"]}"#;
        assert_eq!(python::json(&Json::Object(settings.json)), json);
        let until = read("generation_kwargs:\n  max_gen_toks: 8\n").unwrap();
        assert_eq!(
            (until.until, until.max_tokens),
            (vec!["\n\n".to_string()], 8)
        );
    }

    #[test]
    fn sampling_needs_a_temperature_and_no_refusal() {
        let samples = |kwargs| {
            read(&format!("generation_kwargs: {kwargs}\n"))
                .unwrap()
                .sampling
        };
        assert_eq!(
            samples("{temperature: 0.5}").map(|s| s.temperature),
            Some(0.5)
        );
        assert_eq!(samples("{temperature: 0.5, do_sample: false}"), None);
        assert_eq!(samples("{temperature: 0, do_sample: true}"), None);
        let all = samples("{temperature: 1, do_sample: true, top_p: 0.9, top_k: 40, seed: 7}");
        let expected = Sampling {
            temperature: 1.0,
            top_p: 0.9,
            top_k: 40,
            seed: 7,
        };
        assert_eq!(all, Some(expected));
    }

    #[test]
    fn the_first_name_of_the_length_counts() {
        let settings =
            read("generation_kwargs: {max_tokens: 3, max_gen_toks: 2, max_new_tokens: 4}\n");
        assert_eq!(settings.unwrap().max_tokens, 2);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert_eq!(
            read("generation_kwargs:\n  num_beams: 2\n"),
            Err("`t.yaml` line 2: `generation_kwargs.num_beams` is not supported; allowed: until, do_sample, temperature, top_p, top_k, seed, max_gen_toks, max_new_tokens, max_tokens, max_completion_tokens".into())
        );
        assert_eq!(
            read("generation_kwargs:\n  max_gen_toks: 0\n"),
            Err("`t.yaml` line 3: `generation_kwargs.max_gen_toks` is `0`; allowed: a whole number from 1".into())
        );
    }
}
