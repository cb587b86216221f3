//! CSV with a header. A column holds whole numbers, numbers, truths or text, whichever fits all its cells, as pandas infers it.
//!
//! Empty cells are null. `True`, `true`, `TRUE` and their opposites are truths; a column of numbers with an empty cell holds
//! numbers with a fraction, as in pandas.

use csv::{ReaderBuilder, StringRecord, Trim};
use jeoul_eval::{Documents, Row};
use serde_json::{Map, Number, Value};

use crate::error::DatasetError;

/// What all cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Number,
    Truth,
    Text,
}

/// Reads the documents of a CSV file.
pub(crate) fn read(name: &str, text: &str) -> Result<Documents, DatasetError> {
    let wrong = |line: u64, reason: String| DatasetError::Csv {
        file: name.into(),
        line,
        reason,
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new()
        .trim(Trim::Headers)
        .from_reader(text.as_bytes());
    let failed = |error: &csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => wrong(line, format!("{len} cells; the header has {expected_len}")),
            _ => wrong(line, error.to_string()),
        }
    };
    let headers = reader.headers().map_err(|error| failed(&error))?.clone();
    for (index, header) in headers.iter().enumerate() {
        if header.is_empty() {
            return Err(wrong(1, format!("column {} has no name", index + 1)));
        }
        if headers.iter().take(index).any(|other| other == header) {
            return Err(wrong(1, format!("two columns are named `{header}`")));
        }
    }
    let mut records = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|error| failed(&error))?);
    }
    let kinds: Vec<Kind> = (0..headers.len())
        .map(|column| kind(&records, column))
        .collect();
    let mut lines = Lines {
        text,
        byte: 0,
        line: 1,
    };
    let row = |record: &StringRecord| {
        let cells = headers.iter().zip(record).zip(&kinds);
        let fields: Map<String, Value> = cells
            .map(|((header, cell), kind)| (header.to_string(), value(cell, *kind)))
            .collect();
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        Row { line, fields }
    };
    let rows = records.iter().map(row).collect();
    Ok(Documents::new(name, rows)?.with_unique_ids()?)
}

/// Lines of records, which come in order. The reader counts wrongly where lines end in CRLF: there a record begins with the
/// line feed of the one before.
struct Lines<'a> {
    text: &'a str,
    byte: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, byte: u64) -> usize {
        let bytes = self.text.as_bytes();
        let mut start = (byte as usize).min(bytes.len());
        while matches!(bytes.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        let passed = bytes.get(self.byte..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&b| b == b'\n').count();
        self.byte = start.max(self.byte);
        self.line
    }
}

fn kind(records: &[StringRecord], column: usize) -> Kind {
    let mut kinds = [Kind::Whole, Kind::Number, Kind::Truth].into_iter();
    let cells = || records.iter().filter_map(|record| record.get(column));
    let fits = |kind: &Kind| {
        let mut filled = cells().filter(|cell| !cell.is_empty()).peekable();
        let has_gap = cells().any(str::is_empty);
        filled.peek().is_some()
            && !(has_gap && *kind != Kind::Number)
            && filled.all(|cell| match kind {
                Kind::Whole => cell.parse::<i64>().is_ok(),
                Kind::Number => cell.parse::<f64>().is_ok_and(f64::is_finite),
                _ => truth(cell).is_some(),
            })
    };
    kinds.find(fits).unwrap_or(Kind::Text)
}

fn value(cell: &str, kind: Kind) -> Value {
    let value = match kind {
        _ if cell.is_empty() => None,
        Kind::Whole => cell.parse::<i64>().ok().map(Value::from),
        Kind::Number => cell
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::from),
        Kind::Truth => truth(cell).map(Value::from),
        Kind::Text => Some(cell.into()),
    };
    value.unwrap_or(Value::Null)
}

fn truth(cell: &str) -> Option<bool> {
    match cell {
        "True" | "true" | "TRUE" => Some(true),
        "False" | "false" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(text: &str) -> Result<Vec<(usize, Value)>, String> {
        let documents = read("d.csv", text).map_err(|error| error.to_string())?;
        let rows = documents.rows.into_iter();
        Ok(rows.map(|row| (row.line, row.fields.into())).collect())
    }

    #[test]
    fn two_records_with_one_id_are_refused() {
        let error = read("a.csv", "id,q\n1,x\n2,y\n1,z\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a.csv` line 4: `id` 1 was already used in line 2"
        );
    }

    #[test]
    fn columns_have_the_type_that_fits_all_their_cells() {
        // pandas.read_csv of the same text.
        let text = "\u{feff}n,x,t,q,gap\r\n1,1,True,\"a, \"\"b\"\"\nc\",1\r\n-2,0.5,False,7,\r\n";
        assert_eq!(
            rows(text),
            Ok(vec![
                (
                    2,
                    json!({"n": 1, "x": 1.0, "t": true, "q": "a, \"b\"\nc", "gap": 1.0})
                ),
                (
                    4,
                    json!({"n": -2, "x": 0.5, "t": false, "q": "7", "gap": null})
                ),
            ])
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        assert_eq!(
            rows("a,b\n1,2\n3\n"),
            Err("`d.csv` line 3: 1 cells; the header has 2".into())
        );
        assert_eq!(
            rows("a,a\n1,2\n"),
            Err("`d.csv` line 1: two columns are named `a`".into())
        );
        assert_eq!(
            rows("a,\n1,2\n"),
            Err("`d.csv` line 1: column 2 has no name".into())
        );
        assert_eq!(
            rows("a\n"),
            Err("`d.csv` holds no documents; at least 1 is needed".into())
        );
    }
}
