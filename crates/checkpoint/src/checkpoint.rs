//! A checkpoint: header, configuration and tokenizer in memory, weights by ranges.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::chat::ChatTemplate;
use crate::config::{Config, ConfigError, Keys};
use crate::ggml::{TensorType, dequantize};
use crate::gguf::{Gguf, GgufError, TensorInfo};
use crate::source::ByteSource;
use crate::tokenizer::{Tokenizer, TokenizerError, Vocabulary};

/// Why a file is no checkpoint that can be used. Every message begins with the file's name.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file's structure.
    #[error("{file}: {error}")]
    Gguf {
        /// Name of the file.
        file: String,
        /// What is wrong.
        #[source]
        error: GgufError,
    },
    /// The network's shape.
    #[error("{file}: {error}")]
    Config {
        /// Name of the file.
        file: String,
        /// What is wrong.
        #[source]
        error: ConfigError,
    },
    /// The tokenizer, or a text it cannot encode.
    #[error("{file}: {error}")]
    Tokenizer {
        /// Name of the file.
        file: String,
        /// What is wrong.
        #[source]
        error: TokenizerError,
    },
    /// A tensor that is not in the file.
    #[error("{file}: there is no tensor `{tensor}`")]
    NoTensor {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
    },
    /// Rows beyond a tensor's last.
    #[error("{file}: rows {begin} to {end} of tensor `{tensor}` were asked for; it has {allowed}")]
    Rows {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// First row.
        begin: u64,
        /// One past the last row.
        end: u64,
        /// Rows there are.
        allowed: u64,
    },
    /// The source failed.
    #[error("{file}: tensor `{tensor}`, {bytes} bytes at byte {at}, could not be read: {error}")]
    Io {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Where.
        at: u64,
        /// How many.
        bytes: u64,
        /// What the source said.
        #[source]
        error: std::io::Error,
    },
}

/// An open checkpoint.
pub struct Checkpoint<S> {
    source: S,
    gguf: Gguf,
    config: Config,
    tokenizer: Tokenizer,
}

impl<S: ByteSource> Checkpoint<S> {
    /// Reads and checks all but the weights.
    ///
    /// Whatever the bytes: no panic, a typed error that names file, field and place, at most 64 MiB of header read, and no
    /// more memory than ten times the bytes that the file really has, plus 8 MiB (`tests/allocation.rs`).
    pub fn open(source: S) -> Result<Self, CheckpointError> {
        let file = || source.name().to_owned();
        let gguf = Gguf::read(&source).map_err(|error| CheckpointError::Gguf {
            file: file(),
            error,
        })?;
        let config = Config::read(&gguf).map_err(|error| CheckpointError::Config {
            file: file(),
            error,
        })?;
        let tokenizer = open_tokenizer(&gguf, &file)?;
        Ok(Self {
            source,
            gguf,
            config,
            tokenizer,
        })
    }

    /// Name of the file.
    pub fn file_name(&self) -> &str {
        self.source.name()
    }

    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// `general.name`, or the file's name.
    pub fn name(&self) -> &str {
        Keys(&self.gguf)
            .string("general.name")
            .unwrap_or(self.source.name())
    }

    /// `general.license`, if the file says.
    pub fn license(&self) -> Option<&str> {
        Keys(&self.gguf).string("general.license").ok()
    }

    /// The network's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokenizer alone, when the weights are read.
    pub fn into_tokenizer(self) -> Tokenizer {
        self.tokenizer
    }

    /// Jinja template that turns messages into a prompt, untrusted as all the rest.
    pub fn chat_template(&self) -> Option<&str> {
        Keys(&self.gguf).string("tokenizer.chat_template").ok()
    }

    /// The chat template with the tokens it may write, to be rendered.
    pub fn chat(&self) -> Option<ChatTemplate> {
        let token = |id: Option<u32>| id.and_then(|id| self.tokenizer.token(id));
        Some(ChatTemplate {
            source: self.chat_template()?.to_owned(),
            bos: token(self.tokenizer.bos()),
            eos: token(self.tokenizer.eos()),
        })
    }

    /// Everything the header says.
    pub fn gguf(&self) -> &Gguf {
        &self.gguf
    }

    /// All tensors in the file's order.
    pub fn tensors(&self) -> &[TensorInfo] {
        self.gguf.tensors()
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.tensors()
            .iter()
            .map(TensorInfo::elements)
            .fold(0, u64::saturating_add)
    }

    /// The type of most matrix weights in the layers: what files are named after.
    pub fn quantization(&self) -> &'static str {
        let mut elements = BTreeMap::new();
        for tensor in self
            .tensors()
            .iter()
            .filter(|t| t.name.starts_with("blk.") && t.rows() > 1)
        {
            *elements.entry(tensor.ty.name()).or_insert(0_u64) += tensor.elements();
        }
        elements
            .into_iter()
            .max_by_key(|&(_, count)| count)
            .map_or(TensorType::F32.name(), |(name, _)| name)
    }

    /// Whether there is a tensor of that name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo, CheckpointError> {
        self.gguf
            .tensor(name)
            .ok_or_else(|| CheckpointError::NoTensor {
                file: self.source.name().to_owned(),
                tensor: name.to_owned(),
            })
    }

    /// Reads the raw blocks of some rows into `buffer`, which becomes as long as they are.
    pub fn read_rows(
        &self,
        tensor: &TensorInfo,
        rows: Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CheckpointError> {
        let file = || self.source.name().to_owned();
        if rows.start > rows.end || rows.end > tensor.rows() {
            return Err(CheckpointError::Rows {
                file: file(),
                tensor: tensor.name.clone(),
                begin: rows.start,
                end: rows.end,
                allowed: tensor.rows(),
            });
        }
        let row_bytes = tensor.columns() / tensor.ty.block_len() * tensor.ty.block_bytes();
        // Within the tensor, whose end was checked against the file's.
        let (at, bytes) = (
            tensor.offset + rows.start * row_bytes,
            (rows.end - rows.start) * row_bytes,
        );
        let io = |error| CheckpointError::Io {
            file: file(),
            tensor: tensor.name.clone(),
            at,
            bytes,
            error,
        };
        let length =
            usize::try_from(bytes).map_err(|_| io(std::io::ErrorKind::OutOfMemory.into()))?;
        buffer.resize(length, 0);
        self.source.read_at(at, buffer).map_err(io)
    }

    /// All weights of a tensor, dequantised.
    pub fn read_f32(&self, tensor: &TensorInfo) -> Result<Vec<f32>, CheckpointError> {
        let mut bytes = Vec::new();
        self.read_rows(tensor, 0..tensor.rows(), &mut bytes)?;
        // More weights than bytes: they may not fit where the bytes did.
        let elements = tensor.elements();
        let length = usize::try_from(elements).map_err(|_| CheckpointError::Io {
            file: self.source.name().to_owned(),
            tensor: tensor.name.clone(),
            at: tensor.offset,
            bytes: elements.saturating_mul(4),
            error: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        let mut weights = vec![0.0; length];
        dequantize(tensor.ty, &bytes, &mut weights);
        Ok(weights)
    }
}

fn open_tokenizer(gguf: &Gguf, file: &dyn Fn() -> String) -> Result<Tokenizer, CheckpointError> {
    let keys = Keys(gguf);
    let config = |error| CheckpointError::Config {
        file: file(),
        error,
    };
    let vocabulary = Vocabulary {
        model: keys.string("tokenizer.ggml.model").map_err(config)?,
        pre: keys.string("tokenizer.ggml.pre").map_err(config)?,
        tokens: keys.tokens().map_err(config)?,
        merges: keys.strings("tokenizer.ggml.merges").map_err(config)?,
        types: &keys.integers("tokenizer.ggml.token_type").map_err(config)?,
        bos: keys.token("tokenizer.ggml.bos_token_id").map_err(config)?,
        eos: keys.token("tokenizer.ggml.eos_token_id").map_err(config)?,
        eot: keys.token("tokenizer.ggml.eot_token_id").map_err(config)?,
        eom: keys.token("tokenizer.ggml.eom_token_id").map_err(config)?,
        add_bos: keys.flag("tokenizer.ggml.add_bos_token").map_err(config)?,
    };
    Tokenizer::new(&vocabulary).map_err(|error| CheckpointError::Tokenizer {
        file: file(),
        error,
    })
}
