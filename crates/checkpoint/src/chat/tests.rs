//! What `tests/chat.rs` does not compare with transformers: errors, limits, the clock, a missing token.

use super::*;

fn template(source: &str) -> ChatTemplate {
    ChatTemplate {
        source: source.into(),
        bos: None,
        eos: Some("</s>".into()),
    }
}

const ASKED: [ChatMessage; 1] = [ChatMessage {
    role: "user",
    content: "Why?",
}];

#[track_caller]
fn refused(source: &str) -> String {
    template(source)
        .render(&ASKED, true)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_bad_template_is_named_with_its_line() {
    let error = template("\n{% if %}").render(&ASKED, true).unwrap_err();
    assert!(
        matches!(error, ChatError::Syntax { line: 2, .. }),
        "{error}"
    );
    assert_eq!(
        refused("\n\n{{ raise_exception('only cats') }}"),
        "`tokenizer.chat_template`, line 3, fails on 1 messages: invalid operation: only cats"
    );
    assert!(refused("{{ messages[7].content.strip() }}").contains("undefined value"));
}

#[test]
fn endless_huge_and_deep_templates_stop() {
    let nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(refused(nested).ends_with("engine ran out of fuel"));
    let huge = "{% set x = 'x' * 9000000 %}{% for i in range(99) %}{{ x }}{% endfor %}";
    assert!(refused(huge).ends_with("engine ran out of fuel"));
    let deep = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert!(
        refused(deep).contains("recursion limit"),
        "{}",
        refused(deep)
    );
}

#[test]
fn values_that_grow_without_steps_stop() {
    let deep = format!("{}{}", "[".repeat(9_999), "]".repeat(9_999));
    assert!(
        template(&format!("{{{{ {deep} }}}}"))
            .render(&ASKED, true)
            .is_err()
    );
    let grown = |start: &str, by: &str, then: &str| {
        refused(&format!(
            "{{% set ns = namespace(x={start}) %}}{{% for i in range(99) %}}{{% set ns.x = {by} %}}{{% endfor %}}{{{{ ns.x {then} }}}}"
        ))
    };
    assert!(grown("'x' * 1000", "ns.x ~ ns.x", "").ends_with("engine ran out of fuel"));
    for by in ["[ns.x, ns.x]", "[ns.x]", "{'a': ns.x, 'b': ns.x}"] {
        assert!(
            grown("[1]", by, "| tojson").contains("1 MiB or 64 levels"),
            "{by}"
        );
    }
    let wide = "{{ messages | tojson(indent=4000000000) }}";
    assert!(refused(wide).contains("`indent` must be at most 64"));
}

#[test]
fn nothing_can_be_continued_where_nothing_was_said() {
    let template = template("{{ messages | length }}");
    assert_eq!(template.render(&[], true).as_deref(), Ok("0"));
    assert_eq!(template.render(&[], false), Err(ChatError::NoMessage));
    assert_eq!(
        template.render(&ASKED, false).unwrap_err().to_string(),
        "`tokenizer.chat_template` does not write the last message, `Why?`, as it is; it cannot be continued"
    );
}

#[test]
fn a_template_that_refuses_the_system_message_is_asked_without_it() {
    let refuses = template(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }};{% endfor %}",
    );
    let system = ChatMessage {
        role: "system",
        content: "Be brief.",
    };
    assert_eq!(
        refuses.render(&[system, ASKED[0]], true).as_deref(),
        Ok("Why?;")
    );
    assert_eq!(
        refuses.render(&[system, ASKED[0]], false).as_deref(),
        Ok("Why?")
    );
}

#[test]
fn a_token_the_checkpoint_does_not_have_is_undefined() {
    let asks = template("{{ bos_token is defined }} {{ bos_token }}|{{ eos_token }}");
    assert_eq!(asks.render(&ASKED, true).as_deref(), Ok("False |</s>"));
}

#[test]
fn a_template_may_ask_for_the_date() {
    let day = |source: &str| template(source).render(&ASKED, true).unwrap();
    let (before, got, after) = (now(), day("{{ strftime_now('%d %b %Y|%H') }}"), now());
    let written = [before, after].map(|at| at.strftime("%d %b %Y|%H").to_string());
    assert!(written.contains(&got), "{got}");
    assert!(refused("{{ strftime_now('%!') }}").contains("line 1"));
}
