//! A row of a table, as the API shows it, and how it comes from a checked submission.

use jeoul_record::check::CheckedTask;
use jeoul_record::envelope::{LaneKind, ModelType, Precision};
use jeoul_record::{Checked, Envelope, TrustLabel};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::average::average;
use crate::store::StoreError;
use crate::store::blobs::Blob;
use crate::store::submissions::{NewSubmission, Submission};

/// One run, as a table shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TableRow {
    /// SHA-256 of the signed bytes: the permalink.
    pub id: String,
    /// The board it was posted to.
    pub board: String,
    /// Author id of the key that signed it.
    pub author: String,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub stored_ms: i64,
    /// The checkpoint.
    pub model: RowModel,
    /// `cpu`, `gpu` or `reference`.
    pub lane: String,
    /// Kind of GPU, as `vendor/architecture`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Version of Jeoul.
    pub engine: String,
    /// SHA-256 of the wasm module or of the program, as the author's envelope has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_sha256: Option<String>,
    /// The group's own average where the run is one of exactly a bundled group's tasks, else the mean of the tasks' main metrics; 0 to 1,
    /// left out where no task has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// The tasks with their metrics.
    #[schema(value_type = Vec<Object>)]
    pub tasks: Box<RawValue>,
    /// `self-reported`, `consistent`, `reproduced` or `verified`.
    pub trust: &'static str,
    /// Whether the spot check of another key found differing documents.
    pub disputed: bool,
    /// Flags that count and were not dismissed.
    pub flags: i64,
    /// Whether it is hidden from tables.
    pub hidden: bool,
}

/// The checkpoint of a row.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RowModel {
    /// Name that a person typed.
    pub name: String,
    /// Name of an earlier model, another file, that this name can be mistaken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Size of its file.
    pub size_bytes: i64,
    /// Type of most weights.
    pub quantization: String,
    /// Architecture.
    pub architecture: String,
    /// Number of weights.
    pub parameters: i64,
    /// Licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// `pretrained`, `fine-tuned`, `instruction-tuned` or `rl-tuned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `F32`, `F16`, `BF16`, `8-bit`, `4-bit` or `GPTQ`.
    pub precision: String,
    /// Whether it was merged from several models.
    pub merged: bool,
    /// Whether it can be had on the Hugging Face hub.
    pub on_hub: bool,
}

/// A task of a row: what the check found, and under which settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RowTask {
    #[serde(flatten)]
    pub(crate) checked: CheckedTask,
    pub(crate) version: String,
    pub(crate) num_fewshot: u32,
    pub(crate) document_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) main: Option<String>,
}

/// Trust labels in their order; a label's place is what the database holds.
const LABELS: [TrustLabel; 4] = [
    TrustLabel::SelfReported,
    TrustLabel::Consistent,
    TrustLabel::Reproduced,
    TrustLabel::Verified,
];

/// A label's place.
pub(crate) fn place(label: TrustLabel) -> i64 {
    LABELS.iter().position(|one| *one == label).unwrap_or(0) as i64
}

/// The label at a place.
pub(crate) fn label(place: i64) -> TrustLabel {
    let index = usize::try_from(place).unwrap_or(0);
    LABELS
        .get(index)
        .copied()
        .unwrap_or(TrustLabel::SelfReported)
}

impl TableRow {
    pub(crate) fn new(row: Submission) -> Self {
        let tasks = RawValue::from_string(row.scores);
        let other_file = row.first_hash.is_some_and(|hash| hash != row.model_hash);
        let looks_like = row
            .first_name
            .filter(|name| other_file && *name != row.model_name);
        Self {
            id: row.id,
            board: row.board,
            author: row.author,
            stored_ms: row.stored_ms,
            model: RowModel {
                name: row.model_name,
                looks_like,
                sha256: row.model_hash,
                size_bytes: row.model_bytes,
                quantization: row.quantization,
                architecture: row.architecture,
                parameters: row.parameters,
                licence: row.licence,
                kind: row.kind,
                precision: row.precision,
                merged: row.merged != 0,
                on_hub: row.on_hub != 0,
            },
            lane: row.lane,
            adapter: row.adapter,
            engine: row.engine,
            module_sha256: row.module_sha256,
            average: row.average,
            // It was written as JSON.
            tasks: tasks.unwrap_or_default(),
            trust: label(row.trust).as_str(),
            disputed: row.disputed != 0,
            flags: row.flags,
            hidden: row.hidden != 0,
        }
    }
}

/// The metric of a task that tables show, sort by and average: `acc_norm` where there is one, as on the Open LLM Leaderboard,
/// else the first that runs from 0 to 1 and is better the higher it is. `None` for perplexities and the like.
fn main_metric(task: &CheckedTask) -> Option<(&str, f64)> {
    let counts = task.metrics.iter().filter_map(|metric| {
        let value = metric.value.filter(|value| (0.0..=1.0).contains(value))?;
        (metric.higher_is_better != Some(false)).then_some((metric.name.as_str(), value))
    });
    let all: Vec<_> = counts.collect();
    let normed = all.iter().find(|(name, _)| *name == "acc_norm");
    normed.or_else(|| all.first()).copied()
}

/// What is stored of a submission that holds. `posted` are its bytes as they came.
pub(crate) fn stored(
    envelope: &Envelope,
    checked: Checked,
    posted: &[u8],
    now_ms: i64,
    in_room: bool,
) -> Result<NewSubmission, StoreError> {
    let mut main = Vec::new();
    let mut tasks = Vec::with_capacity(checked.tasks.len());
    for (checked, record) in checked.tasks.into_iter().zip(&envelope.tasks) {
        let metric = main_metric(&checked);
        if let Some((_, value)) = metric {
            main.push((record.name.clone(), value));
        }
        tasks.push(RowTask {
            main: metric.map(|(name, _)| name.to_owned()),
            version: record.version.clone(),
            num_fewshot: record.num_fewshot,
            document_count: record.document_count,
            checked,
        });
    }
    let blob = Blob::pack(posted)?;
    let model = &envelope.model;
    let adapter = envelope.lane.adapter.as_ref();
    // Counts of an envelope stay below 2^53.
    let integer = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let row = Submission {
        id: checked.key,
        board: envelope.board.clone(),
        author: envelope.author.clone(),
        nonce: envelope.nonce.clone(),
        stored_ms: now_ms,
        log: blob.hash.clone(),
        model_name: model.name.clone(),
        model_hash: model.sha256.clone(),
        model_bytes: integer(model.size_bytes),
        quantization: model.quantization.clone(),
        architecture: model.architecture.clone(),
        parameters: integer(model.parameters),
        licence: model.licence.clone(),
        kind: kind_name(model.kind).to_owned(),
        precision: precision_name(model.precision).to_owned(),
        merged: i64::from(model.merged),
        on_hub: i64::from(model.on_hub),
        lane: lane_name(envelope.lane.kind).to_owned(),
        adapter: adapter.map(|adapter| format!("{}/{}", adapter.vendor, adapter.architecture)),
        engine: envelope.engine.version.clone(),
        module_sha256: envelope.engine.module_sha256.clone(),
        average: average(&tasks, &main),
        // Plain structs of texts and finite numbers have a JSON form.
        scores: serde_json::to_string(&tasks).unwrap_or_default(),
        trust: place(checked.label),
        disputed: 0,
        flags: 0,
        hidden: 0,
        deleted_ms: None,
        first_name: None,
        first_hash: None,
    };
    Ok(NewSubmission {
        row,
        skeleton: unicode_security::skeleton(&model.name).collect(),
        main,
        blob: Some(blob),
        in_room,
    })
}

fn kind_name(kind: ModelType) -> &'static str {
    match kind {
        ModelType::Pretrained => "pretrained",
        ModelType::FineTuned => "fine-tuned",
        ModelType::InstructionTuned => "instruction-tuned",
        ModelType::RlTuned => "rl-tuned",
    }
}

fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "F32",
        Precision::F16 => "F16",
        Precision::BF16 => "BF16",
        Precision::Bits8 => "8-bit",
        Precision::Bits4 => "4-bit",
        Precision::Gptq => "GPTQ",
    }
}

fn lane_name(lane: LaneKind) -> &'static str {
    match lane {
        LaneKind::Cpu => "cpu",
        LaneKind::Gpu => "gpu",
        LaneKind::Reference => "reference",
    }
}
