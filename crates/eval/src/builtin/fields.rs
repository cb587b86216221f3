//! Columns of a document, for functions that read them: what is missing or wrong is named.

use serde_json::Value as Json;
use thiserror::Error;

use super::Fields;
use crate::documents::kind;
use crate::error::TaskError;
use crate::python;

/// A column that a function cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the field `{field}` is {found}; allowed: {allowed}")]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) found: String,
    pub(crate) allowed: &'static str,
}

impl FieldError {
    /// The error with the place of the document.
    pub(crate) fn at(self, file: &str, line: usize) -> TaskError {
        TaskError::RowField {
            file: file.into(),
            line,
            field: self.field,
            found: self.found,
            allowed: self.allowed,
        }
    }
}

/// The error for a column that holds something else.
pub(super) fn wrong(fields: &Fields, field: &str, allowed: &'static str) -> FieldError {
    let describe = |value: &Json| match value {
        Json::String(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
        Json::Number(number) => format!("`{number}`"),
        other => kind(other).into(),
    };
    FieldError {
        field: field.into(),
        found: fields.get(field).map_or("missing".into(), describe),
        allowed,
    }
}

pub(super) fn text<'a>(fields: &'a Fields, field: &str) -> Result<&'a str, FieldError> {
    let value = fields.get(field).and_then(Json::as_str);
    value.ok_or_else(|| wrong(fields, field, "a text"))
}

pub(super) fn texts(fields: &Fields, field: &str) -> Result<Vec<String>, FieldError> {
    let items = fields.get(field).and_then(Json::as_array);
    let texts = items.and_then(|items| {
        let texts = items.iter().map(|item| item.as_str().map(String::from));
        texts.collect()
    });
    texts.ok_or_else(|| wrong(fields, field, "a list of texts"))
}

/// `int(value)` of a whole number or of a text that is one.
pub(super) fn whole(fields: &Fields, field: &str) -> Result<i64, FieldError> {
    let value = fields.get(field).and_then(|value| match value {
        Json::String(text) => text.trim_matches(python::is_space).parse().ok(),
        Json::Bool(truth) => Some(i64::from(*truth)),
        value => value.as_i64(),
    });
    value.ok_or_else(|| wrong(fields, field, "a whole number"))
}
