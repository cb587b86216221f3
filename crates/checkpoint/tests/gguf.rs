//! Files that are wrong in one place each: a typed error that names field, place, found and allowed, never a panic.

use jeoul_checkpoint::{
    Array, Config, ConfigError, Gguf, GgufError, MemorySource, TensorType, Value,
};

/// Bytes of a file, put together by hand.
#[derive(Clone, Default)]
struct File(Vec<u8>);

const U32: u32 = 4;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const F64: u32 = 12;

impl File {
    fn header(version: u32, tensors: u64, entries: u64) -> Self {
        Self::default()
            .bytes(b"GGUF")
            .u32(version)
            .u64(tensors)
            .u64(entries)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn string(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    fn key(self, key: &str, ty: u32) -> Self {
        self.string(key).u32(ty)
    }

    fn tensor(self, name: &str, dims: &[u64], ty: u32, offset: u64) -> Self {
        let file = self.string(name).u32(dims.len() as u32);
        dims.iter()
            .fold(file, |file, &dim| file.u64(dim))
            .u32(ty)
            .u64(offset)
    }

    /// Up to the tensor data, then `count` bytes of it.
    fn data(mut self, count: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + count, 0);
        self
    }

    fn read(self) -> Result<Gguf, GgufError> {
        Gguf::read(&MemorySource::new("test.gguf", self.0))
    }
}

/// The error's whole sentence.
#[track_caller]
fn assert_rejected(file: File, sentence: &str) {
    match file.read() {
        Ok(_) => panic!("accepted; should say: {sentence}"),
        Err(error) => assert_eq!(error.to_string(), sentence),
    }
}

#[test]
fn reads_both_versions_with_metadata_and_tensors() {
    for version in [2, 3] {
        let gguf = File::header(version, 1, 2)
            .key("name", STRING)
            .string("저울")
            .key("list", ARRAY)
            .u32(U32)
            .u64(2)
            .u32(7)
            .u32(9)
            .tensor("w", &[32, 3], TensorType::Q4_1.id(), 0)
            .data(60)
            .read()
            .expect("a sound file");
        assert_eq!(gguf.value("name"), Some(&Value::String("저울".to_owned())));
        let Some(Value::Array(list @ Array::Numbers { .. })) = gguf.value("list") else {
            panic!("no list")
        };
        assert_eq!(list.integers(), Some(vec![7, 9]));
        let w = gguf.tensor("w").expect("the tensor");
        assert_eq!(
            (w.columns(), w.rows(), w.size_bytes, w.offset % 32),
            (32, 3, 60, 0)
        );
    }
}

#[test]
fn an_empty_file_is_rejected() {
    assert_rejected(
        File::default(),
        "the file is empty; a GGUF file begins with the bytes `GGUF`",
    );
}

#[test]
fn other_files_are_recognised() {
    assert_rejected(
        File(b"PK\x03\x04 and more".to_vec()),
        "`magic` at byte 0 is [50, 4b, 03, 04], a zip archive (a PyTorch checkpoint or a wheel); a GGUF file begins with `GGUF`, [47, 47, 55, 46]",
    );
    assert_rejected(
        File(b"version https://git-lfs".to_vec()),
        "`magic` at byte 0 is [76, 65, 72, 73], a Git LFS pointer instead of the file itself; a GGUF file begins with `GGUF`, [47, 47, 55, 46]",
    );
    assert_rejected(
        File(b"GG".to_vec()),
        "`magic` at byte 0 needs 4 bytes; the file has 2 left",
    );
}

#[test]
fn what_is_often_saved_in_place_of_a_checkpoint_is_named() {
    for (bytes, word) in [
        (b"FUGG\0\0\0\x03".as_slice(), "bytes reversed"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"<html><body>", "a web page"),
        (b"<?xml version=\"1.0\"?>", "an answer of a server"),
        (b"{\"error\":\"not found\"}", "an answer of a server"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x80\x02\x8a\x0a", "pickle"),
        (b"\x98\x03\0\0\0\0\0\0{", "safetensors"),
        (b"lmgg", "before GGUF"),
        (b"abcdefgh", "of no known kind"),
    ] {
        match File(bytes.to_vec()).read() {
            Err(GgufError::Magic { looks_like, .. }) => {
                assert!(looks_like.contains(word), "{looks_like}: {word}");
            }
            other => panic!("{word}: {other:?}"),
        }
    }
}

#[test]
fn other_versions_are_rejected() {
    assert_rejected(
        File::header(0, 0, 0),
        "`version` at byte 4 is 0; versions 2 and 3 are read",
    );
    assert_rejected(
        File::header(1, 0, 0),
        "`version` at byte 4 is 1 (a format of 2023 with 32-bit counts); versions 2 and 3 are read",
    );
    assert_rejected(
        File::header(99, 0, 0),
        "`version` at byte 4 is 99; versions 2 and 3 are read",
    );
    assert_rejected(
        File::header(3_u32.swap_bytes(), 0, 0),
        "`version` at byte 4 is 50331648 (a big-endian file); versions 2 and 3 are read",
    );
}

#[test]
fn counts_beyond_the_file_are_rejected_before_anything_is_allocated() {
    assert_rejected(
        File::header(3, u64::MAX, 0),
        "`tensor_count` at byte 8 declares 18446744073709551615 entries; the 8 bytes left hold at most 0",
    );
    assert_rejected(
        File::header(3, 0, u64::MAX - 1).bytes(&[0; 26]),
        "`metadata_kv_count` at byte 16 declares 18446744073709551614 entries; the 26 bytes left hold at most 2",
    );
    assert_rejected(
        File::header(3, 0, 1)
            .key("k", ARRAY)
            .u32(U32)
            .u64(1 << 62)
            .u32(0),
        "`k` at byte 41 declares 4611686018427387904 entries; the 4 bytes left hold at most 1",
    );
    assert_rejected(
        File::header(3, 0, 1)
            .key("k", ARRAY)
            .u32(STRING)
            .u64(3)
            .string("")
            .string(""),
        "`k` at byte 41 declares 3 entries; the 16 bytes left hold at most 2",
    );
}

#[test]
fn strings_past_the_end_are_rejected() {
    assert_rejected(
        File::header(3, 0, 1).u64(u64::MAX).bytes(&[0; 20]),
        "`metadata key 0` at byte 24 needs 18446744073709551615 bytes; the file has 20 left",
    );
    assert_rejected(
        File::header(3, 0, 1).key("k", STRING).u64(4).bytes(b"abc"),
        "`k` at byte 37 needs 4 bytes; the file has 3 left",
    );
}

#[test]
fn a_key_of_the_longest_length_is_read_and_one_beyond_is_not() {
    let file = |length: usize| {
        File::header(3, 0, 1)
            .key(&"k".repeat(length), BOOL)
            .bytes(&[1])
    };
    assert!(file(65_535).read().is_ok());
    assert_rejected(
        file(65_536),
        "`metadata key 0` at byte 24 has length 65536; at most 65535 is read",
    );
}

#[test]
fn a_tensor_name_of_the_longest_length_is_read_and_one_beyond_is_not() {
    let file = |length: usize| {
        File::header(3, 1, 0)
            .tensor(&"n".repeat(length), &[1], 0, 0)
            .data(4)
    };
    assert!(file(127).read().is_ok());
    assert_rejected(
        file(128),
        "`tensor name 0` at byte 24 has length 128; at most 127 is read",
    );
}

#[test]
fn a_list_of_the_longest_length_is_read_and_one_beyond_is_not() {
    let file = |count: usize| {
        File::header(3, 0, 1)
            .key("k", ARRAY)
            .u32(BOOL)
            .u64(count as u64)
            .bytes(&vec![1; count])
    };
    let gguf = file(1 << 22).read().expect("as long as may be");
    let Some(Value::Array(list)) = gguf.value("k") else {
        panic!("no list")
    };
    assert_eq!(list.len(), 1 << 22);
    assert_rejected(
        file((1 << 22) + 1),
        "`k` at byte 41 has length 4194305; at most 4194304 is read",
    );
}

#[test]
fn as_many_entries_and_tensors_as_may_be_are_read_and_no_more() {
    let entries = |count: u64| {
        (0..count)
            .fold(File::header(3, 0, count), |file, index| {
                file.key(&index.to_string(), BOOL).bytes(&[1])
            })
            .read()
    };
    assert_eq!(entries(4_096).expect("at the limit").metadata().len(), 4096);
    assert_eq!(
        entries(4_097).expect_err("beyond").to_string(),
        "`metadata_kv_count` at byte 16 has length 4097; at most 4096 is read"
    );
    let tensors = |count: u64| {
        let file = (0..count).fold(File::header(3, count, 0), |file, index| {
            file.tensor(&index.to_string(), &[8], 0, index * 32)
        });
        file.data(count as usize * 32).read()
    };
    assert_eq!(
        tensors(20_000).expect("at the limit").tensors().len(),
        20_000
    );
    assert_eq!(
        tensors(20_001).expect_err("beyond").to_string(),
        "`tensor_count` at byte 8 has length 20001; at most 20000 is read"
    );
}

#[test]
fn messages_write_control_characters_out_and_do_not_repeat_endless_names() {
    assert_rejected(
        File::header(3, 0, 1).key("\u{1b}[2J", 13).u32(0),
        r"the value of `\u{1b}[2J` at byte 36 has type 13; types are 0 to 12",
    );
    let key = "k".repeat(65_535);
    let file = File::header(3, 0, 1).key(&key, 13).u32(0);
    let message = file.read().expect_err("a wrong type").to_string();
    assert!(message.len() < 200, "{}", message.len());
}

#[test]
fn text_that_is_not_utf_8_is_rejected_where_it_begins() {
    assert_rejected(
        File::header(3, 0, 1)
            .key("k", STRING)
            .u64(3)
            .bytes(&[b'a', 0xff, b'b']),
        "`k` at byte 46 is not UTF-8",
    );
}

#[test]
fn a_duplicate_key_is_rejected() {
    assert_rejected(
        File::header(3, 0, 2)
            .key("k", U32)
            .u32(1)
            .key("k", U32)
            .u32(2),
        "key `k` at byte 41 stands there already, at byte 24; each key may stand once",
    );
}

#[test]
fn wrong_value_types_are_rejected() {
    assert_rejected(
        File::header(3, 0, 1).key("k", 13).u32(0),
        "the value of `k` at byte 33 has type 13; types are 0 to 12",
    );
    assert_rejected(
        File::header(3, 0, 1).key("k", ARRAY).u32(ARRAY).u64(0),
        "`k` at byte 37 is a list of lists; lists hold numbers or strings",
    );
    assert_rejected(
        File::header(3, 0, 1).key("k", BOOL).bytes(&[2]),
        "the flag `k` at byte 37 is 2; flags are 0 or 1",
    );
    assert_rejected(
        File::header(3, 0, 1)
            .key("k", ARRAY)
            .u32(BOOL)
            .u64(2)
            .bytes(&[1, 7]),
        "the flag `k` at byte 50 is 7; flags are 0 or 1",
    );
}

#[test]
fn alignments_that_are_no_power_of_two_are_rejected() {
    for (found, allowed) in [
        (0, false),
        (1, true),
        (48, false),
        (65_536, true),
        (131_072, false),
    ] {
        let file = File::header(3, 0, 1)
            .key("general.alignment", U32)
            .u32(found);
        if allowed {
            assert!(file.read().is_ok(), "{found}");
        } else {
            assert_rejected(
                file,
                &format!(
                    "`general.alignment` at byte 24 is {found}; it must be a power of two from 1 to 65536"
                ),
            );
        }
    }
    assert_rejected(
        File::header(3, 0, 1)
            .key("general.alignment", STRING)
            .string("32"),
        "`general.alignment` at byte 24 is a string; it must be a power of two from 1 to 65536",
    );
}

#[test]
fn dimensions_that_make_no_tensor_are_rejected() {
    let file = |dims: &[u64]| File::header(3, 1, 0).tensor("w", dims, 0, 0).data(64);
    assert_rejected(
        file(&[]),
        "tensor `w` at byte 24 has 0 dimensions; 1 to 4 are read",
    );
    assert_rejected(
        file(&[1; 5]),
        "tensor `w` at byte 24 has 5 dimensions; 1 to 4 are read",
    );
    assert_rejected(
        file(&[4, 0]),
        "tensor `w` at byte 24 has dimensions [4, 0]; their product must be from 1 to 2^63 bytes",
    );
    assert_rejected(
        file(&[1 << 32, 1 << 32]),
        "tensor `w` at byte 24 has dimensions [4294967296, 4294967296]; their product must be from 1 to 2^63 bytes",
    );
    // 2^62 elements fit 64 bits, their bytes do not.
    assert_rejected(
        file(&[1 << 62]),
        "tensor `w` at byte 24 has dimensions [4611686018427387904]; their product must be from 1 to 2^63 bytes",
    );
}

#[test]
fn types_and_rows_that_cannot_be_read_are_rejected() {
    let file = |dims: &[u64], ty| File::header(3, 1, 0).tensor("w", dims, ty, 0).data(1024);
    assert_rejected(
        file(&[256], 12),
        "tensor `w` at byte 24 has type 12 (Q4_K); F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are read",
    );
    assert_rejected(
        file(&[256], 4_000),
        "tensor `w` at byte 24 has type 4000 (unknown); F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are read",
    );
    assert_rejected(
        file(&[33, 2], 8),
        "tensor `w` at byte 24 has rows of 33; Q8_0 needs a multiple of 32",
    );
}

#[test]
fn data_outside_its_place_is_rejected() {
    let file = |dims: &[u64], offset, data| {
        File::header(3, 1, 0)
            .tensor("w", dims, 0, offset)
            .data(data)
    };
    assert!(file(&[16], 0, 64).read().is_ok());
    assert_rejected(
        file(&[17], 0, 64),
        "tensor `w` at byte 24 has 68 bytes from byte 64 on; the file ends at 128",
    );
    assert_rejected(
        file(&[1], 16, 64),
        "tensor `w` at byte 24 has offset 16; it must be a multiple of 32",
    );
    assert_rejected(
        file(&[1], u64::MAX - 31, 64),
        "tensor `w` at byte 24 has 4 bytes from byte 18446744073709551615 on; the file ends at 128",
    );
}

#[test]
fn tensors_that_share_a_name_or_bytes_are_rejected() {
    let file = |second: &str, offset| {
        File::header(3, 2, 0)
            .tensor("a", &[16], 0, 0)
            .tensor(second, &[8], 0, offset)
            .data(128)
    };
    assert!(file("b", 64).read().is_ok());
    assert_rejected(
        file("a", 64),
        "tensor `a` at byte 57 stands there already; each name may stand once",
    );
    assert_rejected(
        file("b", 32),
        "tensors `a` and `b` share the bytes from 128 on; each has its own",
    );
}

/// A pseudo-random number generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn sound() -> Vec<u8> {
    File::header(3, 2, 4)
        .key("general.architecture", STRING)
        .string("llama")
        .key("llama.block_count", U32)
        .u32(2)
        .key("tokenizer.ggml.tokens", ARRAY)
        .u32(STRING)
        .u64(3)
        .string("a")
        .string("b")
        .string("ab")
        .key("flag", BOOL)
        .bytes(&[1])
        .tensor("a", &[32, 2], TensorType::Q8_0.id(), 0)
        .tensor("b", &[8], 0, 96)
        .data(128)
        .0
}

#[test]
fn no_truncation_panics_and_none_is_accepted() {
    let bytes = sound();
    assert!(File(bytes.clone()).read().is_ok());
    for length in 0..bytes.len() {
        assert!(
            File(bytes[..length].to_vec()).read().is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn no_damaged_header_panics() {
    let bytes = sound();
    let mut random = Random(1);
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(damaged.len());
            damaged[at] = match random.below(3) {
                0 => 0xff,
                1 => 0,
                _ => random.below(256) as u8,
            };
        }
        if let Ok(gguf) = File(damaged).read() {
            // What is still a file must still be a sound one.
            let _ = Config::read(&gguf);
            assert!(
                gguf.tensors()
                    .iter()
                    .all(|t| t.offset + t.size_bytes <= bytes.len() as u64)
            );
        }
    }
}

#[track_caller]
fn assert_config(entries: &[(&str, &str)], sentence: &str) {
    let file = entries.iter().fold(
        File::header(3, 0, entries.len() as u64),
        |file, (key, value)| match value.parse::<u32>() {
            Ok(number) => file.key(key, U32).u32(number),
            Err(_) => file.key(key, STRING).string(value),
        },
    );
    let error: ConfigError =
        Config::read(&file.read().expect("a sound file")).expect_err("no network");
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn metadata_that_make_no_network_are_rejected() {
    let llama = ("general.architecture", "llama");
    let heads = ("llama.attention.head_count", "4");
    assert_config(
        &[],
        "metadata `general.architecture` is missing; it must be a string",
    );
    assert_config(
        &[("general.architecture", "mamba")],
        "`general.architecture` is `mamba`; computed are `llama`",
    );
    assert_config(
        &[("general.architecture", "7")],
        "metadata `general.architecture` is an unsigned integer; it must be a string",
    );
    assert_config(
        &[llama],
        "metadata `llama.attention.head_count` is missing; it must be an integer",
    );
    assert_config(
        &[llama, ("llama.attention.head_count", "many")],
        "metadata `llama.attention.head_count` is a string; it must be an integer",
    );
    assert_config(
        &[llama, ("llama.attention.head_count", "0")],
        "metadata `llama.attention.head_count` is 0; it must be from 1 to 1048576",
    );
    assert_config(
        &[
            llama,
            heads,
            ("llama.attention.head_count_kv", "3"),
            ("llama.embedding_length", "64"),
        ],
        "metadata `llama.attention.head_count_kv` is 3; it must be a divisor of attention.head_count, 4",
    );
    assert_config(
        &[llama, heads, ("llama.embedding_length", "66")],
        "metadata `llama.attention.head_count` is 4; it must be a divisor of embedding_length, 66",
    );
    assert_config(
        &[
            llama,
            heads,
            ("llama.embedding_length", "64"),
            ("llama.rope.dimension_count", "18"),
        ],
        "metadata `llama.rope.dimension_count` is 18; it must be even and at most the head's 16",
    );
    assert_config(
        &[llama, heads, ("llama.embedding_length", "64")],
        "metadata `tokenizer.ggml.tokens` is missing; it must be a list of strings",
    );
}

/// A key, and what puts it and its value at the end of a file.
type Entry<'a> = (&'a str, fn(File, &str) -> File);

/// A network of one layer, three tokens and width 32, whose tensors are `tensors`. `more` metadata replace its own.
fn network_with(more: &[Entry], tensors: &[(&str, &[u64])]) -> Result<Config, ConfigError> {
    let base: [Entry; 7] = [
        ("general.architecture", |f, k| {
            f.key(k, STRING).string("llama")
        }),
        ("llama.attention.head_count", |f, k| f.key(k, U32).u32(2)),
        ("llama.block_count", |f, k| f.key(k, U32).u32(1)),
        ("llama.context_length", |f, k| f.key(k, U32).u32(8)),
        ("llama.embedding_length", |f, k| f.key(k, U32).u32(32)),
        ("llama.feed_forward_length", |f, k| f.key(k, U32).u32(64)),
        ("llama.attention.layer_norm_rms_epsilon", |f, k| {
            f.key(k, F32).u32(1e-5_f32.to_bits())
        }),
    ];
    let kept = base
        .iter()
        .filter(|(key, _)| more.iter().all(|(other, _)| other != key));
    let entries: Vec<&Entry> = kept.chain(more).collect();
    let file = File::header(3, tensors.len() as u64, 1 + entries.len() as u64)
        .key("tokenizer.ggml.tokens", ARRAY)
        .u32(STRING)
        .u64(3)
        .string("a")
        .string("b")
        .string("ab");
    let mut file = entries
        .into_iter()
        .fold(file, |file, (key, put)| put(file, key));
    let mut offset = 0;
    for (name, dims) in tensors {
        file = file.tensor(name, dims, 0, offset);
        offset += (dims.iter().product::<u64>() * 4).next_multiple_of(32);
    }
    Config::read(&file.data(offset as usize).read().expect("a sound file"))
}

fn network(tensors: &[(&str, &[u64])]) -> Result<Config, ConfigError> {
    network_with(&[], tensors)
}

/// All tensors of [`network`], with `change` made to one of them.
fn tensors_but(name: &str, dims: Option<&'static [u64]>) -> Vec<(&'static str, &'static [u64])> {
    let all: [(&str, &[u64]); 11] = [
        ("token_embd.weight", &[32, 3]),
        ("output_norm.weight", &[32]),
        ("blk.0.attn_norm.weight", &[32]),
        ("blk.0.attn_q.weight", &[32, 32]),
        ("blk.0.attn_k.weight", &[32, 32]),
        ("blk.0.attn_v.weight", &[32, 32]),
        ("blk.0.attn_output.weight", &[32, 32]),
        ("blk.0.ffn_norm.weight", &[32]),
        ("blk.0.ffn_gate.weight", &[32, 64]),
        ("blk.0.ffn_up.weight", &[32, 64]),
        ("blk.0.ffn_down.weight", &[64, 32]),
    ];
    all.into_iter()
        .filter_map(|(found, own)| match found == name {
            true => dims.map(|dims| (found, dims)),
            false => Some((found, own)),
        })
        .collect()
}

#[test]
fn what_would_be_computed_wrongly_is_rejected() {
    let refuse = |entries: &[Entry]| {
        network_with(entries, &tensors_but("", None))
            .expect_err("no network")
            .to_string()
    };
    assert_eq!(
        refuse(&[("general.type", |f, k| f.key(k, STRING).string("adapter"))]),
        "metadata `general.type` is `adapter`; computed is a `model`"
    );
    assert_eq!(
        refuse(&[("split.count", |f, k| f.key(k, U32).u32(2))]),
        "metadata `split.count` is `2`; computed is a checkpoint in one file"
    );
    assert_eq!(
        refuse(&[("llama.expert_count", |f, k| f.key(k, U32).u32(8))]),
        "metadata `llama.expert_count` is `8`; computed is a network without experts"
    );
    assert_eq!(
        refuse(&[("llama.rope.scaling.factor", |f, k| {
            f.key(k, F32).u32(4_f32.to_bits())
        })]),
        "metadata `llama.rope.scaling.factor` is 4; computed is a rotary embedding without scaling, a factor of 1"
    );
    assert_eq!(
        refuse(&[("llama.rope.scale_linear", |f, k| {
            f.key(k, F32).u32(2_f32.to_bits())
        })]),
        "metadata `llama.rope.scale_linear` is 2; computed is a rotary embedding without scaling, a factor of 1"
    );
    assert_eq!(
        refuse(&[("llama.attention.value_length", |f, k| f.key(k, U32).u32(8))]),
        "metadata `llama.attention.value_length` is 8; it must be the head's 16"
    );
    assert_eq!(
        refuse(&[("llama.rope.freq_base", |f, k| {
            f.key(k, F64).u64(1e300_f64.to_bits())
        })]),
        format!(
            "metadata `llama.rope.freq_base` is {}; it must be finite and above 0",
            1e300
        )
    );
}

#[test]
fn metadata_that_ask_for_nothing_special_are_read() {
    let config = network_with(
        &[
            ("general.type", |f, k| f.key(k, STRING).string("model")),
            ("split.count", |f, k| f.key(k, U32).u32(1)),
            ("llama.expert_count", |f, k| f.key(k, U32).u32(0)),
            ("llama.rope.scaling.type", |f, k| {
                f.key(k, STRING).string("linear")
            }),
            ("llama.rope.scaling.factor", |f, k| {
                f.key(k, F32).u32(1_f32.to_bits())
            }),
            ("llama.attention.value_length", |f, k| f.key(k, U32).u32(16)),
        ],
        &tensors_but("", None),
    )
    .expect("a network");
    assert_eq!(
        (config.head_dim, config.kv_heads, config.rope_freq_base),
        (16, 2, 10_000.0)
    );
}

#[test]
fn a_head_wider_than_its_share_is_read_where_the_metadata_say_so() {
    let key_length: Entry = ("llama.attention.key_length", |f, k| f.key(k, U32).u32(32));
    let mut tensors = tensors_but("", None);
    for (name, dims) in &mut tensors {
        match *name {
            "blk.0.attn_output.weight" => *dims = &[64, 32],
            "blk.0.attn_q.weight" | "blk.0.attn_k.weight" | "blk.0.attn_v.weight" => {
                *dims = &[32, 64];
            }
            _ => {}
        }
    }
    let config = network_with(&[key_length], &tensors).expect("a network");
    assert_eq!((config.heads, config.head_dim), (2, 32));
    assert!(network(&tensors).is_err());
}

#[test]
fn widths_are_not_multiplied_in_32_bits() {
    // 2^20 heads of 2^12 have 2^32 rows, which in 32 bits would be none.
    let widths: [Entry; 3] = [
        ("llama.attention.head_count", |f, k| {
            f.key(k, U32).u32(1 << 20)
        }),
        ("llama.attention.key_length", |f, k| {
            f.key(k, U32).u32(1 << 12)
        }),
        ("llama.rope.dimension_count", |f, k| f.key(k, U32).u32(2)),
    ];
    assert_eq!(
        network_with(&widths, &tensors_but("", None))
            .expect_err("no network")
            .to_string(),
        "tensor `blk.0.attn_k.weight` has dimensions [32, 32]; the metadata asks for [32, 4294967296]"
    );
}

#[test]
fn a_tensor_without_a_place_is_rejected() {
    for name in [
        "blk.0.attn_q.bias",
        "blk.1.attn_norm.weight",
        "v.patch_embd.weight",
    ] {
        let mut tensors = tensors_but("", None);
        tensors.push((name, &[32]));
        assert_eq!(
            network(&tensors).expect_err("no network").to_string(),
            format!(
                "tensor `{name}` has no place in a network of architecture `llama` with 1 layers; without it scores would be wrong"
            )
        );
    }
    let mut tensors = tensors_but("", None);
    tensors.push(("output.weight", &[32, 3]));
    tensors.push(("rope_freqs.weight", &[8]));
    assert!(network(&tensors).is_ok());
}

#[test]
fn tensors_that_do_not_fit_the_metadata_are_rejected() {
    assert!(network(&tensors_but("", None)).is_ok());
    let refuse = |name, dims| {
        network(&tensors_but(name, dims))
            .expect_err("no network")
            .to_string()
    };
    assert_eq!(
        refuse("token_embd.weight", Some(&[32, 4])),
        "`tokenizer.ggml.tokens` has 3 tokens, but `token_embd.weight` has 4 rows"
    );
    assert_eq!(
        refuse("blk.0.ffn_up.weight", None),
        "tensor `blk.0.ffn_up.weight` is missing; a network of 1 layers needs it"
    );
    assert_eq!(
        refuse("blk.0.attn_k.weight", Some(&[32, 16])),
        "tensor `blk.0.attn_k.weight` has dimensions [32, 16]; the metadata asks for [32, 32]"
    );
}
