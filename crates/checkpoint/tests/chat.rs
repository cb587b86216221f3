//! Chat templates against transformers: `tests/chat/make_expected.py` wrote what is expected.

use std::fs;
use std::path::{Path, PathBuf};

use jeoul_checkpoint::{ChatMessage, ChatTemplate, Checkpoint, FileSource};

/// Messages of each conversation: role and content.
type Cases = Vec<Vec<(String, String)>>;

fn folder() -> PathBuf {
    PathBuf::from("tests/chat")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn check(name: &str) {
    let cases: Cases = serde_json::from_str(&read("cases.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&read("expected.json")).unwrap();
    let expected: Vec<[Option<String>; 2]> =
        serde_json::from_value(expected[name].clone()).unwrap();
    assert_eq!(cases.len(), expected.len());
    let template = ChatTemplate {
        source: read(&format!("{name}.jinja")),
        bos: Some("<s>".into()),
        eos: Some("</s>".into()),
    };
    for (index, (case, expected)) in cases.iter().zip(expected).enumerate() {
        let messages: Vec<ChatMessage> = case
            .iter()
            .map(|(role, content)| ChatMessage { role, content })
            .collect();
        for (prompt, expected) in [true, false].into_iter().zip(expected) {
            let rendered = template.render(&messages, prompt);
            assert_eq!(
                rendered.as_ref().ok(),
                expected.as_ref(),
                "case {index}, generation prompt {prompt}: {rendered:?}"
            );
        }
    }
}

#[test]
fn chatml_prompts_are_those_of_transformers() {
    check("chatml");
}

#[test]
fn llama_3_prompts_are_those_of_transformers() {
    check("llama3");
}

#[test]
fn gemma_prompts_are_those_of_transformers() {
    check("gemma");
}

#[test]
fn mistral_prompts_are_those_of_transformers() {
    check("mistral");
}

#[test]
fn what_jinja2_can_do_is_done_alike() {
    check("features");
}

/// `JEOUL_SMOLLM2`, or where `cargo xtask fetch` puts it; skipped where it is not there.
#[test]
fn smollm2_speaks_chatml_and_introduces_itself() {
    let root = Path::new("../..");
    let path = std::env::var_os("JEOUL_SMOLLM2").map_or_else(
        || root.join("models/cache/SmolLM2-135M-Instruct.Q4_1.gguf"),
        PathBuf::from,
    );
    let Ok(source) = FileSource::open(&path) else {
        eprintln!("skipped: no {}", path.display());
        return;
    };
    let checkpoint = Checkpoint::open(source).expect("a checkpoint");
    let chat = checkpoint.chat().expect("a template");
    assert_eq!(chat.eos.as_deref(), Some("<|im_end|>"));
    let question = ChatMessage {
        role: "user",
        content: "물의 무게는? ",
    };
    // Expected: transformers 5.24 with the same template.
    let prompt = chat.render(&[question], true).expect("a prompt");
    let system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    assert_eq!(
        prompt,
        format!(
            "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n물의 무게는? <|im_end|>\n<|im_start|>assistant\n"
        )
    );
    // Expected: the ids that `tokenizers` gives this text with HuggingFaceTB/SmolLM2-135M-Instruct.
    let ids = checkpoint.tokenizer().encode(&prompt).expect("encoded");
    assert_eq!(ids[..3], [1, 9690, 198]);
    assert_eq!(
        checkpoint.tokenizer().decode(&ids).expect("decoded"),
        prompt
    );
}
