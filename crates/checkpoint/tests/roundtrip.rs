//! What the writer writes the reader reads, and a checkpoint's accessors say what the file says.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jeoul_checkpoint::writer::{GgufWriter, quantize};
use jeoul_checkpoint::{
    Array, Checkpoint, CheckpointError, FileSource, Gguf, MemorySource, TensorType, Value,
    dequantize,
};

/// A linear congruential generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn text(&mut self) -> String {
        let letters = ['a', ' ', '\0', 'é', '예', '🧮'];
        (0..self.below(9))
            .map(|_| letters[self.below(6) as usize])
            .collect()
    }

    fn i32(&mut self) -> i32 {
        (self.below(1 << 31) as i32).wrapping_mul(2).wrapping_sub(7)
    }

    fn weight(&mut self) -> f32 {
        self.below(2_001) as f32 / 1_000.0 - 1.0
    }
}

/// A file of random metadata and tensors is read as it was meant.
fn check_file(random: &mut Random) {
    let mut writer = GgufWriter::new();
    let mut metadata = Vec::new();
    for index in 0..random.below(8) {
        let key = format!("{index}{}", random.text());
        let value;
        (writer, value) = match random.below(6) {
            0 => {
                let text = random.text();
                (writer.string(&key, &text), Value::String(text))
            }
            1 => {
                let number = random.below(1 << 31) as u32;
                (writer.u32(&key, number), Value::Unsigned(number.into()))
            }
            2 => {
                let number = random.weight();
                (writer.f32(&key, number), Value::Float(number.into()))
            }
            3 => {
                let flag = random.below(2) == 1;
                (writer.bool(&key, flag), Value::Bool(flag))
            }
            4 => {
                let texts: Vec<String> = (0..random.below(5)).map(|_| random.text()).collect();
                let writer = writer.strings(&key, &texts);
                (writer, Value::Array(Array::Strings(texts)))
            }
            _ => {
                let numbers: Vec<i32> = (0..random.below(5)).map(|_| random.i32()).collect();
                let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                let ty = jeoul_checkpoint::Scalar::I32;
                let writer = writer.i32s(&key, &numbers);
                (writer, Value::Array(Array::Numbers { ty, bytes }))
            }
        };
        metadata.push((key, value));
    }
    let mut tensors = Vec::new();
    for index in 0..random.below(6) {
        let ty = TensorType::ALL[random.below(6) as usize];
        let mut dims = vec![(1 + random.below(3)) * ty.block_len()];
        dims.extend((0..random.below(4)).map(|_| 1 + random.below(3)));
        let weights: Vec<f32> = (0..dims.iter().product())
            .map(|_| random.weight())
            .collect();
        let (name, data) = (format!("{index}{}", random.text()), quantize(ty, &weights));
        writer = writer.tensor(&name, &dims, ty, data.clone());
        tensors.push((name, dims, ty, data));
    }
    let bytes = writer.finish();
    let gguf = Gguf::read(&MemorySource::new("test.gguf", bytes.clone())).expect("a sound file");
    assert_eq!(gguf.version, 3);
    assert_eq!(gguf.metadata(), metadata);
    assert_eq!(gguf.tensors().len(), tensors.len());
    for (key, value) in &metadata {
        assert_eq!(gguf.value(key), Some(value));
    }
    for (name, dims, ty, data) in &tensors {
        let info = gguf.tensor(name).expect("the tensor");
        assert_eq!((&info.name, &info.dims, info.ty), (name, dims, *ty));
        let begin = info.offset as usize;
        assert_eq!(bytes[begin..begin + info.size_bytes as usize], *data);
        assert_eq!(info.elements(), info.columns() * info.rows());
    }
}

#[test]
fn random_files_are_read_as_they_were_written() {
    let mut random = Random(3);
    for _ in 0..2_000 {
        check_file(&mut random);
    }
}

fn tiny_path() -> PathBuf {
    PathBuf::from("../../models/tiny.gguf")
}

fn tiny() -> Checkpoint<FileSource> {
    let source = FileSource::open(tiny_path()).expect("the tiny checkpoint is there");
    Checkpoint::open(source).expect("a checkpoint")
}

#[test]
fn accessors_say_what_the_tiny_checkpoint_is() {
    let checkpoint = tiny();
    assert_eq!(checkpoint.name(), "Tiny (random weights)");
    assert_eq!(checkpoint.license(), Some("MIT OR Apache-2.0"));
    assert!(checkpoint.file_name().ends_with("tiny.gguf"));
    let template = checkpoint.chat_template().expect("a template");
    assert!(template.contains("<|im_start|>"));
    // As in models/registry.json.
    assert_eq!(
        (
            checkpoint.size_bytes(),
            checkpoint.parameters(),
            checkpoint.quantization()
        ),
        (154_112, 140_544, "Q4_0")
    );
    let config = checkpoint.config();
    assert_eq!(
        (config.layers, config.embedding_length, config.vocab_size),
        (3, 64, 461)
    );
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (4, 2, 16));
    assert!(!checkpoint.has_tensor("output.weight"), "its head is tied");
}

#[test]
fn every_type_occurs_among_the_matrices_of_the_tiny_checkpoint() {
    let checkpoint = tiny();
    let mut matrices = BTreeMap::new();
    for tensor in checkpoint.tensors().iter().filter(|t| t.rows() > 1) {
        *matrices.entry(tensor.ty.name()).or_insert(0) += 1;
    }
    for ty in TensorType::ALL {
        assert!(matrices.contains_key(ty.name()), "{ty:?}: {matrices:?}");
    }
}

#[test]
fn rows_are_the_bytes_that_the_file_has_there() {
    let checkpoint = tiny();
    let file = fs::read(tiny_path()).expect("the tiny checkpoint is there");
    let mut buffer = vec![7; 3];
    for tensor in checkpoint.tensors() {
        let row_bytes = tensor.size_bytes / tensor.rows();
        for rows in [0..tensor.rows(), tensor.rows() - 1..tensor.rows(), 0..0] {
            let begin = (tensor.offset + rows.start * row_bytes) as usize;
            let end = (tensor.offset + rows.end * row_bytes) as usize;
            checkpoint
                .read_rows(tensor, rows, &mut buffer)
                .expect("rows of the tensor");
            assert_eq!(buffer, file[begin..end], "{}", tensor.name);
        }
        let weights = checkpoint.read_f32(tensor).expect("the tensor");
        let begin = tensor.offset as usize;
        let mut want = vec![f32::NAN; weights.len()];
        dequantize(
            tensor.ty,
            &file[begin..begin + tensor.size_bytes as usize],
            &mut want,
        );
        assert_eq!(weights.len() as u64, tensor.elements());
        assert_eq!(weights, want, "{}", tensor.name);
    }
}

#[test]
fn rows_and_tensors_that_are_not_there_are_refused() {
    let checkpoint = tiny();
    let embedding = checkpoint.tensor("token_embd.weight").expect("a tensor");
    let error = |rows| {
        let mut buffer = Vec::new();
        match checkpoint.read_rows(embedding, rows, &mut buffer) {
            Err(error @ CheckpointError::Rows { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert!(
        error(0..462)
            .ends_with("rows 0 to 462 of tensor `token_embd.weight` were asked for; it has 461")
    );
    assert!(error(u64::MAX - 1..u64::MAX).contains("it has 461"));
    #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
    let reversed = error(2..1);
    assert!(reversed.contains("rows 2 to 1"));
    let missing = checkpoint
        .tensor("output.weight")
        .expect_err("no such tensor");
    assert!(
        missing
            .to_string()
            .ends_with("tiny.gguf: there is no tensor `output.weight`")
    );
}

#[test]
fn errors_begin_with_the_name_of_the_file() {
    let mut bytes = fs::read(tiny_path()).expect("the tiny checkpoint is there");
    let message = |bytes: Vec<u8>| {
        Checkpoint::open(MemorySource::new("my.gguf", bytes))
            .map(drop)
            .expect_err("no checkpoint")
            .to_string()
    };
    assert_eq!(
        message(Vec::new()),
        "my.gguf: the file is empty; a GGUF file begins with the bytes `GGUF`"
    );
    // The first `gpt2` is the kind of tokenizer.
    let at = bytes.windows(4).position(|four| four == b"gpt2");
    bytes[at.expect("the kind")] = b'b';
    assert_eq!(
        message(bytes),
        "my.gguf: `tokenizer.ggml.model` is `bpt2`; supported: gpt2"
    );
}

#[test]
fn how_text_is_split_is_never_guessed() {
    let mut bytes = fs::read(tiny_path()).expect("the tiny checkpoint is there");
    let key = b"tokenizer.ggml.pre";
    let at = bytes.windows(key.len()).position(|part| part == key);
    bytes[at.expect("the key") + key.len() - 1] = b'x';
    let error = Checkpoint::open(MemorySource::new("old.gguf", bytes)).map(drop);
    assert_eq!(
        error.expect_err("no checkpoint").to_string(),
        "old.gguf: metadata `tokenizer.ggml.pre` is missing; it must be a string"
    );
}
