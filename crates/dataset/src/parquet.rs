//! Parquet: the values that Python's `datasets` shows for the same file.

use std::panic;
use std::sync::Arc;

use bytes::Bytes;
use jeoul_eval::{Documents, Row};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Number, Value};

use crate::error::DatasetError;

/// Rows that are asked for before any is read: what a footer claims is not believed.
const ROWS_EXPECTED_MAX: usize = 1 << 16;

/// Reads the documents of a Parquet file.
///
/// The reader's decoders assert what a sound file keeps, so a damaged page can make them panic. That ends here as an error; in
/// the browser, where a panic cannot be caught, it ends the worker, which the page replaces.
pub(crate) fn read(name: &str, bytes: Vec<u8>) -> Result<Documents, DatasetError> {
    panic::catch_unwind(|| rows(name, bytes)).unwrap_or_else(|_| {
        Err(DatasetError::Parquet {
            file: name.into(),
            reason: "a page is damaged".into(),
        })
    })
}

fn rows(name: &str, bytes: Vec<u8>) -> Result<Documents, DatasetError> {
    let wrong = |error: ParquetError| DatasetError::Parquet {
        file: name.into(),
        reason: error.to_string(),
    };
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(wrong)?;
    let claimed = usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
    let mut rows = Vec::with_capacity(claimed.min(ROWS_EXPECTED_MAX));
    let reader = Arc::new(reader);
    for (index, record) in reader.get_row_iter(None).map_err(wrong)?.enumerate() {
        let record = record.map_err(wrong)?;
        let line = index + 1;
        let mut fields = Map::new();
        for (column, field) in record.get_column_iter() {
            let value = value(field).map_err(|found| DatasetError::Column {
                file: name.into(),
                row: line,
                column: column.clone(),
                found,
            })?;
            fields.insert(column.clone(), value);
        }
        rows.push(Row { line, fields });
    }
    Ok(Documents::new(name, rows)?)
}

/// A value as JSON, or the type that has none.
fn value(field: &Field) -> Result<Value, String> {
    let number = |x: f64| Number::from_f64(x).map_or(Value::Null, Value::from);
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(x) => (*x).into(),
        Field::Byte(x) => (*x).into(),
        Field::Short(x) => (*x).into(),
        Field::Int(x) => (*x).into(),
        Field::Long(x) => (*x).into(),
        Field::UByte(x) => (*x).into(),
        Field::UShort(x) => (*x).into(),
        Field::UInt(x) => (*x).into(),
        Field::ULong(x) => (*x).into(),
        // Python has one kind of number with a fraction.
        Field::Float(x) => number(f64::from(*x)),
        Field::Float16(x) => number(f64::from(*x)),
        Field::Double(x) => number(*x),
        Field::Str(text) => text.as_str().into(),
        Field::Group(row) => {
            let mut map = Map::new();
            for (name, field) in row.get_column_iter() {
                map.insert(name.clone(), value(field)?);
            }
            map.into()
        }
        Field::ListInternal(list) => {
            let items = list.elements().iter().map(value);
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Field::Bytes(_) => return Err("bytes".into()),
        Field::Decimal(_) => return Err("a decimal".into()),
        Field::MapInternal(_) => return Err("a map".into()),
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => return Err("a time".into()),
    })
}
