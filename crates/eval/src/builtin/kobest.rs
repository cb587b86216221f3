//! `lm_eval/tasks/kobest/utils.py`: Korean questions from columns.

use serde_json::Value as Json;

use super::fields::{text, whole, wrong};
use super::{FieldError, Fields};
use crate::python;

/// COPA: the premise and a connective that asks for the cause or the effect.
pub(super) fn copa_doc_to_text(fields: &Fields) -> Result<Json, FieldError> {
    let connective = match text(fields, "question")?.trim_matches(python::is_space) {
        "원인" => " 왜냐하면",
        "결과" => " 그래서",
        _ => return Err(wrong(fields, "question", "`원인` or `결과`")),
    };
    Ok(format!("{} {connective}", text(fields, "premise")?).into())
}

/// COPA: the right alternative.
pub(super) fn copa_doc_to_target(fields: &Fields) -> Result<Json, FieldError> {
    let is_first = whole(fields, "label")? == 0;
    let field = if is_first {
        "alternative_1"
    } else {
        "alternative_2"
    };
    Ok(text(fields, field)?.into())
}

/// COPA: both alternatives.
pub(super) fn copa_doc_to_choice(fields: &Fields) -> Result<Json, FieldError> {
    let alternatives = [
        text(fields, "alternative_1")?,
        text(fields, "alternative_2")?,
    ];
    Ok(alternatives.map(String::from).to_vec().into())
}

/// SentiNeg: whether a review is positive.
pub(super) fn sentineg_doc_to_text(fields: &Fields) -> Result<Json, FieldError> {
    Ok(format!("문장: {} 긍부정:", text(fields, "sentence")?).into())
}

/// WiC: whether a word means the same in two sentences.
pub(super) fn wic_doc_to_text(fields: &Fields) -> Result<Json, FieldError> {
    let [first, second, word] = ["context_1", "context_2", "word"].map(|field| text(fields, field));
    let (first, second, word) = (first?, second?, word?);
    Ok(format!("문장1: {first} 문장2: {second} 두 문장에서 {word}가 같은 뜻으로 쓰였나?").into())
}

/// HellaSwag: `query`, `choices` and `gold`.
pub(super) fn hellaswag_process_doc(mut fields: Fields) -> Result<Option<Fields>, FieldError> {
    let query = format!("문장: {}", text(&fields, "context")?);
    let endings = ["ending_1", "ending_2", "ending_3", "ending_4"];
    let choices: Vec<String> = endings
        .iter()
        .map(|field| Ok(text(&fields, field)?.to_string()))
        .collect::<Result<_, FieldError>>()?;
    let gold = whole(&fields, "label")?;
    fields.insert("query".into(), query.into());
    fields.insert("choices".into(), choices.into());
    fields.insert("gold".into(), gold.into());
    Ok(Some(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_those_of_the_harness() {
        // lm_eval.tasks.kobest.utils of 0.4.13.
        let copa = json!({"premise": "비가 왔다.", "question": "결과 ", "alternative_1": "땅이 젖었다.", "alternative_2": "해가 떴다.", "label": 0});
        let copa = copa.as_object().unwrap();
        assert_eq!(copa_doc_to_text(copa), Ok(json!("비가 왔다.  그래서")));
        assert_eq!(copa_doc_to_target(copa), Ok(json!("땅이 젖었다.")));
        assert_eq!(
            copa_doc_to_choice(copa),
            Ok(json!(["땅이 젖었다.", "해가 떴다."]))
        );
        let wic = json!({"context_1": "배를 탔다.", "context_2": "배가 고프다.", "word": "배"});
        let question = "문장1: 배를 탔다. 문장2: 배가 고프다. 두 문장에서 배가 같은 뜻으로 쓰였나?";
        assert_eq!(
            wic_doc_to_text(wic.as_object().unwrap()),
            Ok(json!(question))
        );
        let sentence = json!({"sentence": "좋아요"});
        assert_eq!(
            sentineg_doc_to_text(sentence.as_object().unwrap()),
            Ok(json!("문장: 좋아요 긍부정:"))
        );
    }

    #[test]
    fn an_unknown_question_is_named() {
        let fields = json!({"question": "이유"});
        let error = copa_doc_to_text(fields.as_object().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the field `question` is `이유`; allowed: `원인` or `결과`"
        );
    }
}
