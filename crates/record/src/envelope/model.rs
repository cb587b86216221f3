//! The checkpoint of a posted run, as a row of a board shows it.

use serde::{Deserialize, Serialize};

/// A checkpoint. Its file's name is not sent: a path can hold a person's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Model {
    /// Architecture as the file names it, such as `llama`.
    pub architecture: String,
    /// Hash of the chat template, where the checkpoint has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub chat_template_sha256: Option<String>,
    /// Licence, as an SPDX identifier or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub licence: Option<String>,
    /// Whether it was merged from several models.
    pub merged: bool,
    /// Name that a person typed; see [`crate::text::Kind::Name`].
    pub name: String,
    /// Whether it can be had on the Hugging Face hub.
    pub on_hub: bool,
    /// Number of weights.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub parameters: u64,
    /// Precision of the weights.
    pub precision: Precision,
    /// Type of most weights, such as `Q4_0`.
    pub quantization: String,
    /// Hash of the file: 64 hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub size_bytes: u64,
    /// Hash of the tokenizer: 64 hexadecimal digits.
    pub tokenizer_sha256: String,
    /// How it was trained.
    #[serde(rename = "type")]
    pub kind: ModelType,
}

/// How a model was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum ModelType {
    /// On text alone.
    Pretrained,
    /// Further, on texts of one kind.
    FineTuned,
    /// To follow instructions.
    InstructionTuned,
    /// With reinforcement learning, from preferences or checked answers.
    RlTuned,
}

/// Precision of a checkpoint's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with 8 bits of exponent.
    BF16,
    /// 8 bits a weight.
    #[serde(rename = "8-bit")]
    Bits8,
    /// 4 bits a weight.
    #[serde(rename = "4-bit")]
    Bits4,
    /// Quantised by GPTQ.
    #[serde(rename = "GPTQ")]
    Gptq,
}
