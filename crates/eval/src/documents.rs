//! Documents as JSON Lines: one JSON object a line.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::error::TaskError;
use crate::task::Source;

/// One document, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Line (text files) or row (Parquet) in the file, from 1.
    pub line: usize,
    /// The document: its columns in order.
    pub fields: Map<String, Json>,
}

/// Documents of one split, and the file they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// What people call the file.
    pub name: String,
    /// The documents in order; at least one.
    pub rows: Vec<Row>,
}

impl Documents {
    /// Documents of a file, of which there must be one.
    pub fn new(name: impl Into<String>, rows: Vec<Row>) -> Result<Self, TaskError> {
        let name = name.into();
        match rows.is_empty() {
            true => Err(TaskError::NoDocuments { file: name }),
            false => Ok(Self { name, rows }),
        }
    }

    /// Refuses two documents with the same `id`: one of them was pasted twice. For files that people write; published tables
    /// may count otherwise.
    pub fn with_unique_ids(self) -> Result<Self, TaskError> {
        let mut lines: HashMap<String, usize> = HashMap::new();
        for Row { line, fields } in &self.rows {
            let id = fields
                .get("id")
                .filter(|id| id.is_string() || id.is_number());
            let Some(id) = id.map(Json::to_string) else {
                continue;
            };
            if let Some(first) = lines.insert(id.clone(), *line) {
                return Err(TaskError::DuplicateId {
                    file: self.name,
                    line: *line,
                    id,
                    first,
                });
            }
        }
        Ok(self)
    }
}

/// The documents of a file, in order. A byte order mark, CRLF and blank lines are tolerated; no document is an error,
/// and so are two with the same `id`.
pub fn json_lines(name: &str, text: &str) -> Result<Documents, TaskError> {
    let source = Source { name, text };
    let file = || source.name.to_string();
    let mut rows = Vec::new();
    for (index, text) in source
        .text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
    {
        let line = index + 1;
        if text.trim().is_empty() {
            continue;
        }
        let value: Json = serde_json::from_str(text).map_err(|error| {
            // "EOF while parsing an object at line 1 column 7": the place is ours to say.
            let reason = error.to_string();
            let reason = reason
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_string();
            TaskError::Json {
                file: file(),
                line,
                column: error.column(),
                reason,
            }
        })?;
        let fields = match value {
            Json::Object(fields) => fields,
            other => {
                return Err(TaskError::NotAnObject {
                    file: file(),
                    line,
                    found: kind(&other),
                });
            }
        };
        rows.push(Row { line, fields });
    }
    Documents::new(name, rows)?.with_unique_ids()
}

/// A JSON value's kind, for messages.
pub(crate) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<usize>, String> {
        let documents = json_lines("d.jsonl", text).map_err(|e| e.to_string())?;
        Ok(documents.rows.iter().map(|row| row.line).collect())
    }

    #[test]
    fn byte_order_mark_crlf_and_blank_lines_are_tolerated() {
        assert_eq!(read("\u{feff}{\"a\": 1}\r\n\r\n{\"a\": 2}"), Ok(vec![1, 3]));
    }

    #[test]
    fn a_truncated_line_is_named_with_its_column() {
        let error = "`d.jsonl` line 2 column 6 is no JSON: EOF while parsing a value";
        assert_eq!(read("{\"a\": 1}\n{\"a\": \n"), Err(error.into()));
    }

    #[test]
    fn a_line_that_is_no_object_is_named() {
        assert_eq!(
            read("[1]"),
            Err("`d.jsonl` line 1 holds a list; a document is a JSON object".into())
        );
    }

    #[test]
    fn no_documents_are_an_error() {
        let error = "`d.jsonl` holds no documents; at least 1 is needed";
        assert_eq!(read(""), Err(error.into()));
        assert_eq!(read("\n \n"), Err(error.into()));
    }

    #[test]
    fn two_documents_with_one_id_are_named() {
        let error = "`d.jsonl` line 3: `id` \"x\" was already used in line 1";
        assert_eq!(
            read("{\"id\": \"x\"}\n{\"id\": \"y\"}\n{\"id\": \"x\"}"),
            Err(error.into())
        );
    }
}
