//! `jeoul inspect`: what a checkpoint file says of itself.

use std::path::PathBuf;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;
use jeoul_checkpoint::{Array, Checkpoint, FileSource, TensorInfo, Value};
use serde_json::{Value as Json, json};

use crate::checkpoint::open;
use crate::failure::Failure;
use crate::output::print;

/// Characters of a metadata value in the table.
const VALUE_CHARS_MAX: usize = 60;
/// Entries of a metadata list in the JSON; a vocabulary has a hundred thousand.
const LIST_ENTRIES_MAX: usize = 8;

/// Arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// GGUF file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON; of long lists their length and beginning.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let checkpoint = open(&self.file)?;
        print(&if self.json {
            serde_json::to_string_pretty(&as_json(&checkpoint))?
        } else {
            as_text(&checkpoint)
        })
    }
}

/// The network's shape, as pairs of name and number.
fn shape(checkpoint: &Checkpoint<FileSource>) -> [(&'static str, Json); 11] {
    let config = checkpoint.config();
    [
        ("architecture", config.architecture.as_str().into()),
        ("layers", config.layers.into()),
        ("embedding_length", config.embedding_length.into()),
        ("feed_forward_length", config.feed_forward_length.into()),
        ("heads", config.heads.into()),
        ("kv_heads", config.kv_heads.into()),
        ("head_dim", config.head_dim.into()),
        ("context_length", config.context_length.into()),
        ("vocab_size", config.vocab_size.into()),
        ("rms_epsilon", float(config.rms_epsilon.into())),
        ("rope_freq_base", float(config.rope_freq_base.into())),
    ]
}

fn as_json(checkpoint: &Checkpoint<FileSource>) -> Json {
    let metadata = checkpoint
        .gguf()
        .metadata()
        .iter()
        .map(|(key, value)| (key.clone(), metadata_json(value)));
    let tensor = |tensor: &TensorInfo| {
        json!({
            "name": tensor.name,
            "type": tensor.ty.name(),
            "dims": tensor.dims,
            "offset": tensor.offset,
            "size_bytes": tensor.size_bytes,
        })
    };
    json!({
        "file": checkpoint.file_name(),
        "size_bytes": checkpoint.size_bytes(),
        "gguf_version": checkpoint.gguf().version,
        "name": checkpoint.name(),
        "license": checkpoint.license(),
        "parameters": checkpoint.parameters(),
        "quantization": checkpoint.quantization(),
        "config": serde_json::Map::from_iter(shape(checkpoint).map(|(name, value)| (name.to_string(), value))),
        "metadata": serde_json::Map::from_iter(metadata),
        "tensors": checkpoint.tensors().iter().map(tensor).collect::<Vec<_>>(),
    })
}

/// A number without the digits that an f32 gains on the way to f64: 1e-5, not 9.999999747378752e-6.
fn float(value: f64) -> Json {
    let short = (value as f32).to_string().parse().unwrap_or(value);
    Json::from(
        if short as f32 == value as f32 && f64::from(value as f32) == value {
            short
        } else {
            value
        },
    )
}

fn metadata_json(value: &Value) -> Json {
    match value {
        Value::Unsigned(value) => (*value).into(),
        Value::Signed(value) => (*value).into(),
        Value::Float(value) => float(*value),
        Value::Bool(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Array(array) => {
            let first: Vec<Json> = match array {
                Array::Strings(strings) => strings
                    .iter()
                    .take(LIST_ENTRIES_MAX)
                    .map(|s| s.as_str().into())
                    .collect(),
                // Lists of floats are rare (`rope_freqs` is a tensor); of those the length has to do.
                Array::Numbers { .. } => array
                    .integers()
                    .unwrap_or_default()
                    .into_iter()
                    .take(LIST_ENTRIES_MAX)
                    .map(Json::from)
                    .collect(),
            };
            json!({"length": array.len(), "first": first})
        }
    }
}

fn as_text(checkpoint: &Checkpoint<FileSource>) -> String {
    let mut facts = table(&[]);
    let count = |n: u64| HumanCount(n).to_string();
    facts.add_row(["file".into(), printable(checkpoint.file_name())]);
    facts.add_row([
        "size".into(),
        format!(
            "{} bytes, GGUF {}",
            count(checkpoint.size_bytes()),
            checkpoint.gguf().version
        ),
    ]);
    facts.add_row(["name".into(), printable(checkpoint.name())]);
    facts.add_row([
        "license".into(),
        printable(checkpoint.license().unwrap_or("not stated")),
    ]);
    facts.add_row(["parameters".into(), count(checkpoint.parameters())]);
    facts.add_row(["quantization", checkpoint.quantization()]);
    for (name, value) in shape(checkpoint) {
        facts.add_row([
            name.replace('_', " "),
            value.as_str().map_or_else(|| value.to_string(), printable),
        ]);
    }
    let mut metadata = table(&["metadata", "value"]);
    for (key, value) in checkpoint.gguf().metadata() {
        metadata.add_row([printable(key), metadata_text(value)]);
    }
    let mut tensors = table(&["tensor", "type", "dims", "offset", "bytes"]);
    for tensor in checkpoint.tensors() {
        let dims: Vec<String> = tensor.dims.iter().map(u64::to_string).collect();
        tensors.add_row([
            printable(&tensor.name),
            tensor.ty.name().into(),
            dims.join(" × "),
            tensor.offset.to_string(),
            tensor.size_bytes.to_string(),
        ]);
    }
    for column in 3..=4 {
        if let Some(column) = tensors.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    [facts, metadata, tensors]
        .map(|table| table.trim_fmt())
        .join("\n\n")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header);
    }
    table
}

fn metadata_text(value: &Value) -> String {
    match value {
        Value::Unsigned(value) => value.to_string(),
        Value::Signed(value) => value.to_string(),
        Value::Float(value) => float(*value).to_string(),
        Value::Bool(value) => value.to_string(),
        Value::String(value) => printable(value),
        Value::Array(array) => format!("{}, {} entries", value_kind(array), array.len()),
    }
}

fn value_kind(array: &Array) -> &'static str {
    match array {
        Array::Strings(_) => "list of strings",
        Array::Numbers { .. } => "list of numbers",
    }
}

/// A file's own words, shortened, without anything a terminal would obey.
fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if text.chars().nth(VALUE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
