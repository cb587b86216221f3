//! Parquet files, sound and damaged. The files are written here, nested as ARC's and MMLU's are.

use std::sync::Arc;

use jeoul_dataset::read;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

/// Two documents in the shape of ARC, with a number, a fraction, a truth and a gap.
fn file(compression: Compression) -> Vec<u8> {
    let schema = "message schema {
        optional binary question (STRING);
        optional group choices {
            optional group text (LIST) { repeated group list { optional binary element (STRING); } }
        }
        optional int64 label;
        optional double share;
        optional float weight;
        optional boolean easy;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let text = |text: &str| ByteArray::from(text);
    let mut column = group.next_column().unwrap().unwrap();
    let questions = [text("Why?"), text("하늘은?")];
    column
        .typed::<ByteArrayType>()
        .write_batch(&questions, Some(&[1, 1]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let choices = [text("a"), text("b"), text("c")];
    column
        .typed::<ByteArrayType>()
        .write_batch(&choices, Some(&[4, 4, 4]), Some(&[0, 1, 0]))
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<Int64Type>()
        .write_batch(&[3], Some(&[1, 0]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<DoubleType>()
        .write_batch(&[0.5, 2.0], Some(&[1, 1]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<FloatType>()
        .write_batch(&[0.1, 0.25], Some(&[1, 1]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<BoolType>()
        .write_batch(&[true, false], Some(&[1, 1]), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn nested_columns_become_lists_and_objects() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
    ] {
        let documents = read("d.parquet", file(compression)).unwrap();
        let rows: Vec<(usize, Value)> = documents
            .rows
            .into_iter()
            .map(|row| (row.line, row.fields.into()))
            .collect();
        assert_eq!(
            rows,
            [
                (
                    1,
                    json!({"question": "Why?", "choices": {"text": ["a", "b"]}, "label": 3, "share": 0.5, "weight": 0.10000000149011612, "easy": true})
                ),
                (
                    2,
                    json!({"question": "하늘은?", "choices": {"text": ["c"]}, "label": null, "share": 2.0, "weight": 0.25, "easy": false})
                ),
            ]
        );
    }
}

#[test]
fn every_truncated_file_is_an_error() {
    let whole = file(Compression::SNAPPY);
    for length in 0..whole.len() {
        let error = read("d.parquet", whole[..length].to_vec())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("`d.parquet` is no Parquet file that can be read: "),
            "{length}: {error}"
        );
    }
}

#[test]
fn damaged_files_give_documents_or_an_error() {
    // What the reader asserts is caught; only its words on stderr are left out.
    std::panic::set_hook(Box::new(|_| {}));
    let whole = file(Compression::SNAPPY);
    // A linear congruential generator; its numbers need no quality.
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % n
    };
    for _ in 0..4000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + below(3) {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
        if let Err(error) = read("d.parquet", bytes) {
            assert!(error.to_string().starts_with("`d.parquet`"), "{error}");
        }
    }
}
