//! Columns as a Parquet file: one row group, Snappy, every cell may be empty.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::columns::{Cell, Column, Kind};

/// The file's bytes. `values` holds the cells of each column, in the order of `columns`.
pub(super) fn write(columns: &[Column], values: Vec<Vec<Cell>>) -> Result<Vec<u8>, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (Physical::INT64, None),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Truth => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        Ok::<_, ParquetError>(Arc::new(field))
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    let schema = Arc::new(
        Type::group_type_builder("board")
            .with_fields(fields)
            .build()?,
    );
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (column, cells) in columns.iter().zip(values) {
        let Some(mut out) = group.next_column()? else {
            break;
        };
        match column.kind {
            Kind::Text => batch::<ByteArrayType>(&mut out, cells, |cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.into_bytes())),
                _ => None,
            }),
            Kind::Integer => batch::<Int64Type>(&mut out, cells, |cell| match cell {
                Cell::Integer(integer) => Some(integer),
                _ => None,
            }),
            Kind::Real => batch::<DoubleType>(&mut out, cells, |cell| match cell {
                Cell::Real(real) => Some(real),
                _ => None,
            }),
            Kind::Truth => batch::<BoolType>(&mut out, cells, |cell| match cell {
                Cell::Truth(truth) => Some(truth),
                _ => None,
            }),
        }?;
        out.close()?;
    }
    group.close()?;
    writer.into_inner()
}

fn batch<T: DataType>(
    out: &mut SerializedColumnWriter<'_>,
    cells: Vec<Cell>,
    value: fn(Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = cells.into_iter().map(value).collect();
    // 1 where there is a value, 0 where there is none.
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(value.is_some()))
        .collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    out.typed::<T>().write_batch(&there, Some(&levels), None)?;
    Ok(())
}
