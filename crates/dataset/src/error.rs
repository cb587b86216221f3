//! What can be wrong with a file of documents; every variant names the file and, where there is one, the line.

use jeoul_eval::TaskError;
use thiserror::Error;

/// A file that holds no documents that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DatasetError {
    /// A kind of file that is not read.
    #[error("`{file}` is {found}; documents are read from .jsonl, .json, .csv and .parquet files")]
    Format {
        /// File.
        file: String,
        /// What it seems to be.
        found: String,
    },
    /// Text in another encoding.
    #[error("`{file}` line {line} is not UTF-8 at byte {byte}{}", hint(guess))]
    Encoding {
        /// File.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Byte, from 0.
        byte: usize,
        /// Encoding that it seems to be, if that can be told.
        guess: Option<&'static str>,
    },
    /// A line of JSON Lines, or a row.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// JSON that cannot be read.
    #[error("`{file}` line {line} column {column} is no JSON: {reason}")]
    Json {
        /// File.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// JSON of another shape.
    #[error(
        "`{file}` holds {found}; expected a list of objects, or an object with one list of objects"
    )]
    Shape {
        /// File.
        file: String,
        /// What it holds.
        found: String,
    },
    /// A table whose header or rows do not fit.
    #[error("`{file}` line {line}: {reason}")]
    Csv {
        /// File.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A Parquet file that cannot be read.
    #[error("`{file}` is no Parquet file that can be read: {reason}")]
    Parquet {
        /// File.
        file: String,
        /// The reader's words.
        reason: String,
    },
    /// A column of a type that documents do not have.
    #[error(
        "`{file}` row {row}: the column `{column}` holds {found}; expected text, numbers, truths, lists and structs of them"
    )]
    Column {
        /// File.
        file: String,
        /// Row, from 1.
        row: usize,
        /// Column.
        column: String,
        /// Its type.
        found: String,
    },
}

fn hint(guess: &Option<&'static str>) -> String {
    match guess {
        Some(guess) => format!("; it looks like {guess}, save it as UTF-8"),
        None => String::new(),
    }
}
