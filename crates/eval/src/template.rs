//! Jinja templates, set up as `lm_eval/utils.py` sets up Jinja2: undefined names are errors, a last newline stays.
//!
//! Known limit: inside a filter chain a float of 1e16 and above, or below 1e-4, is not written as Python writes it.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use crate::python;

/// Steps one rendering may take, and with them its output: 64 bytes cost a step, so at most 64 MB.
pub(crate) const STEPS_MAX: u64 = 1_000_000;
/// Nested blocks and macro calls; a template of a task has a handful.
const DEPTH_MAX: usize = 64;

/// The environment templates of one task are compiled in.
pub(crate) fn environment<'source>() -> Environment<'source> {
    let mut env = Environment::new();
    // The builder fails only for empty or equal delimiters; the defaults are neither.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(STEPS_MAX));
    env.set_recursion_limit(DEPTH_MAX);
    env.set_unknown_method_callback(method);
    env.add_filter("trim", trim);
    env.set_formatter(|out, state, value| {
        if value.is_number() && !value.is_integer() {
            let number = f64::try_from(value.clone())?;
            return out.write_str(&python::float(number)).map_err(Error::from);
        }
        minijinja::escape_formatter(out, state, value)
    });
    env
}

/// Jinja2's `trim` is Python's `strip`.
fn trim(text: &str, chars: Option<&str>) -> String {
    match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)),
        None => text.trim_matches(python::is_space),
    }
    .to_string()
}

/// Python's methods: those of `pycompat`, with Python's own white space (it counts U+001C to U+001F, Rust does not), and
/// `list.index`, with which ARC finds its answer.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.kind(), name, args) {
        (ValueKind::Seq, "index", [wanted]) => {
            let place = value.try_iter()?.position(|item| item == *wanted);
            let missing = || {
                Error::new(
                    ErrorKind::InvalidOperation,
                    format!("{wanted:?} is not in the list"),
                )
            };
            place.map(Value::from).ok_or_else(missing)
        }
        (ValueKind::String, "strip" | "lstrip" | "rstrip" | "split", []) => {
            let text = value.as_str().unwrap_or_default();
            Ok(match name {
                "strip" => text.trim_matches(python::is_space).into(),
                "lstrip" => text.trim_start_matches(python::is_space).into(),
                "rstrip" => text.trim_end_matches(python::is_space).into(),
                _ => text
                    .split(python::is_space)
                    .filter(|word| !word.is_empty())
                    .collect(),
            })
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// A document as templates see it.
pub(crate) fn context(document: &Map<String, Json>) -> Value {
    Value::from(Serde(document))
}

/// The engine's words without its own place, which would be that of the template and not of the document.
pub(crate) fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str, document: Json) -> Result<String, String> {
        let env = environment();
        let Json::Object(document) = document else {
            panic!("a document is an object")
        };
        let template = env.template_from_str(template).map_err(|e| reason(&e))?;
        template.render(context(&document)).map_err(|e| reason(&e))
    }

    #[test]
    fn values_print_as_python_prints_them() {
        // Right side: jinja2 3.1 with the harness's environment.
        let document = json!({"a": 1.0, "b": true, "c": null, "d": ["x", "it's", "예\n"], "e": 1e-5, "f": {"k": 1}});
        let printed = render("{{a}}|{{b}}|{{c}}|{{d}}|{{e}}|{{f}}\n", document);
        assert_eq!(
            printed.as_deref(),
            Ok("1.0|True|None|['x', \"it's\", '예\\n']|1e-05|{'k': 1}\n")
        );
    }

    #[test]
    fn methods_of_python_work() {
        let document = json!({"choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B", "q": " why? "});
        let template = "{{q.strip()}} {{choices.label.index(answerKey)}}";
        assert_eq!(render(template, document).as_deref(), Ok("why? 1"));
    }

    #[test]
    fn white_space_is_python_s() {
        let document = json!({"q": "\u{1f}a\u{1c} b\u{200b}\u{3000}"});
        let template =
            "[{{q.strip()}}|{{q|trim}}|{{q.lstrip()}}|{{q.rstrip()}}|{{q.split()|length}}]";
        assert_eq!(
            render(template, document).as_deref(),
            Ok(
                "[a\u{1c} b\u{200b}|a\u{1c} b\u{200b}|a\u{1c} b\u{200b}\u{3000}|\u{1f}a\u{1c} b\u{200b}|2]"
            )
        );
    }

    #[test]
    fn an_undefined_name_is_an_error() {
        assert!(
            render("{{ nothing }}", json!({}))
                .unwrap_err()
                .starts_with("undefined value")
        );
        assert!(
            render("{{ a.b }}", json!({"a": {}}))
                .unwrap_err()
                .starts_with("undefined value")
        );
    }

    #[test]
    fn endless_and_huge_templates_stop() {
        let nested =
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        assert!(
            render(nested, json!({}))
                .unwrap_err()
                .starts_with("engine ran out of fuel")
        );
        let huge = "{% set x = 'x' * 9000000 %}{% for i in range(99) %}{{ x }}{% endfor %}";
        assert!(
            render(huge, json!({}))
                .unwrap_err()
                .starts_with("engine ran out of fuel")
        );
        let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
        assert!(render(recursive, json!({})).is_err());
    }
}
