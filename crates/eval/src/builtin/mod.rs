//! The Python functions that task files call (`!function utils.process_docs`), written anew.
//!
//! A function is found by its family and its name. The family is the folder of the harness's task, which follows from
//! `dataset_path`; a task file may also name it directly (`!function kobest.copa_doc_to_text`). No Python is run.

mod fields;
mod hellaswag;
mod klue;
mod kobest;
mod korquad;
mod truthfulqa;
mod winogrande;

use serde_json::{Map, Value as Json};

use crate::metrics::{Aggregation, Item};
pub(crate) use fields::FieldError;

/// A document's columns.
type Fields = Map<String, Json>;

/// The answers to a document's requests.
pub(crate) enum Results<'a> {
    /// Log-likelihoods (nats), and whether each text is greedy.
    Loglikelihoods(&'a [(f64, bool)]),
    /// Generations after the filter.
    Texts(&'a [Json]),
}

impl Results<'_> {
    /// The one generated text.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Texts([Json::String(text)]) => Some(text),
            _ => None,
        }
    }
}

/// `process_docs`, document by document; `None` leaves one out.
pub(crate) type ProcessDocs = fn(Fields) -> Result<Option<Fields>, FieldError>;
/// `doc_to_text`, `doc_to_target` or `doc_to_choice`.
pub(crate) type DocTo = fn(&Fields) -> Result<Json, FieldError>;
/// `process_results`.
pub(crate) type ProcessResults =
    fn(&Fields, &Results<'_>) -> Result<Vec<(&'static str, Item)>, FieldError>;

/// The family of a dataset of the hub.
pub(crate) fn family(dataset_path: &str) -> Option<&'static str> {
    Some(match dataset_path {
        "Rowan/hellaswag" | "hellaswag" => "hellaswag",
        "allenai/winogrande" | "winogrande" => "winogrande",
        "truthfulqa/truthful_qa" | "truthful_qa" => "truthfulqa",
        "skt/kobest_v1" => "kobest",
        "klue/klue" | "klue" => "klue",
        "KorQuAD/squad_kor_v1" | "squad_kor_v1" => "korquad",
        _ => return None,
    })
}

/// A function that changes documents.
pub(crate) fn process_docs(family: &str, name: &str) -> Option<ProcessDocs> {
    Some(match (family, name) {
        ("hellaswag", "process_docs") => hellaswag::process_docs,
        ("kobest", "hellaswag_process_doc") => kobest::hellaswag_process_doc,
        ("klue", "nli_process_docs") => klue::nli_process_docs,
        ("klue", "sts_process_docs") => klue::sts_process_docs,
        ("klue", "ynat_process_docs") => klue::ynat_process_docs,
        _ => return None,
    })
}

/// A function that makes a question, an answer or choices.
pub(crate) fn doc_to(family: &str, name: &str) -> Option<DocTo> {
    Some(match (family, name) {
        ("winogrande" | "preprocess_winogrande", "doc_to_text") => winogrande::doc_to_text,
        ("winogrande" | "preprocess_winogrande", "doc_to_target") => winogrande::doc_to_target,
        ("winogrande" | "preprocess_winogrande", "doc_to_choice") => winogrande::doc_to_choice,
        ("kobest", "copa_doc_to_text") => kobest::copa_doc_to_text,
        ("kobest", "copa_doc_to_target") => kobest::copa_doc_to_target,
        ("kobest", "copa_doc_to_choice") => kobest::copa_doc_to_choice,
        ("kobest", "sentineg_doc_to_text") => kobest::sentineg_doc_to_text,
        ("kobest", "wic_doc_to_text") => kobest::wic_doc_to_text,
        _ => return None,
    })
}

/// A function that scores answers.
pub(crate) fn process_results(family: &str, name: &str) -> Option<ProcessResults> {
    Some(match (family, name) {
        ("truthfulqa", "process_results_mc2") => truthfulqa::process_results_mc2,
        ("klue", "sts_process_results") => klue::sts_process_results,
        ("korquad", "korquad_process_results") => korquad::korquad_process_results,
        _ => return None,
    })
}

/// A function that makes one figure of many; it has one meaning, whatever the family.
pub(crate) fn aggregation(_family: &str, name: &str) -> Option<Aggregation> {
    Some(match name {
        "macro_f1_score" => Aggregation::MacroF1,
        "pearson" => Aggregation::Pearson,
        "spearman" => Aggregation::Spearman,
        _ => return None,
    })
}
