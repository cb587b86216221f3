//! `tasks/korquad/utils.py`: exact match and F1 over characters, by the reference that fits best.

use serde_json::Value as Json;

use super::fields::wrong;
use super::{FieldError, Fields, Results};
use crate::metrics::Item;
use crate::metrics::text::{char_f1, korquad_normalise};

/// Compares an answer with every reference.
pub(super) fn korquad_process_results(
    fields: &Fields,
    results: &Results<'_>,
) -> Result<Vec<(&'static str, Item)>, FieldError> {
    let answer = results
        .text()
        .ok_or_else(|| wrong(fields, "answers", "a generated answer"))?;
    let references = fields
        .get("answers")
        .and_then(|answers| answers.get("text"))
        .and_then(Json::as_array)
        .ok_or_else(|| wrong(fields, "answers", "`text`, a list of texts"))?;
    let best = |score: &dyn Fn(&str) -> f64| {
        let scores = references.iter().filter_map(Json::as_str).map(score);
        Item::Number(scores.fold(0.0, f64::max))
    };
    let normalised = korquad_normalise(answer);
    let equal = |reference: &str| f64::from(u8::from(korquad_normalise(reference) == normalised));
    Ok(vec![
        ("exact_match", best(&equal)),
        ("char_f1", best(&|reference| char_f1(answer, reference))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_best_reference_counts() {
        let fields = json!({"answers": {"text": ["이순신", "충무공 이순신"]}});
        let results = [json!("‘충무공 이순신’.")];
        let scored =
            korquad_process_results(fields.as_object().unwrap(), &Results::Texts(&results));
        let one = Item::Number(1.0);
        assert_eq!(
            scored,
            Ok(vec![("exact_match", one.clone()), ("char_f1", one)])
        );
        let error = korquad_process_results(&Fields::new(), &Results::Texts(&results)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the field `answers` is missing; allowed: `text`, a list of texts"
        );
    }
}
