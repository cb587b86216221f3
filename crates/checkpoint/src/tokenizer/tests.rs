//! A small vocabulary, whole and spoilt in one place each.

use super::*;

/// `a`, `b`, `c`, `ab`, `abc`, the space and the digits 1 and 2, with two added tokens.
const TOKENS: [&str; 10] = [
    "<|end|>", "<tool>", "a", "b", "c", "ab", "abc", "Ġ", "1", "2",
];
const TYPES: [i32; 10] = [3, 4, 1, 1, 1, 1, 1, 1, 1, 1];

/// A small vocabulary that a test changes before it builds.
struct Small {
    model: &'static str,
    pre: &'static str,
    tokens: Vec<String>,
    merges: Vec<String>,
    types: Vec<i32>,
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    eom: Option<u32>,
    add_bos: Option<bool>,
}

fn strings(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|&entry| entry.to_owned()).collect()
}

impl Small {
    fn new() -> Self {
        Self {
            model: "gpt2",
            pre: "smollm",
            tokens: strings(&TOKENS),
            merges: strings(&["a b", "ab c"]),
            types: TYPES.to_vec(),
            bos: Some(0),
            eos: None,
            eot: None,
            eom: None,
            add_bos: Some(false),
        }
    }

    fn build(&self) -> Result<Tokenizer, TokenizerError> {
        Tokenizer::new(&Vocabulary {
            model: self.model,
            pre: self.pre,
            tokens: &self.tokens,
            merges: &self.merges,
            types: &self.types,
            bos: self.bos,
            eos: self.eos,
            eot: self.eot,
            eom: self.eom,
            add_bos: self.add_bos,
        })
    }
}

/// The message with which a changed vocabulary is refused.
#[track_caller]
fn refused(change: impl FnOnce(&mut Small)) -> String {
    let mut small = Small::new();
    change(&mut small);
    small.build().unwrap_err().to_string()
}

#[test]
fn merges_apply_in_their_order() {
    let tokenizer = Small::new().build().unwrap();
    assert_eq!(tokenizer.encode("abcab c").unwrap(), [6, 5, 7, 4]);
    assert!(tokenizer.encode("").unwrap().is_empty());
    assert_eq!(tokenizer.len(), 10);
}

#[test]
fn bos_is_prepended_only_if_asked() {
    let mut small = Small::new();
    let tokenizer = small.build().unwrap();
    assert_eq!(tokenizer.encode("a").unwrap(), [2]);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(0), None));
    small.add_bos = Some(true);
    assert_eq!(small.build().unwrap().encode("a").unwrap(), [0, 2]);
    // Written out in the text already: the end token serves as BOS here.
    assert_eq!(small.build().unwrap().encode("<|end|>a").unwrap(), [0, 2]);
    small.bos = None;
    assert_eq!(small.build().unwrap().encode("a").unwrap(), [2]);
}

#[test]
fn llama3_prepends_bos_unless_the_file_says_otherwise() {
    let mut small = Small::new();
    small.pre = "llama-bpe";
    small.add_bos = None;
    assert_eq!(small.build().unwrap().encode("a").unwrap(), [0, 2]);
    small.add_bos = Some(false);
    assert_eq!(small.build().unwrap().encode("a").unwrap(), [2]);
    (small.pre, small.add_bos) = ("smollm", None);
    assert_eq!(small.build().unwrap().encode("a").unwrap(), [2]);
}

#[test]
fn an_empty_token_is_no_token_of_any_text() {
    let mut small = Small::new();
    small.tokens[0] = String::new();
    let tokenizer = small.build().unwrap();
    assert_eq!(tokenizer.encode("ab").unwrap(), [5]);
    assert_eq!(tokenizer.decode(&[0, 5]).unwrap(), "ab");
}

#[test]
fn added_tokens_are_found_in_the_text_and_written_out_again() {
    let tokenizer = Small::new().build().unwrap();
    let text = "ab<tool><|end|>c";
    assert_eq!(tokenizer.encode(text).unwrap(), [5, 1, 0, 4]);
    assert_eq!(tokenizer.decode(&[5, 1, 0, 4]).unwrap(), text);
}

#[test]
fn without_types_no_token_is_added() {
    let mut small = Small::new();
    small.types.clear();
    let tokenizer = small.build().unwrap();
    assert!(tokenizer.encode("<|end|>").unwrap().is_empty());
}

#[test]
fn digits_stand_alone_where_the_scheme_says_so() {
    let tokens_of = |pre, text| {
        let mut small = Small::new();
        small.pre = pre;
        small.tokens.extend(strings(&["12", "121", "1212"]));
        small.merges.extend(strings(&["1 2", "12 1", "12 12"]));
        small.types.clear();
        small.build().unwrap().encode(text).unwrap()
    };
    assert_eq!(tokens_of("smollm", "1212"), [8, 9, 8, 9]);
    assert_eq!(tokens_of("qwen2", "1212"), [8, 9, 8, 9]);
    assert_eq!(tokens_of("gpt-2", "1212"), [12]);
    assert_eq!(tokens_of("llama-bpe", "1212"), [11, 9]);
}

#[test]
fn llama3_takes_whole_tokens_that_no_merge_makes() {
    let tokens_of = |pre| {
        let mut small = Small::new();
        small.pre = pre;
        small.merges.clear();
        small.build().unwrap().encode("abc").unwrap()
    };
    assert_eq!(tokens_of("llama3"), [6]);
    assert_eq!(tokens_of("gpt2"), [2, 3, 4]);
}

#[test]
fn qwen2_composes_characters() {
    let tokens_of = |pre| {
        let mut small = Small::new();
        small.pre = pre;
        // The two bytes of é and the two of the accent that follows an e.
        small.tokens = strings(&["Ã", "©", "e", "Ì", "ģ"]);
        small.merges.clear();
        small.types.clear();
        small.build().unwrap().encode("e\u{301}").unwrap()
    };
    assert_eq!(tokens_of("qwen2"), [0, 1]);
    assert_eq!(tokens_of("llama3"), [2, 3, 4]);
}

#[test]
fn every_listed_scheme_builds() {
    for &pre in PRE_TOKENIZERS {
        let mut small = Small::new();
        small.pre = pre;
        assert!(small.build().is_ok(), "{pre}");
    }
}

#[test]
fn other_models_are_refused() {
    assert_eq!(
        refused(|small| small.model = "llama"),
        "`tokenizer.ggml.model` is `llama`; supported: gpt2"
    );
}

#[test]
fn other_schemes_are_refused() {
    assert_eq!(
        refused(|small| small.pre = "tekken"),
        "`tokenizer.ggml.pre` is `tekken`; supported: smollm, gpt-2, gpt2, default, llama-bpe, llama3, llama-v3, qwen2"
    );
}

#[test]
fn an_empty_vocabulary_is_refused() {
    assert_eq!(
        refused(|small| small.tokens.clear()),
        "`tokenizer.ggml.tokens` is empty; at least one token is needed"
    );
}

#[test]
fn types_must_belong_to_the_tokens() {
    assert_eq!(
        refused(|small| small.types.truncate(9)),
        "`tokenizer.ggml.token_type` has 9 entries; `tokenizer.ggml.tokens` has 10"
    );
    assert_eq!(
        refused(|small| small.types[2] = 7),
        "entry 2 of `tokenizer.ggml.token_type` is 7; allowed: 0 to 6"
    );
    refused(|small| small.types[2] = -1);
}

#[test]
fn as_many_added_tokens_as_may_be_are_read_and_no_more() {
    let added = |count: usize| {
        let mut small = Small::new();
        small.tokens.extend((0..count).map(|i| format!("<{i}>")));
        small.types.resize(small.types.len() + count, 4);
        small
            .build()
            .map(|tokenizer| tokenizer.encode("<7>").unwrap())
    };
    assert_eq!(added((1 << 14) - 2), Ok(vec![17]));
    assert_eq!(
        added((1 << 14) - 1).unwrap_err().to_string(),
        "`tokenizer.ggml.token_type` has 16385 control and user-defined tokens; at most 16384 are read"
    );
}

#[test]
fn a_token_may_occur_only_once() {
    assert_eq!(
        refused(|small| small.tokens[9] = "ab".to_owned()),
        "entries 5 and 9 of `tokenizer.ggml.tokens` are both `ab`"
    );
}

#[test]
fn a_merge_is_two_tokens_with_one_space_between() {
    for bad in ["", " ", "ab", "a b c", "a  b", " a", "a "] {
        assert_eq!(
            refused(|small| small.merges[1] = bad.to_owned()),
            format!(
                "entry 1 of `tokenizer.ggml.merges` is `{bad}`; allowed: two tokens with one space between"
            )
        );
    }
}

#[test]
fn merges_need_tokens() {
    let refused_merge = |merge: &str| refused(|small| small.merges[0] = merge.to_owned());
    let message = |token| {
        format!(
            "entry 0 of `tokenizer.ggml.merges` needs the token `{token}`, which `tokenizer.ggml.tokens` does not have"
        )
    };
    assert_eq!(refused_merge("x b"), message("x"));
    assert_eq!(refused_merge("a y"), message("y"));
    assert_eq!(refused_merge("b c"), message("bc"));
    // Longer than the longest token: the crate beneath would write past its buffer and panic.
    assert_eq!(refused_merge("<|end|> <|end|>"), message("<|end|><|end|>"));
}

#[test]
fn special_tokens_lie_within_the_vocabulary() {
    assert_eq!(
        refused(|small| small.bos = Some(10)),
        "`tokenizer.ggml.bos_token_id` is 10; `tokenizer.ggml.tokens` has 10 entries"
    );
    assert_eq!(
        refused(|small| small.eos = Some(u32::MAX)),
        "`tokenizer.ggml.eos_token_id` is 4294967295; `tokenizer.ggml.tokens` has 10 entries"
    );
    let mut small = Small::new();
    small.bos = Some(9);
    assert!(small.build().is_ok());
}

#[test]
fn messages_do_not_repeat_endless_tokens() {
    let message = refused(|small| small.merges[0] = "예".repeat(1_000_000));
    assert!(message.chars().count() < 200, "{}", message.len());
}

#[test]
fn texts_are_bounded_in_characters() {
    let tokenizer = Small::new().build().unwrap();
    // Three bytes each: what counts is characters.
    assert!(tokenizer.encode(&"예".repeat(TEXT_CHARS_MAX)).is_ok());
    assert_eq!(
        tokenizer.encode(&"예".repeat(TEXT_CHARS_MAX + 1)),
        Err(TokenizerError::Text {
            found: 200_001,
            max: 200_000
        })
    );
}

#[test]
fn the_longest_texts_are_still_split() {
    // Where the regex engine gives up, the last space and the words after it would stay one piece: with
    // `Ġa` in the vocabulary, `a` after a split space is one token.
    for pre in PRE_TOKENIZERS {
        let mut small = Small::new();
        small.pre = pre;
        small.tokens.extend(strings(&["Ġa", "aĠ"]));
        small.merges = strings(&["a Ġ", "Ġ a"]);
        small.types.clear();
        let tokenizer = small.build().unwrap();
        let ids = tokenizer.encode(&(" ".repeat(TEXT_CHARS_MAX - 6) + " a a a"));
        assert_eq!(ids.unwrap()[TEXT_CHARS_MAX - 6..], [10, 10, 10], "{pre}");
    }
}

#[test]
fn no_text_makes_it_panic_and_all_bytes_come_back() {
    // Characters of one to four bytes, many of them white space, digits, marks or `'`, by a fixed generator.
    let mut state = 1_u32;
    let mut character = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let bits = [6, 7, 9, 12, 16, 21][(state >> 13) as usize % 6];
        char::from_u32((state >> 3) & ((1 << bits) - 1)).unwrap_or('\n')
    };
    let texts: Vec<String> = (0..500)
        .map(|length| (0..length % 60).map(|_| character()).collect())
        .collect();
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    for &pre in PRE_TOKENIZERS {
        let mut small = Small::new();
        small.pre = pre;
        small.tokens = alphabet.iter().map(char::to_string).collect();
        small.merges.clear();
        small.types.clear();
        let tokenizer = small.build().unwrap();
        for text in &texts {
            let back = tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap();
            // Qwen2 composes characters, after which the text is another.
            assert!(back == *text || pre == "qwen2", "{pre}: {text:?}");
        }
    }
}

#[test]
fn ids_beyond_the_vocabulary_have_no_text() {
    let tokenizer = Small::new().build().unwrap();
    assert_eq!(
        tokenizer.decode(&[2, 10]).unwrap_err().to_string(),
        "token 1 is 10; `tokenizer.ggml.tokens` has 10 entries"
    );
    assert_eq!(tokenizer.decode(&[]).unwrap(), "");
}

#[test]
fn whatever_ends_a_text_a_turn_or_a_message_ends_a_generation() {
    let mut small = Small::new();
    assert!(small.build().unwrap().ends().is_empty());
    (small.eos, small.eot, small.eom) = (Some(0), Some(2), Some(3));
    assert_eq!(small.build().unwrap().ends(), [0, 2, 3]);
    assert_eq!(
        refused(|small| small.eot = Some(10)),
        "`tokenizer.ggml.eot_token_id` is 10; `tokenizer.ggml.tokens` has 10 entries"
    );
}

#[test]
fn the_bytes_of_tokens_together_are_the_text_of_all() {
    let tokenizer = Small::new().build().unwrap();
    let ids: Vec<u32> = (0..10).collect();
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|&id| tokenizer.bytes(id).unwrap())
        .collect();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        tokenizer.decode(&ids).unwrap()
    );
    assert_eq!(tokenizer.token(7).as_deref(), Some("Ġ"));
    assert_eq!((tokenizer.bytes(10), tokenizer.token(10)), (None, None));
    // A user-defined token is text, a control token is none.
    assert_eq!(
        [0, 1, 2, 10].map(|id| tokenizer.is_control(id)),
        [true, false, false, false]
    );
}
