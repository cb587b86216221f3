//! `lm_eval/tasks/hellaswag/utils.py`: WikiHow's brackets are taken out of questions and endings.

use super::fields::{text, texts, whole};
use super::{FieldError, Fields};
use crate::python;

/// Adds `query`, `choices` and `gold`.
pub(super) fn process_docs(mut fields: Fields) -> Result<Option<Fields>, FieldError> {
    let context = format!(
        "{} {}",
        text(&fields, "ctx_a")?,
        capitalise(text(&fields, "ctx_b")?)
    );
    let query = clean(&format!("{}: {context}", text(&fields, "activity_label")?));
    let endings = texts(&fields, "endings")?;
    let choices: Vec<String> = endings.iter().map(|ending| clean(ending)).collect();
    let gold = whole(&fields, "label")?;
    fields.insert("query".into(), query.into());
    fields.insert("choices".into(), choices.into());
    fields.insert("gold".into(), gold.into());
    Ok(Some(fields))
}

/// `str.capitalize`: the first letter in title case, the others in lower case.
fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        None => String::new(),
        // Title case is upper case but for a few digraphs, which keep their second part small.
        Some(first) => {
            let upper: String = first.to_uppercase().collect();
            let mut upper = upper.chars();
            let head: String = upper.next().into_iter().collect();
            head + &upper.as_str().to_lowercase() + &chars.as_str().to_lowercase()
        }
    }
}

fn clean(text: &str) -> String {
    let text = text
        .trim_matches(python::is_space)
        .replace(" [title]", ". ");
    without_brackets(&text).replace("  ", " ")
}

/// `re.sub("\\[.*?\\]", "", text)`: what stands in brackets on one line.
fn without_brackets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let after = &rest[open + 1..];
        let end = after.find(['\n', ']']);
        match end {
            Some(close) if after[close..].starts_with(']') => {
                kept += &rest[..open];
                rest = &after[close + 1..];
            }
            _ => {
                kept += &rest[..=open];
                rest = after;
            }
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_become_those_of_the_harness() {
        let fields = json!({
            "activity_label": "Washing", "ctx_a": "A man [title] wets  his hands.", "ctx_b": "THE man",
            "endings": [" [header] He sings. ", "he [step]  stops [ a\nb]."], "label": "1",
        });
        let fields = fields.as_object().cloned().unwrap();
        let processed = process_docs(fields).unwrap().unwrap();
        // lm_eval.tasks.hellaswag.utils of 0.4.13.
        assert_eq!(
            processed["query"],
            "Washing: A man. wets his hands. The man"
        );
        assert_eq!(
            processed["choices"],
            json!([" He sings.", "he  stops [ a\nb]."])
        );
        assert_eq!(processed["gold"], 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = process_docs(Fields::new()).unwrap_err().to_string();
        assert_eq!(error, "the field `ctx_a` is missing; allowed: a text");
    }
}
