//! Templates in the manner of five families, and whatever else a template may do.

use super::*;

fn template(source: &str) -> ChatTemplate {
    ChatTemplate {
        source: source.into(),
        bos: Some("<s>".into()),
        eos: Some("</s>".into()),
    }
}

#[test]
fn basics() {
    let m = [ChatMessage {
        role: "user",
        content: "hi",
    }];
    assert_eq!(
        template("{{ bos_token }}{{ messages|tojson }}")
            .render(&m, true)
            .as_deref(),
        Ok(r#"<s>[{"role": "user", "content": "hi"}]"#)
    );
}
