//! What a checkpoint is, as hashes: its file, its tokenizer, its chat template. Two files with other bytes can hold one tokenizer.

use std::io;

use sha2::{Digest, Sha256};

use crate::gguf::Gguf;
use crate::source::ByteSource;
use crate::value::{Array, Value};

/// Entries of the header that make the tokenizer begin so.
const TOKENIZER: &str = "tokenizer.";
/// The one among them that does not.
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";
/// Bytes that are hashed at once.
const PIECE_BYTES: u64 = 1 << 20;

/// SHA-256 of a header's tokenizer, 64 hexadecimal digits: its `tokenizer.*` entries but the chat template, in the order of their
/// keys, each as key and value. Texts and lists begin with their length (u64, little-endian), values with a byte for their type.
pub fn tokenizer_sha256(gguf: &Gguf) -> String {
    let mut entries: Vec<&(String, Value)> = gguf
        .metadata()
        .iter()
        .filter(|(key, _)| key.starts_with(TOKENIZER) && key != CHAT_TEMPLATE)
        .collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut hash = Sha256::new();
    for (key, value) in entries {
        text(&mut hash, key);
        add(&mut hash, value);
    }
    hex(hash)
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Unsigned(value) => {
            hash.update([0]);
            hash.update(value.to_le_bytes());
        }
        Value::Signed(value) => {
            hash.update([1]);
            hash.update(value.to_le_bytes());
        }
        Value::Float(value) => {
            hash.update([2]);
            hash.update(value.to_bits().to_le_bytes());
        }
        Value::Bool(value) => hash.update([3, u8::from(*value)]),
        Value::String(value) => {
            hash.update([4]);
            text(hash, value);
        }
        Value::Array(Array::Strings(values)) => {
            hash.update([5]);
            hash.update((values.len() as u64).to_le_bytes());
            for value in values {
                text(hash, value);
            }
        }
        Value::Array(Array::Numbers { ty, bytes }) => {
            hash.update([6, *ty as u8]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
}

/// SHA-256 of a text, 64 hexadecimal digits; for chat templates and instructions.
pub fn text_sha256(text: &str) -> String {
    hex(Sha256::new_with_prefix(text))
}

/// SHA-256 of a file, piece by piece, so that whoever hashes gigabytes can breathe in between.
pub struct FileHash<'a, S: ?Sized> {
    source: &'a S,
    at: u64,
    hash: Sha256,
}

impl<'a, S: ByteSource + ?Sized> FileHash<'a, S> {
    /// Nothing hashed yet.
    pub fn new(source: &'a S) -> Self {
        Self {
            source,
            at: 0,
            hash: Sha256::new(),
        }
    }

    /// Hashes one more piece; `false` when none is left.
    pub fn step(&mut self) -> io::Result<bool> {
        let count = self.source.len().saturating_sub(self.at).min(PIECE_BYTES);
        if count == 0 {
            return Ok(false);
        }
        let mut piece = vec![0; usize::try_from(count).unwrap_or(0)];
        self.source.read_at(self.at, &mut piece)?;
        self.hash.update(&piece);
        self.at += count;
        Ok(true)
    }

    /// The hash of what was read, 64 hexadecimal digits.
    pub fn finish(self) -> String {
        hex(self.hash)
    }
}

fn hex(hash: Sha256) -> String {
    let digits = hash.finalize();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    #[test]
    fn a_file_is_hashed_to_its_end() {
        // One piece and one byte; Python: hashlib.sha256(bytes(2**20 + 1)).hexdigest().
        let source = MemorySource::new("zeros", vec![0; (1 << 20) + 1]);
        let mut hash = FileHash::new(&source);
        let mut pieces = 0;
        while hash.step().unwrap() {
            pieces += 1;
        }
        assert_eq!(pieces, 2);
        assert_eq!(hash.finish(), ZEROS);
        // FIPS 180-2, B.1.
        assert_eq!(
            text_sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    const ZEROS: &str = "2cb74edba754a81d121c9db6833704a8e7d417e5b13d1a19f4a52f007d644264";

    #[test]
    fn no_two_values_have_one_hash() {
        let strings = |texts: &[&str]| {
            Value::Array(Array::Strings(
                texts.iter().map(|text| text.to_string()).collect(),
            ))
        };
        let values = [
            Value::Unsigned(1),
            Value::Signed(1),
            Value::Bool(true),
            Value::Float(1.0),
            Value::String("ab".into()),
            strings(&["ab"]),
            strings(&["a", "b"]),
            strings(&["", "ab"]),
        ];
        let hashes: std::collections::BTreeSet<String> = values
            .iter()
            .map(|value| {
                let mut hash = Sha256::new();
                add(&mut hash, value);
                hex(hash)
            })
            .collect();
        assert_eq!(hashes.len(), values.len());
    }
}
