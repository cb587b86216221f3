//! Which format a file has, and its text.

use jeoul_eval::{Documents, json_lines};

use crate::error::DatasetError;
use crate::{csv, json, parquet};

/// Ends of the names of files that are read.
pub const EXTENSIONS: [&str; 4] = ["jsonl", "json", "csv", "parquet"];
/// The first bytes of every Parquet file, and its last.
const PARQUET: &[u8] = b"PAR1";

/// Reads the documents of a file. The end of its name says what it is; Parquet is also known by its first bytes.
pub fn read(name: &str, bytes: Vec<u8>) -> Result<Documents, DatasetError> {
    let end = name
        .rsplit_once('.')
        .map_or("", |(_, end)| end)
        .to_ascii_lowercase();
    if bytes.starts_with(PARQUET) || end == "parquet" {
        return parquet::read(name, bytes);
    }
    match end.as_str() {
        "jsonl" | "ndjson" => Ok(json_lines(name, &text(name, bytes)?)?),
        "json" => json::read(name, &text(name, bytes)?),
        "csv" => csv::read(name, &text(name, bytes)?),
        "" => Err(DatasetError::Format {
            file: name.into(),
            found: "a file without an ending".into(),
        }),
        end => Err(DatasetError::Format {
            file: name.into(),
            found: format!("a .{end} file"),
        }),
    }
}

/// The text of a file; what is no UTF-8 is named with its line.
fn text(name: &str, bytes: Vec<u8>) -> Result<String, DatasetError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        DatasetError::Encoding {
            file: name.into(),
            line: bytes[..byte].iter().filter(|&&b| b == b'\n').count() + 1,
            byte,
            guess: guess(bytes),
        }
    })?;
    // UTF-16 of plain letters is valid UTF-8 with NULs.
    match text.find('\0') {
        Some(byte) => Err(DatasetError::Encoding {
            file: name.into(),
            line: text[..byte].matches('\n').count() + 1,
            byte,
            guess: guess(text.as_bytes()),
        }),
        None => Ok(text),
    }
}

fn guess(bytes: &[u8]) -> Option<&'static str> {
    let is_korean = |pair: &[u8]| pair.iter().all(|byte| (0xa1..=0xfe).contains(byte));
    let high: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| *byte >= 0x80)
        .take(64)
        .collect();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        Some("UTF-16")
    } else if high.len() >= 2 && is_korean(&high) {
        Some("EUC-KR (CP949)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, bytes: &[u8]) -> String {
        read(name, bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn the_ending_says_what_a_file_is() {
        let count = |name: &str, text: &str| read(name, text.into()).unwrap().rows.len();
        assert_eq!(count("a.jsonl", "{\"a\": 1}\n{\"a\": 2}\n"), 2);
        assert_eq!(count("a.JSON", "[{\"a\": 1}]"), 1);
        assert_eq!(count("a.csv", "a\n1\n"), 1);
        let expected = "documents are read from .jsonl, .json, .csv and .parquet files";
        assert_eq!(
            error("a.xlsx", b"PK"),
            format!("`a.xlsx` is a .xlsx file; {expected}")
        );
        assert_eq!(
            error("README", b""),
            format!("`README` is a file without an ending; {expected}")
        );
    }

    #[test]
    fn another_encoding_is_named_with_its_line() {
        assert_eq!(
            error("a.csv", b"q\n\xb0\xa1\xb3\xaa\n"),
            "`a.csv` line 2 is not UTF-8 at byte 2; it looks like EUC-KR (CP949), save it as UTF-8"
        );
        assert_eq!(
            error("a.jsonl", b"\xff\xfe{\0"),
            "`a.jsonl` line 1 is not UTF-8 at byte 0; it looks like UTF-16, save it as UTF-8"
        );
        assert_eq!(
            error("a.json", b"{\0\"\0"),
            "`a.json` line 1 is not UTF-8 at byte 1; it looks like UTF-16, save it as UTF-8"
        );
    }
}
