//! Makes `models/tiny.gguf`: a checkpoint with random weights, small enough for every test.
//!
//!     cargo run -p jeoul-checkpoint --example make_tiny -- [PATH] [--check]
//!
//! Every tensor type that can be read occurs, the vocabulary's size is no multiple of 8, and there are fewer key/value
//! heads than heads. Everything in it is ours: the sentences that the merges are learned from, the template, and the
//! weights, which come from a generator. The same program makes the same bytes on every machine.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use jeoul_checkpoint::TensorType::{self, BF16, F16, F32, Q4_0, Q4_1, Q8_0};
use jeoul_checkpoint::writer::{GgufWriter, quantize};

/// Width of the network.
const WIDTH: usize = 64;
const HEADS: usize = 4;
/// Heads of keys and values: two heads share one.
const KV_HEADS: usize = 2;
const HEAD_WIDTH: usize = WIDTH / HEADS;
/// Width within the feed-forward part.
const FFN_WIDTH: usize = 128;
const LAYERS: usize = 3;
/// Tokens: odd, so that no kernel can count on whole blocks of rows.
const VOCABULARY: usize = 461;

/// Tokens 0, 1 (begins a text) and 2 (ends it).
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Who says what, between `<|im_start|>` and `<|im_end|>`.
const CHAT_TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// What the merges are learned from.
const SENTENCES: [&str; 22] = [
    "A scale weighs what we put on it, and a good scale says how sure it is.",
    "The students measured the water before and after it was heated.",
    "Question: Which of these is heavier, a litre of water or a litre of oil?",
    "Answer: The water is heavier, because oil floats on it.",
    "Plants take in water through the roots and light through the leaves.",
    "The teacher asked the question again, and the answer was the same.",
    "When the sun goes down, the air over the land cools faster than the sea.",
    "There are seven days in a week and twelve months in the year.",
    "She read the book twice and still did not know which ending was the true one.",
    "If the model is small, the whole class can weigh it on their own machines.",
    "What is true of one answer is not always true of the other answers.",
    "A stone thrown into the lake makes rings that grow wider and wider.",
    "저울은 물건의 무게를 재는 도구이다.",
    "학생들은 물을 끓이기 전과 끓인 후에 온도를 재었다.",
    "질문: 물과 기름 중에서 어느 것이 더 무거운가?",
    "정답: 물이 더 무겁다. 그래서 기름이 물 위에 뜬다.",
    "식물은 뿌리로 물을 얻고 잎으로 빛을 얻는다.",
    "선생님이 질문을 다시 하였고, 정답은 같았다.",
    "해가 지면 땅 위의 공기가 바다 위의 공기보다 빨리 식는다.",
    "일주일은 칠 일이고 일 년은 열두 달이다.",
    "작은 모델은 교실의 모든 학생이 자기 컴퓨터에서 재어 볼 수 있다.",
    "돌을 호수에 던지면 물결이 점점 넓어진다.",
];

fn main() -> ExitCode {
    let (mut path, mut check) = (committed(), false);
    for argument in env::args_os().skip(1) {
        if argument == "--check" {
            check = true;
        } else {
            path = PathBuf::from(argument);
        }
    }
    let made = tiny();
    let done = if check {
        fs::read(&path).map(|found| found == made)
    } else {
        fs::write(&path, &made).map(|()| true)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{} is not what this program makes", path.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Where the repository keeps the file.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny.gguf")
}

/// The bytes of the checkpoint.
pub(crate) fn tiny() -> Vec<u8> {
    let (tokens, merges) = vocabulary();
    let control = |index| if index < CONTROL.len() { 3 } else { 1 };
    let types: Vec<i32> = (0..tokens.len()).map(control).collect();
    let file = GgufWriter::new()
        .string("general.architecture", "llama")
        .string("general.name", "Tiny (random weights)")
        .string("general.license", "MIT OR Apache-2.0")
        .u32("general.quantization_version", 2)
        .u32("llama.block_count", LAYERS as u32)
        .u32("llama.context_length", 1024)
        .u32("llama.embedding_length", WIDTH as u32)
        .u32("llama.feed_forward_length", FFN_WIDTH as u32)
        .u32("llama.attention.head_count", HEADS as u32)
        .u32("llama.attention.head_count_kv", KV_HEADS as u32)
        .f32("llama.rope.freq_base", 10_000.0)
        .u32("llama.rope.dimension_count", HEAD_WIDTH as u32)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .u32("llama.vocab_size", tokens.len() as u32)
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "smollm")
        .strings("tokenizer.ggml.tokens", &tokens)
        .i32s("tokenizer.ggml.token_type", &types)
        .strings("tokenizer.ggml.merges", &merges)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .bool("tokenizer.ggml.add_bos_token", false)
        .string("tokenizer.chat_template", CHAT_TEMPLATE);
    let random = Random(0x4A_65_6F_75_6C); // "Jeoul"
    Tensors { file, random }.all().file.finish()
}

/// A file that is given weights from a generator.
struct Tensors {
    file: GgufWriter,
    random: Random,
}

impl Tensors {
    /// All tensors. Their spreads keep attention lively, let the layers outweigh the embedding they start from, and
    /// give logits a standard deviation of about 2: the embedding's spread times the square root of the width.
    fn all(self) -> Self {
        let kv_width = KV_HEADS * HEAD_WIDTH;
        let start = self.matrix("token_embd", [WIDTH, VOCABULARY], Q8_0, 0.25);
        let layers = (0..LAYERS).fold(start, |tensors, layer| {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let output = if layer == 0 { F32 } else { Q4_1 };
            tensors
                .norm(&name("attn_norm"))
                .matrix(&name("attn_q"), [WIDTH, WIDTH], Q4_0, 0.18)
                .matrix(&name("attn_k"), [WIDTH, kv_width], F16, 0.18)
                .matrix(&name("attn_v"), [WIDTH, kv_width], BF16, 0.18)
                .matrix(&name("attn_output"), [WIDTH, WIDTH], output, 0.18)
                .norm(&name("ffn_norm"))
                .matrix(&name("ffn_gate"), [WIDTH, FFN_WIDTH], Q4_1, 0.18)
                .matrix(&name("ffn_up"), [WIDTH, FFN_WIDTH], Q4_0, 0.18)
                .matrix(&name("ffn_down"), [FFN_WIDTH, WIDTH], Q8_0, 0.1)
        });
        layers.norm("output_norm")
    }

    /// A matrix `[columns, rows]` around 0.
    fn matrix(mut self, name: &str, dims: [usize; 2], ty: TensorType, spread: f32) -> Self {
        let normals = (0..dims[0] * dims[1]).map(|_| spread * self.random.normal());
        let values: Vec<f32> = normals.collect();
        self.tensor(name, &dims, ty, &values)
    }

    /// The weights of a norm: 0.9 to 1.1.
    fn norm(mut self, name: &str) -> Self {
        let near_one = (0..WIDTH).map(|_| 0.9 + 0.2 * self.random.uniform());
        let values: Vec<f32> = near_one.collect();
        self.tensor(name, &[WIDTH], F32, &values)
    }

    fn tensor(self, name: &str, dims: &[usize], ty: TensorType, values: &[f32]) -> Self {
        let name = format!("{name}.weight");
        let dims: Vec<u64> = dims.iter().map(|&dim| dim as u64).collect();
        let file = self.file.tensor(&name, &dims, ty, quantize(ty, values));
        Self { file, ..self }
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1, in steps of 2^-24, so exact in f32.
    fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Nearly normal, spread 1: a sum of twelve. It needs no logarithm, whose last bit differs between machines.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

/// Tokens and merges: control tokens, the 256 bytes, then what byte-pair encoding learns from [`SENTENCES`].
fn vocabulary() -> (Vec<String>, Vec<String>) {
    let mut bytes: Vec<char> = (0..=255).map(byte_char).collect();
    bytes.sort_unstable();
    let control = CONTROL.iter().map(|&token| token.to_owned());
    let mut tokens: Vec<String> = control.chain(bytes.iter().map(char::to_string)).collect();
    let mut known: HashSet<String> = tokens.iter().cloned().collect();
    let mut words: Vec<Vec<String>> = SENTENCES.iter().flat_map(|text| split(text)).collect();
    let mut merges = Vec::new();
    while tokens.len() < VOCABULARY {
        let Some((left, right)) = most_frequent(&words) else {
            break;
        };
        let merged = format!("{left}{right}");
        for word in &mut words {
            merge(word, &left, &right);
        }
        merges.push(format!("{left} {right}"));
        // Two ways can lead to one token.
        if known.insert(merged.clone()) {
            tokens.push(merged);
        }
    }
    (tokens, merges)
}

/// Words with the space before them and runs of other characters, as bytes in GPT-2's alphabet.
fn split(text: &str) -> Vec<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    for character in text.chars() {
        let goes_on = words
            .last()
            .and_then(|word| word.chars().last())
            .is_some_and(|last| {
                last == ' '
                    || (character != ' ' && last.is_alphabetic() == character.is_alphabetic())
            });
        match words.last_mut() {
            Some(word) if goes_on => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    let bytes = |word: String| {
        word.bytes()
            .map(|byte| byte_char(byte).to_string())
            .collect()
    };
    words.into_iter().map(bytes).collect()
}

/// The pair that occurs most often; the first in the alphabet of equals.
fn most_frequent(words: &[Vec<String>]) -> Option<(String, String)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for word in words {
        for (left, right) in word.iter().zip(word.iter().skip(1)) {
            *counts.entry((left, right)).or_default() += 1;
        }
    }
    let best = counts.into_iter().rev().max_by_key(|&(_, count)| count);
    best.map(|((left, right), _)| (left.to_owned(), right.to_owned()))
}

/// Joins each `left` with the `right` that follows it.
fn merge(word: &mut Vec<String>, left: &str, right: &str) {
    let mut index = 0;
    while index + 1 < word.len() {
        if word[index] == left && word[index + 1] == right {
            word[index] += right;
            word.remove(index + 1);
        }
        index += 1;
    }
}

/// GPT-2's letter of a byte: itself if it can be seen, else one from U+0100 on, in the order of the bytes.
fn byte_char(byte: u8) -> char {
    let visible = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if visible(&byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|byte| !visible(byte)).count() as u32;
    char::from_u32(0x100 + hidden_before)
        .expect("at most 256 letters after U+0100 are all characters")
}
