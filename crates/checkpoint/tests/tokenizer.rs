//! Token ids of real files: the committed tiny checkpoint, and SmolLM2-135M-Instruct where it has been fetched.
//!
//! The reference holds ids that Hugging Face's tokenizer gave. Neither it nor SmolLM2 is part of the repository; tests
//! that need them say so and pass where they are not there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use jeoul_checkpoint::{Checkpoint, FileSource, Tokenizer, TokenizerError};

#[expect(dead_code, reason = "the program's `main` is not run here")]
#[path = "../examples/make_tiny.rs"]
mod make_tiny;

/// Scripts, signs that are several characters, code, and all kinds of white space.
const TEXTS: [&str; 14] = [
    "",
    " ",
    "The capital of France is Paris.",
    "저울은 물건의 무게를 재는 도구이다.",
    "ㅎㅏㄴㄱㅡㄹ e\u{301} é ﬁ \u{1112}\u{1161}\u{11ab}",
    "日本語と中文、العربية עברית हिन्दी ไทย Ελληνικά",
    "👩‍👩‍👧‍👦 🇰🇷 👍🏽 🧮",
    "fn main() {\n\tlet x = [1, 22, 333];\r\n    println!(\"{x:?}\");\n}\n",
    "  two  spaces,\n\n\nthree lines\t\ttabs   ",
    "\u{a0}no\u{a0}break\u{3000}wide\u{2028}line",
    "x² + ½ = ٣٤ 1,234,567.89",
    "It's, they'RE, 'tis; don''t",
    "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start <|im_end|><|im_end|>|>",
];

fn root() -> PathBuf {
    PathBuf::from("../..")
}

#[track_caller]
fn open(path: &Path) -> Tokenizer {
    let source = FileSource::open(path).expect("the file opens");
    let checkpoint = Checkpoint::open(source).expect("the file is a checkpoint");
    checkpoint.into_tokenizer()
}

fn tiny() -> Tokenizer {
    open(&root().join("models/tiny.gguf"))
}

/// `JEOUL_SMOLLM2`, or where `cargo xtask fetch` puts it.
fn smollm2() -> Option<Tokenizer> {
    let path = env::var_os("JEOUL_SMOLLM2").map_or_else(
        || root().join("models/cache/SmolLM2-135M-Instruct.Q4_1.gguf"),
        PathBuf::from,
    );
    let found = path.exists();
    if !found {
        eprintln!("skipped: there is no {}", path.display());
    }
    found.then(|| open(&path))
}

#[track_caller]
fn assert_texts_come_back(tokenizer: &Tokenizer) {
    for text in TEXTS {
        let ids = tokenizer.encode(text).unwrap();
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.len()));
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}

#[test]
fn texts_come_back_from_the_tiny_vocabulary() {
    assert_texts_come_back(&tiny());
}

#[test]
fn texts_come_back_from_smollm2() {
    if let Some(tokenizer) = smollm2() {
        assert_texts_come_back(&tokenizer);
    }
}

#[test]
fn ids_are_those_of_the_reference() {
    let Some(tokenizer) = smollm2() else { return };
    let data =
        env::var_os("JEOUL_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let path = data.join("reference/smollm2-135m-instruct-q4_1.json");
    let Ok(json) = fs::read(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return;
    };
    let pairs: Vec<serde_json::Value> = serde_json::from_slice(&json).expect("a list of pairs");
    assert!(!pairs.is_empty());
    for pair in &pairs {
        let text = |key: &str| pair[key].as_str().expect("a text");
        let ids = |key: &str| -> Vec<u64> {
            let ids = pair[key].as_array().expect("a list");
            ids.iter().map(|id| id.as_u64().expect("an id")).collect()
        };
        let encode = |text: &str| -> Vec<u64> {
            let ids = tokenizer.encode(text).expect("a short text");
            ids.into_iter().map(u64::from).collect()
        };
        // As the harness: spaces at the end of the context belong to the continuation, whose ids are what the ids of
        // the whole have after those of the context.
        let context = text("context").trim_end();
        let whole = encode(&(text("context").to_owned() + text("continuation")));
        let context_ids = encode(context);
        assert_eq!(context_ids, ids("context_ids"), "{context:?}");
        let continuation = text("continuation");
        assert_eq!(
            whole[context_ids.len()..],
            ids("continuation_ids"),
            "{context:?}, {continuation:?}"
        );
    }
}

#[test]
fn control_tokens_of_smollm2_are_single_ids_and_digits_stand_alone() {
    let Some(tokenizer) = smollm2() else { return };
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.len()),
        (Some(1), Some(2), 49_152)
    );
    // 198 is the line end, as in the reference.
    assert_eq!(
        tokenizer.encode("<|im_start|><|im_end|>\n").unwrap(),
        [1, 2, 198]
    );
    assert_eq!(tokenizer.encode("2024").unwrap().len(), 4);
}

#[test]
fn the_tiny_vocabulary_knows_every_byte_and_has_merges() {
    let tokenizer = tiny();
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.len()),
        (Some(1), Some(2), 461)
    );
    for character in (0..0x3000).filter_map(char::from_u32) {
        let text = character.to_string();
        assert_eq!(
            tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(),
            text
        );
    }
    for (text, count) in [
        (" water", 1),
        (" answer", 1),
        ("The", 1),
        (" the answer is", 3),
        (" 물", 1),
    ] {
        assert_eq!(tokenizer.encode(text).unwrap().len(), count, "{text}");
    }
}

#[test]
fn half_a_character_decodes_to_the_replacement_sign() {
    let tokenizer = tiny();
    let ids = tokenizer.encode("🧮").unwrap();
    assert_eq!(tokenizer.decode(&ids[..1]).unwrap(), "\u{fffd}");
    assert!(matches!(
        tokenizer.decode(&[461]),
        Err(TokenizerError::Id {
            index: 0,
            found: 461,
            tokens: 461
        })
    ));
}

#[test]
fn the_tiny_checkpoint_is_what_its_program_makes() {
    let committed = fs::read(root().join("models/tiny.gguf")).unwrap();
    // Not `assert_eq!`, which would print both files.
    assert!(
        committed == make_tiny::tiny(),
        "`cargo xtask tiny` makes models/tiny.gguf anew"
    );
}
