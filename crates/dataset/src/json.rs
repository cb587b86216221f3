//! JSON: a list of objects, or an object that holds one (`{"data": [...]}`).

use jeoul_eval::{Documents, Row};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::DatasetError;

/// Reads the documents of a JSON file.
pub(crate) fn read(name: &str, text: &str) -> Result<Documents, DatasetError> {
    let text = text.trim_start_matches('\u{feff}');
    let wrong = |error: serde_json::Error| DatasetError::Json {
        file: name.into(),
        line: error.line(),
        column: error.column(),
        reason: reason(&error),
    };
    // First where each document lies, then what it holds: messages need the line.
    let whole: &RawValue = serde_json::from_str(text).map_err(wrong)?;
    let items: Vec<&RawValue> = match whole.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(whole.get()).map_err(wrong)?,
        Some(b'{') => list_of(name, whole.get())?,
        _ => return Err(shape(name, "a single value")),
    };
    let mut rows = Vec::with_capacity(items.len());
    let (mut line, mut counted) = (1, 0);
    for item in items {
        let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[counted..start].matches('\n').count();
        counted = start;
        let fields: Map<String, Value> = match serde_json::from_str(item.get()) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => {
                return Err(shape(
                    name,
                    &format!("a list with {} in line {line}", kind(&other)),
                ));
            }
            Err(error) => return Err(wrong(error)),
        };
        rows.push(Row { line, fields });
    }
    Ok(Documents::new(name, rows)?.with_unique_ids()?)
}

/// The one list of an object.
fn list_of<'a>(name: &str, text: &'a str) -> Result<Vec<&'a RawValue>, DatasetError> {
    let map: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| DatasetError::Json {
            file: name.into(),
            line: error.line(),
            column: error.column(),
            reason: reason(&error),
        })?;
    let mut lists = map.values().filter(|value| value.get().starts_with('['));
    match (lists.next(), lists.next()) {
        (Some(list), None) => {
            serde_json::from_str(list.get()).map_err(|_| shape(name, "a list that cannot be read"))
        }
        (Some(_), Some(_)) => Err(shape(name, "an object with several lists")),
        _ => Err(shape(name, "an object without a list")),
    }
}

fn shape(name: &str, found: &str) -> DatasetError {
    DatasetError::Shape {
        file: name.into(),
        found: found.into(),
    }
}

/// The parser's words without its place, which is named apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().into()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<usize>, String> {
        let documents = read("d.json", text).map_err(|error| error.to_string())?;
        Ok(documents.rows.iter().map(|row| row.line).collect())
    }

    #[test]
    fn documents_know_their_lines() {
        assert_eq!(
            lines("\u{feff}[\n {\"a\": 1},\r\n\n {\"a\":\n 2}, {}\n]"),
            Ok(vec![2, 4, 5])
        );
        assert_eq!(
            lines("{\"version\": 1, \"data\": [\n{\"a\": 1}]}"),
            Ok(vec![2])
        );
    }

    #[test]
    fn what_is_no_list_of_objects_is_named() {
        let expected = "expected a list of objects, or an object with one list of objects";
        for (text, found) in [
            ("3", "a single value"),
            ("{}", "an object without a list"),
            ("{\"a\": [], \"b\": []}", "an object with several lists"),
            ("[{},\n 1]", "a list with a number in line 2"),
        ] {
            assert_eq!(
                lines(text),
                Err(format!("`d.json` holds {found}; {expected}"))
            );
        }
        assert_eq!(
            lines("[{}, {\"a\": "),
            Err("`d.json` line 1 column 11 is no JSON: EOF while parsing a value".into())
        );
        assert_eq!(
            lines("[]"),
            Err("`d.json` holds no documents; at least 1 is needed".into())
        );
    }
}
