//! Everything that can be wrong with the structure of a GGUF file.

/// Why bytes are no GGUF file that can be read. Offsets count from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// No byte at all.
    #[error("the file is empty; a GGUF file begins with the bytes `GGUF`")]
    Empty,
    /// Another kind of file.
    #[error(
        "`magic` at byte 0 is {found:02x?}, {looks_like}; a GGUF file begins with `GGUF`, {allowed:02x?}"
    )]
    Magic {
        /// First four bytes.
        found: [u8; 4],
        /// What begins like that.
        looks_like: &'static str,
        /// `GGUF`.
        allowed: [u8; 4],
    },
    /// A version that is not read.
    #[error("`version` at byte 4 is {found}{hint}; versions 2 and 3 are read")]
    Version {
        /// The version.
        found: u32,
        /// What that means, if anything.
        hint: &'static str,
    },
    /// The file ends too early.
    #[error("`{field}` at byte {at} needs {found} bytes; the file has {left} left")]
    Truncated {
        /// What was to be read.
        field: String,
        /// Where.
        at: u64,
        /// Bytes needed.
        found: u64,
        /// Bytes there.
        left: u64,
    },
    /// More entries than the rest of the file could hold.
    #[error(
        "`{field}` at byte {at} declares {found} entries; the {left} bytes left hold at most {allowed}"
    )]
    Count {
        /// Which count.
        field: String,
        /// Where.
        at: u64,
        /// Entries declared.
        found: u64,
        /// Bytes left.
        left: u64,
        /// Entries that could be.
        allowed: u64,
    },
    /// Longer than anything real.
    #[error("`{field}` at byte {at} has length {found}; at most {allowed} is read")]
    TooLong {
        /// What is too long.
        field: String,
        /// Where.
        at: u64,
        /// Its length.
        found: u64,
        /// The cap.
        allowed: u64,
    },
    /// More header than any real file has.
    #[error(
        "`{field}` at byte {at} needs {found} bytes; the header may reach to byte {allowed} at most"
    )]
    Header {
        /// What was to be read.
        field: String,
        /// Where.
        at: u64,
        /// Bytes needed.
        found: u64,
        /// Where headers end at the latest.
        allowed: u64,
    },
    /// Text that is none.
    #[error("`{field}` at byte {at} is not UTF-8")]
    Utf8 {
        /// Which text.
        field: String,
        /// First wrong byte.
        at: u64,
    },
    /// A key twice.
    #[error(
        "key `{key}` at byte {at} stands there already, at byte {first}; each key may stand once"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// Second place.
        at: u64,
        /// First place.
        first: u64,
    },
    /// A value type that GGUF does not have.
    #[error("the value of `{key}` at byte {at} has type {found}; types are 0 to 12")]
    ValueType {
        /// The key.
        key: String,
        /// Where.
        at: u64,
        /// Its type.
        found: u32,
    },
    /// A list of lists.
    #[error("`{key}` at byte {at} is a list of lists; lists hold numbers or strings")]
    Nested {
        /// The key.
        key: String,
        /// Where.
        at: u64,
    },
    /// A flag that is neither 0 nor 1.
    #[error("the flag `{key}` at byte {at} is {found}; flags are 0 or 1")]
    Flag {
        /// The key.
        key: String,
        /// Where.
        at: u64,
        /// Its byte.
        found: u8,
    },
    /// An alignment that is no power of two.
    #[error(
        "`general.alignment` at byte {at} is {found}; it must be a power of two from 1 to 65536"
    )]
    Alignment {
        /// Where.
        at: u64,
        /// What it is.
        found: String,
    },
    /// Too many or too few dimensions.
    #[error("tensor `{tensor}` at byte {at} has {found} dimensions; 1 to 4 are read")]
    Dimensions {
        /// Its name.
        tensor: String,
        /// Where.
        at: u64,
        /// Number of dimensions.
        found: u32,
    },
    /// No weights, or more than 2⁶³ bytes of them.
    #[error(
        "tensor `{tensor}` at byte {at} has dimensions {found:?}; their product must be from 1 to 2^63 bytes"
    )]
    Size {
        /// Its name.
        tensor: String,
        /// Where.
        at: u64,
        /// Its dimensions.
        found: Vec<u64>,
    },
    /// A type that is not read.
    #[error(
        "tensor `{tensor}` at byte {at} has type {found} ({name}); F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are read"
    )]
    TensorType {
        /// Its name.
        tensor: String,
        /// Where.
        at: u64,
        /// ggml's number.
        found: u32,
        /// ggml's name.
        name: &'static str,
    },
    /// A row that is no whole number of blocks.
    #[error(
        "tensor `{tensor}` at byte {at} has rows of {found}; {ty} needs a multiple of {allowed}"
    )]
    Row {
        /// Its name.
        tensor: String,
        /// Where.
        at: u64,
        /// Length of a row.
        found: u64,
        /// Its type.
        ty: &'static str,
        /// Length of a block.
        allowed: u64,
    },
    /// Data that does not begin where it may.
    #[error(
        "tensor `{tensor}` at byte {at} has offset {found}; it must be a multiple of {allowed}"
    )]
    Misaligned {
        /// Its name.
        tensor: String,
        /// Where.
        at: u64,
        /// Offset within the tensor data.
        found: u64,
        /// The alignment.
        allowed: u64,
    },
    /// Data beyond the end.
    #[error(
        "tensor `{tensor}` at byte {at} has {found} bytes from byte {begin} on; the file ends at {allowed}"
    )]
    PastEnd {
        /// Its name.
        tensor: String,
        /// Where it is described.
        at: u64,
        /// Where its data begins.
        begin: u64,
        /// Its size in bytes.
        found: u64,
        /// Size of the file.
        allowed: u64,
    },
    /// A tensor twice.
    #[error("tensor `{tensor}` at byte {at} stands there already; each name may stand once")]
    DuplicateTensor {
        /// Its name.
        tensor: String,
        /// Second place.
        at: u64,
    },
    /// Two tensors share bytes.
    #[error("tensors `{tensor}` and `{other}` share the bytes from {begin} on; each has its own")]
    Overlap {
        /// The one that begins first.
        tensor: String,
        /// The other.
        other: String,
        /// First shared byte.
        begin: u64,
    },
    /// The source failed.
    #[error("{bytes} bytes at byte {at} could not be read: {error}")]
    Io {
        /// Where.
        at: u64,
        /// How many.
        bytes: u64,
        /// What the source said.
        #[source]
        error: std::io::Error,
    },
}
