//! Whatever a file says: opening it never panics, and takes no more memory than the file's own size accounts for.
//!
//! The test's allocator counts, per thread, the bytes held and the most that were held at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use jeoul_checkpoint::writer::{GgufWriter, quantize};
use jeoul_checkpoint::{Checkpoint, CheckpointError, Gguf, GgufError, MemorySource, TensorType};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn hold(bytes: usize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(bytes));
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

fn release(bytes: usize) {
    let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(bytes)));
}

// SAFETY: the system's allocator does all the work; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        release(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be there for a moment.
        hold(size);
        release(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What `run` gives, and the most bytes it held at once.
fn most_held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = run();
    (result, MOST.get() - before)
}

/// Opens the bytes, which must not take more than ten times their number and 8 MiB, as `Checkpoint::open` promises.
#[track_caller]
fn open(bytes: Vec<u8>) -> Result<(), CheckpointError> {
    let file_bytes = bytes.len();
    let source = MemorySource::new("test.gguf", bytes);
    let (result, held) = most_held(|| Checkpoint::open(source).map(drop));
    let limit = 10 * file_bytes + (8 << 20);
    assert!(
        held <= limit,
        "{held} bytes held for a file of {file_bytes}, allowed are {limit}"
    );
    result
}

fn tiny() -> Vec<u8> {
    let path = Path::new("../../models/tiny.gguf");
    fs::read(path).expect("the tiny checkpoint is there")
}

/// Where the weights of a sound file begin.
fn header_bytes(bytes: &[u8]) -> usize {
    let gguf = Gguf::read(&MemorySource::new("test.gguf", bytes.to_vec())).expect("a sound file");
    let begin = gguf.tensors().iter().map(|tensor| tensor.offset).min();
    usize::try_from(begin.expect("tensors")).expect("a small file")
}

#[test]
fn the_counter_counts() {
    let (room, held) = most_held(|| {
        drop(Vec::<u8>::with_capacity(5_000));
        Vec::<u8>::with_capacity(3_000)
    });
    assert_eq!((room.capacity(), held), (3_000, 5_000));
}

#[test]
fn a_number_beyond_all_bounds_anywhere_in_the_header_takes_no_room() {
    let bytes = tiny();
    assert!(open(bytes.clone()).is_ok());
    for number in [u64::MAX, (1 << 32) + 1, 1 << 28] {
        for at in 4..header_bytes(&bytes) - 8 {
            let mut damaged = bytes.clone();
            damaged[at..at + 8].copy_from_slice(&number.to_le_bytes());
            let _ = open(damaged);
        }
    }
}

#[test]
fn a_checkpoint_cut_anywhere_in_its_header_is_refused() {
    let bytes = tiny();
    for length in 0..header_bytes(&bytes) {
        assert!(open(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
    assert!(open(bytes[..bytes.len() - 32].to_vec()).is_err());
}

#[test]
fn no_damage_to_a_checkpoint_panics() {
    let bytes = tiny();
    let header = header_bytes(&bytes);
    // A linear congruential generator, so that a failure can be repeated.
    let mut state = 7_u64;
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut opened = 0;
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=below(3) {
            let at = below(header);
            damaged[at] = match below(4) {
                0 => 0xff,
                1 => 0,
                2 => damaged[at] ^ 1 << below(8),
                _ => u8::try_from(below(256)).expect("a byte"),
            };
        }
        opened += usize::from(open(damaged).is_ok());
    }
    // Some damage is to letters of tokens, which leaves a checkpoint; were it none, little would have been tried.
    assert!((100..19_900).contains(&opened), "{opened}");
}

#[test]
fn lists_of_nothing_stay_small() {
    let file = GgufWriter::new().strings("list", &vec![""; 1 << 20]);
    let error = open(file.finish()).expect_err("no network");
    assert!(
        error.to_string().contains("`general.architecture`"),
        "{error}"
    );
}

#[test]
fn as_many_tensors_and_keys_as_may_be_stay_small() {
    let mut file = GgufWriter::new();
    for index in 0..4_096 {
        file = file.bool(&format!("{index:x}"), true);
    }
    for index in 0..20_000 {
        let bytes = quantize(TensorType::F32, &[0.0]);
        file = file.tensor(&format!("{index:x}"), &[1], TensorType::F32, bytes);
    }
    let error = open(file.finish()).expect_err("no network");
    assert!(
        error.to_string().contains("`general.architecture`"),
        "{error}"
    );
}

#[test]
fn a_vocabulary_larger_than_its_network_stays_small() {
    // Tokens of three letters, each with a row of two weights, as many as make hash tables of 2^17 entries grow once more,
    // among them as many control tokens as may be; and the shortest of merges, again and again.
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let token = |mut index: usize| {
        let mut token = String::new();
        for _ in 0..3 {
            token.push(letters[index % letters.len()]);
            index /= letters.len();
        }
        token
    };
    let mut tokens: Vec<String> = (0..114_688).map(token).collect();
    tokens.extend(["a", "b", "ab"].map(str::to_owned));
    let ty = |index| if index < 1 << 14 { 3 } else { 1 };
    let types: Vec<i32> = (0..tokens.len()).map(ty).collect();
    let mut file = GgufWriter::new()
        .string("general.architecture", "llama")
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "smollm")
        .strings("tokenizer.ggml.tokens", &tokens)
        .strings("tokenizer.ggml.merges", &vec!["a b"; 1 << 18])
        .i32s("tokenizer.ggml.token_type", &types)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    for key in [
        "block_count",
        "context_length",
        "feed_forward_length",
        "attention.head_count",
    ] {
        file = file.u32(&format!("llama.{key}"), 1);
    }
    file = file.u32("llama.embedding_length", 2);
    let rows = tokens.len() as u64;
    for (name, dims) in [
        ("token_embd", [2, rows]),
        ("output_norm", [2, 1]),
        ("blk.0.attn_norm", [2, 1]),
        ("blk.0.attn_q", [2, 2]),
        ("blk.0.attn_k", [2, 2]),
        ("blk.0.attn_v", [2, 2]),
        ("blk.0.attn_output", [2, 2]),
        ("blk.0.ffn_norm", [2, 1]),
        ("blk.0.ffn_gate", [2, 1]),
        ("blk.0.ffn_up", [2, 1]),
        ("blk.0.ffn_down", [1, 2]),
    ] {
        let weights = vec![0.0; (dims[0] * dims[1]) as usize];
        let bytes = quantize(TensorType::F16, &weights);
        file = file.tensor(&format!("{name}.weight"), &dims, TensorType::F16, bytes);
    }
    open(file.finish()).expect("an odd checkpoint, but one");
}

#[test]
fn a_header_longer_than_any_real_one_is_refused_where_it_is_too_long() {
    let list = vec![0; 1 << 20]; // 4 MiB
    let file = (0..17).fold(GgufWriter::new(), |file, index| {
        file.i32s(&format!("{index:02}"), &list)
    });
    let bytes = file.finish();
    assert!(bytes.len() > 64 << 20);
    let source = MemorySource::new("test.gguf", bytes);
    let Err(GgufError::Header { field, allowed, .. }) = Gguf::read(&source) else {
        panic!("accepted")
    };
    assert_eq!((field.as_str(), allowed), ("15", 64 << 20));
}
