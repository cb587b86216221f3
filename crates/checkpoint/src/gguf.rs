//! GGUF, versions 2 and 3: metadata and the table of tensors.
//!
//! Specification: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Counts and offsets stay `u64`, all arithmetic on them is
//! checked, and nothing is allocated before the file has shown enough bytes for it.

mod error;

use std::collections::HashMap;

use crate::ggml::{TensorType, unsupported_name};
use crate::reader::Reader;
use crate::source::ByteSource;
use crate::text::shown;
use crate::value::{Array, Scalar, Value};

pub use error::GgufError;

/// Least bytes of a metadata entry: key length 8, type 4, value 1.
const ENTRY_BYTES_MIN: u64 = 13;
/// Least bytes of a tensor entry: name length 8, rank 4, one dimension 8, type 4, offset 8.
const TENSOR_BYTES_MIN: u64 = 32;
/// Least bytes of a string in a list: its length.
const STRING_BYTES_MIN: u64 = 8;
/// Longest key; the specification's own limit.
const KEY_BYTES_MAX: u64 = 65_535;
/// Longest tensor name; ggml allows 63.
const NAME_BYTES_MAX: u64 = 127;
/// Entries of a list: 8 times the merges of the largest vocabulary known.
const LIST_MAX: u64 = 1 << 22;
/// Metadata entries: real files have some 40.
const ENTRIES_MAX: u64 = 4_096;
/// Tensors of a file: networks of 126 layers have 1,137.
const TENSORS_MAX: u64 = 20_000;
/// Dimensions of a tensor, ggml's limit.
const DIMENSIONS_MAX: u32 = 4;
/// Where tensor data begins is a multiple of this, unless `general.alignment` says otherwise.
const ALIGNMENT_DEFAULT: u64 = 32;
/// Largest alignment: nothing aligns to more than a page of 64 KiB.
const ALIGNMENT_MAX: u64 = 1 << 16;

/// One tensor of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Fastest first: columns, rows, …
    pub dims: Vec<u64>,
    /// How its weights are stored.
    pub ty: TensorType,
    /// Where its data begins in the file.
    pub offset: u64,
    /// Bytes of its data.
    pub size_bytes: u64,
}

impl TensorInfo {
    /// Length of a row.
    pub fn columns(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    /// Number of rows; 1 for a vector.
    pub fn rows(&self) -> u64 {
        self.dims.iter().skip(1).product()
    }

    /// Number of weights.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }
}

/// What a GGUF file says of itself: everything but the weights.
#[derive(Debug)]
pub struct Gguf {
    /// 2 or 3.
    pub version: u32,
    metadata: Vec<(String, Value)>,
    tensors: Vec<TensorInfo>,
    key_index: HashMap<String, usize>,
    tensor_index: HashMap<String, usize>,
}

impl Gguf {
    /// Reads the header of a file.
    pub fn read<S: ByteSource + ?Sized>(source: &S) -> Result<Self, GgufError> {
        if source.is_empty() {
            return Err(GgufError::Empty);
        }
        let mut reader = Reader::new(source);
        let version = read_preamble(&mut reader)?;
        let tensor_count = read_count(&mut reader, "tensor_count", TENSOR_BYTES_MIN, TENSORS_MAX)?;
        let entry_count = read_count(
            &mut reader,
            "metadata_kv_count",
            ENTRY_BYTES_MIN,
            ENTRIES_MAX,
        )?;

        let mut metadata = Vec::new();
        let mut key_index = HashMap::new();
        let mut places = Vec::new();
        for index in 0..entry_count {
            let at = reader.at();
            let key = reader.short_string(&format!("metadata key {index}"), KEY_BYTES_MAX)?;
            if let Some(&first) = key_index
                .get(&key)
                .and_then(|&index: &usize| places.get(index))
            {
                return Err(GgufError::DuplicateKey {
                    key: shown(&key),
                    at,
                    first,
                });
            }
            let value = read_value(&mut reader, &key)?;
            key_index.insert(key.clone(), metadata.len());
            places.push(at);
            metadata.push((key, value));
        }
        let value = |key: &str| {
            let &index = key_index.get(key)?;
            Some((metadata.get(index)?.1.clone(), *places.get(index)?))
        };
        let alignment = alignment(value("general.alignment"))?;

        let mut entries = Vec::new();
        for index in 0..tensor_count {
            entries.push((reader.at(), read_tensor(&mut reader, index)?));
        }
        let data_begin = reader
            .at()
            .checked_next_multiple_of(alignment)
            .unwrap_or(u64::MAX);
        let (mut tensors, mut tensor_index) = (Vec::new(), HashMap::new());
        for (at, tensor) in entries {
            let tensor = place(tensor, at, data_begin, alignment, source.len())?;
            if tensor_index
                .insert(tensor.name.clone(), tensors.len())
                .is_some()
            {
                return Err(GgufError::DuplicateTensor {
                    tensor: shown(&tensor.name),
                    at,
                });
            }
            tensors.push(tensor);
        }
        check_overlap(&tensors)?;
        Ok(Self {
            version,
            metadata,
            tensors,
            key_index,
            tensor_index,
        })
    }

    /// All metadata in the file's order.
    pub fn metadata(&self) -> &[(String, Value)] {
        &self.metadata
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.key_index
            .get(key)
            .and_then(|&index| self.metadata.get(index))
            .map(|(_, value)| value)
    }

    /// All tensors in the file's order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensor_index
            .get(name)
            .and_then(|&index| self.tensors.get(index))
    }
}

/// Magic and version.
fn read_preamble<S: ByteSource + ?Sized>(reader: &mut Reader<'_, S>) -> Result<u32, GgufError> {
    let found: [u8; 4] = reader.bytes("magic")?;
    let allowed = *b"GGUF";
    if found != allowed {
        let looks_like = match &found {
            b"FUGG" => "a GGUF file with its bytes reversed",
            b"PK\x03\x04" => "a zip archive (a PyTorch checkpoint or a wheel)",
            b"<!DO" | b"<!do" | b"<htm" | b"<HTM" => "a web page",
            b"<?xm" | [b'{', b'"' | b'\n' | b' ', ..] => {
                "an answer of a server instead of the file"
            }
            [0x1f, 0x8b, ..] => "a gzip archive",
            [0x80, 2..=5, ..] => "a Python pickle (a PyTorch checkpoint)",
            b"vers" => "a Git LFS pointer instead of the file itself",
            b"lmgg" | b"fmgg" | b"tjgg" => "a checkpoint from before GGUF",
            [_, _, _, 0] => "perhaps a safetensors file",
            _ => "of no known kind",
        };
        return Err(GgufError::Magic {
            found,
            looks_like,
            allowed,
        });
    }
    let found = reader.u32("version")?;
    match found {
        2 | 3 => Ok(found),
        _ => {
            let hint = match found {
                1 => " (a format of 2023 with 32-bit counts)",
                _ if matches!(found.swap_bytes(), 1..=3) => " (a big-endian file)",
                _ => "",
            };
            Err(GgufError::Version { found, hint })
        }
    }
}

/// A count of entries that take at least `bytes_min` each.
fn read_count<S: ByteSource + ?Sized>(
    reader: &mut Reader<'_, S>,
    field: &str,
    bytes_min: u64,
    max: u64,
) -> Result<u64, GgufError> {
    let at = reader.at();
    let found = reader.u64(field)?;
    let left = reader.left();
    let allowed = left / bytes_min;
    if found > allowed {
        return Err(GgufError::Count {
            field: shown(field),
            at,
            found,
            left,
            allowed,
        });
    }
    if found > max {
        return Err(GgufError::TooLong {
            field: shown(field),
            at,
            found,
            allowed: max,
        });
    }
    Ok(found)
}

fn read_value<S: ByteSource + ?Sized>(
    reader: &mut Reader<'_, S>,
    key: &str,
) -> Result<Value, GgufError> {
    const STRING: u32 = 8;
    const ARRAY: u32 = 9;
    let at = reader.at();
    match reader.u32(key)? {
        STRING => Ok(Value::String(reader.string(key)?)),
        ARRAY => {
            let at = reader.at();
            let array = match reader.u32(key)? {
                STRING => {
                    let count = read_count(reader, key, STRING_BYTES_MIN, LIST_MAX)?;
                    // Room once: a list that grows as it is read would need twice as much.
                    let room = count.min(reader.header_left() / STRING_BYTES_MIN);
                    let mut strings = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
                    for _ in 0..count {
                        strings.push(reader.string(key)?);
                    }
                    Array::Strings(strings)
                }
                ARRAY => {
                    return Err(GgufError::Nested {
                        key: shown(key),
                        at,
                    });
                }
                id => {
                    let ty = scalar(id, key, at)?;
                    let count = read_count(reader, key, ty.bytes() as u64, LIST_MAX)?;
                    let first = reader.at();
                    let bytes = reader.vec(key, count.saturating_mul(ty.bytes() as u64))?;
                    if ty == Scalar::Bool {
                        for (i, &byte) in bytes.iter().enumerate() {
                            check_flag(key, first.saturating_add(i as u64), byte)?;
                        }
                    }
                    Array::Numbers { ty, bytes }
                }
            };
            Ok(Value::Array(array))
        }
        id => {
            let ty = scalar(id, key, at)?;
            let at = reader.at();
            let mut full = [0; 8];
            for (full, byte) in full.iter_mut().zip(reader.vec(key, ty.bytes() as u64)?) {
                *full = byte;
            }
            if ty == Scalar::Bool {
                let [byte, ..] = full;
                check_flag(key, at, byte)?;
            }
            Ok(ty.value(full))
        }
    }
}

fn scalar(id: u32, key: &str, at: u64) -> Result<Scalar, GgufError> {
    Scalar::from_id(id).ok_or_else(|| GgufError::ValueType {
        key: shown(key),
        at,
        found: id,
    })
}

fn check_flag(key: &str, at: u64, found: u8) -> Result<(), GgufError> {
    match found {
        0 | 1 => Ok(()),
        _ => Err(GgufError::Flag {
            key: shown(key),
            at,
            found,
        }),
    }
}

fn alignment(value: Option<(Value, u64)>) -> Result<u64, GgufError> {
    match value {
        None => Ok(ALIGNMENT_DEFAULT),
        Some((Value::Unsigned(found), _)) if found.is_power_of_two() && found <= ALIGNMENT_MAX => {
            Ok(found)
        }
        Some((Value::Unsigned(found), at)) => Err(GgufError::Alignment {
            at,
            found: found.to_string(),
        }),
        Some((other, at)) => Err(GgufError::Alignment {
            at,
            found: other.kind().to_owned(),
        }),
    }
}

/// One entry of the table; its offset still counts from the start of the tensor data.
fn read_tensor<S: ByteSource + ?Sized>(
    reader: &mut Reader<'_, S>,
    index: u64,
) -> Result<TensorInfo, GgufError> {
    let at = reader.at();
    let tensor = reader.short_string(&format!("tensor name {index}"), NAME_BYTES_MAX)?;
    let rank = reader.u32(&tensor)?;
    if rank == 0 || rank > DIMENSIONS_MAX {
        return Err(GgufError::Dimensions {
            tensor: shown(&tensor),
            at,
            found: rank,
        });
    }
    let dims: Vec<u64> = (0..rank)
        .map(|_| reader.u64(&tensor))
        .collect::<Result<_, _>>()?;
    let id = reader.u32(&tensor)?;
    let offset = reader.u64(&tensor)?;
    let Some(ty) = TensorType::from_id(id) else {
        return Err(GgufError::TensorType {
            tensor: shown(&tensor),
            at,
            found: id,
            name: unsupported_name(id),
        });
    };
    let columns = dims.first().copied().unwrap_or(1);
    if !columns.is_multiple_of(ty.block_len()) {
        return Err(GgufError::Row {
            tensor: shown(&tensor),
            at,
            found: columns,
            ty: ty.name(),
            allowed: ty.block_len(),
        });
    }
    let size = dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim))
        .and_then(|elements| (elements / ty.block_len()).checked_mul(ty.block_bytes()))
        .filter(|&size| size > 0 && size <= 1 << 63);
    match size {
        Some(size_bytes) => Ok(TensorInfo {
            name: tensor,
            dims,
            ty,
            offset,
            size_bytes,
        }),
        None => Err(GgufError::Size {
            tensor: shown(&tensor),
            at,
            found: dims,
        }),
    }
}

/// Turns a tensor's offset into one of the file, and checks that its data is there.
fn place(
    mut tensor: TensorInfo,
    at: u64,
    data_begin: u64,
    alignment: u64,
    file_bytes: u64,
) -> Result<TensorInfo, GgufError> {
    if !tensor.offset.is_multiple_of(alignment) {
        return Err(GgufError::Misaligned {
            tensor: shown(&tensor.name),
            at,
            found: tensor.offset,
            allowed: alignment,
        });
    }
    let begin = data_begin.checked_add(tensor.offset);
    let end = begin.and_then(|begin| begin.checked_add(tensor.size_bytes));
    match (begin, end) {
        (Some(begin), Some(end)) if end <= file_bytes => {
            tensor.offset = begin;
            Ok(tensor)
        }
        _ => Err(GgufError::PastEnd {
            tensor: shown(&tensor.name),
            at,
            begin: begin.unwrap_or(u64::MAX),
            found: tensor.size_bytes,
            allowed: file_bytes,
        }),
    }
}

fn check_overlap(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_by_key(|tensor| tensor.offset);
    for (tensor, other) in order.iter().zip(order.iter().skip(1)) {
        if other.offset < tensor.offset.saturating_add(tensor.size_bytes) {
            return Err(GgufError::Overlap {
                tensor: shown(&tensor.name),
                other: shown(&other.name),
                begin: other.offset,
            });
        }
    }
    Ok(())
}
