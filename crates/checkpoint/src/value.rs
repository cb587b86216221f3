//! Metadata values of GGUF.

/// Types of a single number, as GGUF numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// 0
    U8,
    /// 1
    I8,
    /// 2
    U16,
    /// 3
    I16,
    /// 4
    U32,
    /// 5
    I32,
    /// 6
    F32,
    /// 7, one byte, 0 or 1
    Bool,
    /// 10
    U64,
    /// 11
    I64,
    /// 12
    F64,
}

impl Scalar {
    pub(crate) const fn from_id(id: u32) -> Option<Self> {
        Some(match id {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The value of little-endian `bytes`, [`Self::bytes`] of them, filled up to 8.
    pub(crate) fn value(self, bytes: [u8; 8]) -> Value {
        let [a, b, c, d, ..] = bytes;
        match self {
            Self::U8 => Value::Unsigned(a.into()),
            Self::I8 => Value::Signed(a.cast_signed().into()),
            Self::U16 => Value::Unsigned(u16::from_le_bytes([a, b]).into()),
            Self::I16 => Value::Signed(i16::from_le_bytes([a, b]).into()),
            Self::U32 => Value::Unsigned(u32::from_le_bytes([a, b, c, d]).into()),
            Self::I32 => Value::Signed(i32::from_le_bytes([a, b, c, d]).into()),
            Self::F32 => Value::Float(f32::from_le_bytes([a, b, c, d]).into()),
            Self::Bool => Value::Bool(a != 0),
            Self::U64 => Value::Unsigned(u64::from_le_bytes(bytes)),
            Self::I64 => Value::Signed(i64::from_le_bytes(bytes)),
            Self::F64 => Value::Float(f64::from_le_bytes(bytes)),
        }
    }
}

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// u8 to u64.
    Unsigned(u64),
    /// i8 to i64.
    Signed(i64),
    /// f32, f64.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// UTF-8.
    String(String),
    /// Many of one type.
    Array(Array),
}

/// A list in the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Numbers as the file has them, little-endian: no larger in memory than in the file.
    Numbers {
        /// Type of each.
        ty: Scalar,
        /// All of them.
        bytes: Vec<u8>,
    },
    /// UTF-8 strings.
    Strings(Vec<String>),
}

impl Array {
    /// Number of entries.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers { ty, bytes } => bytes.len() / ty.bytes(),
            Self::Strings(strings) => strings.len(),
        }
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its integers; `None` if it holds anything else, or one beyond i64.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let Self::Numbers { ty, bytes } = self else {
            return None;
        };
        bytes
            .chunks_exact(ty.bytes())
            .map(|chunk| {
                let mut full = [0; 8];
                full.get_mut(..chunk.len())?.copy_from_slice(chunk);
                match ty.value(full) {
                    Value::Unsigned(value) => i64::try_from(value).ok(),
                    Value::Signed(value) => Some(value),
                    _ => None,
                }
            })
            .collect()
    }
}

impl Value {
    /// What kind of value it is, for error messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned(_) => "an unsigned integer",
            Self::Signed(_) => "a signed integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a flag",
            Self::String(_) => "a string",
            Self::Array(Array::Strings(_)) => "a list of strings",
            Self::Array(Array::Numbers { .. }) => "a list of numbers",
        }
    }
}
