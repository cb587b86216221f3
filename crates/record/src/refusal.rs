//! Why a submission is refused: a code for programs, the place, and a sentence for people.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::text::TextReason;

/// Why a submission is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize)]
#[error("{code} at `{pointer}`: {detail}")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Refusal {
    /// What kind of fault it is; stays the same between versions.
    #[cfg_attr(feature = "typescript", ts(as = "String"))]
    pub code: RefusalCode,
    /// Where, as a JSON pointer (RFC 6901) into what was posted; empty for the whole. A field that is not known is named only if its
    /// name is one: ASCII letters, digits and `_`.
    pub pointer: String,
    /// What was found and what is allowed, in English. Holds no text of the submission.
    pub detail: String,
}

impl Refusal {
    /// A refusal of what lies at `pointer`.
    pub fn new(code: RefusalCode, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Kinds of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RefusalCode {
            $($(#[$doc])* $variant,)*
            /// A text that names may not hold.
            Text(TextReason),
        }

        impl RefusalCode {
            /// All codes but those of texts.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name: words with hyphens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Text(reason) => reason.code(),
                }
            }
        }
    };
}

codes! {
    /// More bytes than [`crate::check::BYTES_MAX`].
    TooLarge = "too-large",
    /// No JSON, or not UTF-8.
    BadJson = "bad-json",
    /// Lists and objects nested deeper than [`crate::check::DEPTH_MAX`].
    TooDeep = "too-deep",
    /// JSON that is not written as RFC 8785 has it.
    NotCanonical = "not-canonical",
    /// A field that is not known.
    UnknownField = "unknown-field",
    /// A field that must be there.
    MissingField = "missing-field",
    /// A field that stands there twice.
    DuplicateField = "duplicate-field",
    /// A value of another type, or none of those allowed.
    WrongType = "wrong-type",
    /// Another form of envelope.
    UnknownSchema = "unknown-schema",
    /// A hash, nonce or key that is not as many lowercase hexadecimal digits as it must be.
    BadHex = "bad-hex",
    /// A signature that is not the key's over these bytes.
    BadSignature = "bad-signature",
    /// A public key that is no point of the curve, or one that any message fits.
    BadKey = "bad-key",
    /// An author that is not the key's.
    WrongAuthor = "wrong-author",
    /// Made for another board.
    WrongBoard = "wrong-board",
    /// A time that is not written as it must be.
    BadTime = "bad-time",
    /// Made too long ago.
    StaleTime = "stale-time",
    /// Made in the future.
    FutureTime = "future-time",
    /// A number outside of what it counts.
    OutOfRange = "out-of-range",
    /// NaN or infinite.
    NotFinite = "not-finite",
    /// Settings that cannot hold together.
    ContradictorySettings = "contradictory-settings",
    /// No task at all.
    NoTasks = "no-tasks",
    /// More tasks than [`crate::check::TASKS_MAX`].
    TooManyTasks = "too-many-tasks",
    /// One task twice.
    DuplicateTask = "duplicate-task",
    /// A task that this board does not know, and must.
    UnknownTask = "unknown-task",
    /// Another version than the task with this hash has.
    WrongVersion = "wrong-version",
    /// Shots that the task cannot have.
    WrongShots = "wrong-shots",
    /// Another number of documents than the limit gives.
    WrongLimit = "wrong-limit",
    /// More documents than [`crate::check::DOCUMENTS_MAX`].
    TooManyDocuments = "too-many-documents",
    /// Documents of a run that are not there.
    MissingDocuments = "missing-documents",
    /// Documents beyond those of the run.
    ExtraDocument = "extra-document",
    /// One document twice.
    DuplicateDocument = "duplicate-document",
    /// Documents in another order.
    DocumentOrder = "document-order",
    /// Something that the privacy level keeps back.
    AboveLevel = "above-level",
    /// Answers of another kind than the task asks for.
    WrongAnswerKind = "wrong-answer-kind",
    /// More or fewer log-likelihoods than the document has choices.
    WrongChoiceCount = "wrong-choice-count",
    /// More or fewer generated texts than the task's `repeats`.
    WrongTextCount = "wrong-text-count",
    /// More or fewer values than the task has metrics.
    WrongValueCount = "wrong-value-count",
    /// A value that no document can have.
    ImpossibleValue = "impossible-value",
    /// A log-probability above 0.
    PositiveLogProbability = "positive-log-probability",
    /// A value of a document that its texts do not have.
    ValueDiffers = "value-differs",
    /// A pick that is not the most probable choice.
    ChoiceNotArgmax = "choice-not-argmax",
    /// Counts of tokens that cannot be.
    ImpossibleTokens = "impossible-tokens",
    /// Faster than any machine.
    ImpossibleSpeed = "impossible-speed",
    /// A time with more than two significant digits.
    TimeTooPrecise = "time-too-precise",
    /// More metrics of one task than [`crate::check::METRICS_MAX`].
    TooManyMetrics = "too-many-metrics",
    /// A metric that the task does not have.
    UnknownMetric = "unknown-metric",
    /// A metric of the task that is not there.
    MissingMetric = "missing-metric",
    /// One metric twice.
    DuplicateMetric = "duplicate-metric",
    /// A metric that does not follow from the documents.
    AggregateDiffers = "aggregate-differs",
    /// A standard error that does not follow from the documents.
    StderrDiffers = "stderr-differs",
    /// Answers that the task's own functions cannot score.
    Unscorable = "unscorable",
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place in JSON, built from the outside in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The place of a field of an object.
    pub(crate) fn field(&self, name: &str) -> Self {
        Self(format!(
            "{}/{}",
            self.0,
            name.replace('~', "~0").replace('/', "~1")
        ))
    }

    /// The place of an item of a list, from 0.
    pub(crate) fn item(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// A refusal of what lies here.
    pub(crate) fn refuse(&self, code: RefusalCode, detail: impl Into<String>) -> Refusal {
        Refusal::new(code, self.0.clone(), detail)
    }
}
