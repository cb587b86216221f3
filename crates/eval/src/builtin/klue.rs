//! `tasks/klue/utils.py` and `tasks/llm_kr_eval/utils.py`: rows of the hub and of the KLUE repository are made alike.

use serde_json::Value as Json;

use super::fields::{text, whole, wrong};
use super::{FieldError, Fields, Results};
use crate::metrics::Item;
use crate::python;

const NLI_LABELS: [&str; 3] = ["entailment", "neutral", "contradiction"];
const YNAT_LABELS: [&str; 7] = [
    "IT과학",
    "경제",
    "사회",
    "생활문화",
    "세계",
    "스포츠",
    "정치",
];
/// What an answer without a number counts as: below every score, so that it cannot help.
const NO_SCORE: f64 = -2.0;
/// The highest score of similarity.
const SCORE_MAX: f64 = 5.0;

/// Adds `claim`, the hypothesis as a sentence, and `gold`, an index into the labels.
pub(super) fn nli_process_docs(mut fields: Fields) -> Result<Option<Fields>, FieldError> {
    let mut claim = text(&fields, "hypothesis")?
        .trim_matches(python::is_space)
        .to_string();
    if !claim.ends_with('.') {
        claim.push('.');
    }
    // The hub has numbers, the repository has names.
    let gold = match present(&fields, "label") {
        Some(_) => whole(&fields, "label")?,
        None => index(
            &fields,
            "gold_label",
            &NLI_LABELS,
            "`entailment`, `neutral` or `contradiction`",
        )?,
    };
    fields.insert("claim".into(), claim.into());
    fields.insert("gold".into(), gold.into());
    Ok(Some(fields))
}

/// Adds `score`, 0 to 5, and `gold`, 1 for sentences that mean about the same.
pub(super) fn sts_process_docs(mut fields: Fields) -> Result<Option<Fields>, FieldError> {
    let labels = match present(&fields, "labels") {
        Some(Json::Object(labels)) => labels,
        Some(_) => return Err(wrong(&fields, "labels", "`label` and `binary-label`")),
        // Rows whose labels were flattened.
        None => &fields,
    };
    let number = |field: &str| {
        let value = labels.get(field).filter(|value| value.is_number());
        value
            .cloned()
            .ok_or_else(|| wrong(labels, field, "a number"))
    };
    let (score, gold) = (number("label")?, number("binary-label")?);
    fields.insert("score".into(), score);
    fields.insert("gold".into(), gold);
    Ok(Some(fields))
}

/// Adds `gold`, an index into the labels.
pub(super) fn ynat_process_docs(mut fields: Fields) -> Result<Option<Fields>, FieldError> {
    let gold = match fields.get("label") {
        Some(Json::String(_)) => index(&fields, "label", &YNAT_LABELS, "a topic of KLUE-YNAT")?,
        _ => whole(&fields, "label")?,
    };
    fields.insert("gold".into(), gold.into());
    Ok(Some(fields))
}

/// The number in an answer beside the right score, for both correlations.
pub(super) fn sts_process_results(
    fields: &Fields,
    results: &Results<'_>,
) -> Result<Vec<(&'static str, Item)>, FieldError> {
    let answer = results
        .text()
        .ok_or_else(|| wrong(fields, "score", "a generated answer"))?;
    let gold = fields.get("score").and_then(Json::as_f64);
    let gold = gold.ok_or_else(|| wrong(fields, "score", "a number"))?;
    let predicted = first_number(answer).map_or(NO_SCORE, |number| number.clamp(0.0, SCORE_MAX));
    let item = Item::Numbers { gold, predicted };
    Ok(vec![("pearson", item.clone()), ("spearman", item)])
}

/// The first match of `-?[0-9]+(?:\.[0-9]+)?`.
fn first_number(text: &str) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let mut end = start + digits(&text[start..]);
    if let Some(fraction) = text[end..]
        .strip_prefix('.')
        .filter(|rest| digits(rest) > 0)
    {
        end += 1 + digits(fraction);
    }
    let sign = usize::from(text[..start].ends_with('-'));
    text[start - sign..end].parse().ok()
}

fn present<'a>(fields: &'a Fields, field: &str) -> Option<&'a Json> {
    fields.get(field).filter(|value| !value.is_null())
}

fn index(
    fields: &Fields,
    field: &str,
    labels: &[&str],
    allowed: &'static str,
) -> Result<i64, FieldError> {
    let name = text(fields, field)?;
    let place = labels.iter().position(|label| *label == name);
    place
        .map(|place| place as i64)
        .ok_or_else(|| wrong(fields, field, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn processed(call: super::super::ProcessDocs, fields: Json) -> Result<Json, String> {
        let fields = fields.as_object().cloned().unwrap();
        let fields = call(fields).map_err(|error| error.to_string())?;
        Ok(fields.unwrap().into())
    }

    #[test]
    fn rows_of_hub_and_repository_become_alike() {
        // tasks/klue/utils.py.
        let nli = |label: Json| {
            processed(
                nli_process_docs,
                json!({"hypothesis": " 비가 온다 ", "label": label, "gold_label": "neutral"}),
            )
            .unwrap()
        };
        assert_eq!(
            (&nli(json!(2))["gold"], &nli(json!(null))["gold"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(nli(json!(0))["claim"], "비가 온다.");
        let sts = processed(
            sts_process_docs,
            json!({"labels": {"label": 3.5, "binary-label": 1}}),
        )
        .unwrap();
        let flat = processed(sts_process_docs, json!({"label": 3.5, "binary-label": 1})).unwrap();
        assert_eq!(
            (&sts["score"], &sts["gold"]),
            (&flat["score"], &flat["gold"])
        );
        let ynat = |label: Json| {
            processed(ynat_process_docs, json!({"label": label})).unwrap()["gold"].clone()
        };
        assert_eq!((ynat(json!("세계")), ynat(json!(4))), (json!(4), json!(4)));
    }

    #[test]
    fn numbers_are_found_in_answers() {
        for (text, number) in [
            ("3.5점", Some(3.5)),
            ("-1 또는 2", Some(-1.0)),
            ("4.", Some(4.0)),
            ("없음", None),
        ] {
            assert_eq!(first_number(text), number, "{text}");
        }
        let fields = json!({"score": 2.5});
        let scored = |text: &str| {
            let results = [json!(text)];
            sts_process_results(fields.as_object().unwrap(), &Results::Texts(&results)).unwrap()[0]
                .1
                .clone()
        };
        assert_eq!(
            scored("9"),
            Item::Numbers {
                gold: 2.5,
                predicted: 5.0
            }
        );
        assert_eq!(
            scored("모름"),
            Item::Numbers {
                gold: 2.5,
                predicted: -2.0
            }
        );
    }

    #[test]
    fn an_unknown_label_is_named() {
        assert_eq!(
            processed(ynat_process_docs, json!({"label": "날씨"})),
            Err("the field `label` is `날씨`; allowed: a topic of KLUE-YNAT".into())
        );
    }
}
