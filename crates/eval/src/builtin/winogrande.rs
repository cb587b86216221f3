//! `lm_eval/tasks/winogrande/preprocess_winogrande.py`: each option in the blank is a context, what follows is scored.

use serde_json::Value as Json;

use super::fields::{text, wrong};
use super::{FieldError, Fields};
use crate::python;

/// Index of the right option.
pub(super) fn doc_to_text(fields: &Fields) -> Result<Json, FieldError> {
    match text(fields, "answer")? {
        "1" => Ok(0.into()),
        "2" => Ok(1.into()),
        _ => Err(wrong(fields, "answer", "`1` or `2`")),
    }
}

/// What follows the blank.
pub(super) fn doc_to_target(fields: &Fields) -> Result<Json, FieldError> {
    let (_, after) = parts(fields)?;
    Ok(after.trim_matches(python::is_space).into())
}

/// What precedes the blank, with each of the options.
pub(super) fn doc_to_choice(fields: &Fields) -> Result<Json, FieldError> {
    let (before, _) = parts(fields)?;
    let options = [text(fields, "option1")?, text(fields, "option2")?];
    Ok(options
        .map(|option| format!("{before}{option}"))
        .to_vec()
        .into())
}

fn parts(fields: &Fields) -> Result<(&str, &str), FieldError> {
    let parts = text(fields, "sentence")?.split_once('_');
    parts.ok_or_else(|| wrong(fields, "sentence", "a text with a blank `_`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sentence_is_parted_at_its_blank() {
        let fields = json!({"sentence": "Ann met Bea and _ smiled .", "option1": "Ann", "option2": "Bea", "answer": "2"});
        let fields = fields.as_object().unwrap();
        assert_eq!(doc_to_text(fields), Ok(json!(1)));
        assert_eq!(doc_to_target(fields), Ok(json!("smiled .")));
        assert_eq!(
            doc_to_choice(fields),
            Ok(json!(["Ann met Bea and Ann", "Ann met Bea and Bea"]))
        );
    }

    #[test]
    fn a_sentence_without_a_blank_is_named() {
        let fields = json!({"sentence": "None.", "answer": "3"});
        let fields = fields.as_object().unwrap();
        assert_eq!(
            doc_to_target(fields).unwrap_err().to_string(),
            "the field `sentence` is `None.`; allowed: a text with a blank `_`"
        );
        assert_eq!(
            doc_to_text(fields).unwrap_err().to_string(),
            "the field `answer` is `3`; allowed: `1` or `2`"
        );
    }
}
