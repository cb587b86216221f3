//! The network's shape, out of the metadata, and checked against the tensors that are there.

use std::collections::BTreeMap;

use crate::gguf::{Gguf, TensorInfo};
use crate::text::shown;
use crate::value::{Array, Value};

/// Architectures that are computed.
const ARCHITECTURES: &str = "`llama`";
/// More layers than any network has; each costs memory before its tensors are looked for.
const LAYERS_MAX: u64 = 1_000;
/// Widths and counts above this would not be a network for one machine.
const WIDTH_MAX: u64 = 1 << 20;

/// Shape of a decoder-only network.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `general.architecture`.
    pub architecture: String,
    /// Number of layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// Width between gate and down projection.
    pub feed_forward_length: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Longest sequence the network was trained for, in tokens.
    pub context_length: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Added to the mean square in norms.
    pub rms_epsilon: f32,
    /// Base of the rotary embedding's angles.
    pub rope_freq_base: f32,
    /// Dimensions of a head that turn; even.
    pub rope_dimensions: usize,
}

/// Why metadata and tensors make no network that can be computed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that must be there is not.
    #[error("metadata `{key}` is missing; it must be {allowed}")]
    Missing {
        /// The key.
        key: String,
        /// What it would hold.
        allowed: &'static str,
    },
    /// A key holds something else.
    #[error("metadata `{key}` is {found}; it must be {allowed}")]
    Kind {
        /// The key.
        key: String,
        /// What it holds.
        found: String,
        /// What it must hold.
        allowed: &'static str,
    },
    /// A way of computing that is not implemented; to ignore it would give other scores.
    #[error("metadata `{key}` is {found}; computed is {allowed}")]
    Unsupported {
        /// The key.
        key: String,
        /// What it asks for.
        found: String,
        /// What can be had.
        allowed: &'static str,
    },
    /// An architecture that is not computed.
    #[error("`general.architecture` is `{found}`; computed are {allowed}")]
    Architecture {
        /// What it is.
        found: String,
        /// What could be.
        allowed: &'static str,
    },
    /// A number out of bounds.
    #[error("metadata `{key}` is {found}; it must be {allowed}")]
    Number {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// The rule it breaks.
        allowed: String,
    },
    /// A tensor that must be there is not.
    #[error("tensor `{tensor}` is missing; a network of {layers} layers needs it")]
    MissingTensor {
        /// Its name.
        tensor: String,
        /// Layers declared.
        layers: usize,
    },
    /// A tensor that the network would not use.
    #[error(
        "tensor `{tensor}` has no place in a network of architecture `{architecture}` with {layers} layers; without it scores would be wrong"
    )]
    UnusedTensor {
        /// Its name.
        tensor: String,
        /// `general.architecture`.
        architecture: String,
        /// Layers declared.
        layers: usize,
    },
    /// A tensor of another shape than the metadata says.
    #[error("tensor `{tensor}` has dimensions {found:?}; the metadata asks for {allowed:?}")]
    TensorShape {
        /// Its name.
        tensor: String,
        /// Columns, rows.
        found: Vec<u64>,
        /// Columns, rows.
        allowed: Vec<u64>,
    },
    /// As many tokens as rows of the embedding there must be.
    #[error(
        "`tokenizer.ggml.tokens` has {found} tokens, but `token_embd.weight` has {allowed} rows"
    )]
    Vocabulary {
        /// Tokens.
        found: u64,
        /// Rows.
        allowed: u64,
    },
}

impl Config {
    /// Reads and checks the shape of a network.
    pub fn read(gguf: &Gguf) -> Result<Self, ConfigError> {
        let keys = Keys(gguf);
        keys.only("general.type", "model", "a `model`")?;
        keys.only("split.count", "1", "a checkpoint in one file")?;
        let architecture = keys.string("general.architecture")?;
        if architecture != "llama" {
            return Err(ConfigError::Architecture {
                found: shown(architecture),
                allowed: ARCHITECTURES,
            });
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let heads = keys.count(&key("attention.head_count"), WIDTH_MAX)?;
        let kv_heads = keys.count_or(&key("attention.head_count_kv"), WIDTH_MAX, heads)?;
        let embedding_length = keys.count(&key("embedding_length"), WIDTH_MAX)?;
        keys.divides(
            &key("attention.head_count_kv"),
            kv_heads,
            "attention.head_count",
            heads,
        )?;
        let head_dim = match gguf.value(&key("attention.key_length")) {
            Some(_) => keys.count(&key("attention.key_length"), WIDTH_MAX)?,
            None => {
                keys.divides(
                    &key("attention.head_count"),
                    heads,
                    "embedding_length",
                    embedding_length,
                )?;
                embedding_length / heads
            }
        };
        let rope_dimensions = keys.count_or(&key("rope.dimension_count"), WIDTH_MAX, head_dim)?;
        if !rope_dimensions.is_multiple_of(2) || rope_dimensions > head_dim {
            return Err(ConfigError::Number {
                key: key("rope.dimension_count"),
                found: rope_dimensions.to_string(),
                allowed: format!("even and at most the head's {head_dim}"),
            });
        }
        if gguf.value(&key("attention.value_length")).is_some() {
            let value_dim = keys.count(&key("attention.value_length"), WIDTH_MAX)?;
            if value_dim != head_dim {
                return Err(ConfigError::Number {
                    key: key("attention.value_length"),
                    found: value_dim.to_string(),
                    allowed: format!("the head's {head_dim}"),
                });
            }
        }
        keys.only(&key("expert_count"), "0", "a network without experts")?;
        keys.unscaled_rope(&key("rope.scaling.type"), &key("rope.scaling.factor"))?;
        keys.unscaled_rope(&key("rope.scaling.type"), &key("rope.scale_linear"))?;
        let vocab_size = keys.tokens()?.len();
        let config = Self {
            architecture: architecture.to_owned(),
            layers: keys.count(&key("block_count"), LAYERS_MAX)?,
            embedding_length,
            feed_forward_length: keys.count(&key("feed_forward_length"), WIDTH_MAX)?,
            heads,
            kv_heads,
            head_dim,
            context_length: keys.count(&key("context_length"), 1 << 24)?,
            vocab_size,
            rms_epsilon: keys.positive(&key("attention.layer_norm_rms_epsilon"), None)?,
            rope_freq_base: keys.positive(&key("rope.freq_base"), Some(10_000.0))?,
            rope_dimensions,
        };
        config.check_tensors(gguf)?;
        Ok(config)
    }

    /// Every tensor the network needs is there, in its shape, and none besides: one left out would change the scores.
    fn check_tensors(&self, gguf: &Gguf) -> Result<(), ConfigError> {
        let vocabulary = self.vocab_size as u64;
        let embedding = gguf.tensor("token_embd.weight");
        if let Some(rows) = embedding
            .map(TensorInfo::rows)
            .filter(|&rows| rows != vocabulary)
        {
            return Err(ConfigError::Vocabulary {
                found: vocabulary,
                allowed: rows,
            });
        }
        let uses = self.uses();
        for (name, use_) in &uses {
            match gguf.tensor(name) {
                Some(info) => check_shape(info, &use_.dims)?,
                None if use_.optional => {}
                None => {
                    return Err(ConfigError::MissingTensor {
                        tensor: name.clone(),
                        layers: self.layers,
                    });
                }
            }
        }
        match gguf.tensors().iter().find(|t| !uses.contains_key(&t.name)) {
            None => Ok(()),
            Some(unused) => Err(ConfigError::UnusedTensor {
                tensor: shown(&unused.name),
                architecture: self.architecture.clone(),
                layers: self.layers,
            }),
        }
    }

    /// The tensors the network uses, by name.
    fn uses(&self) -> BTreeMap<String, Use> {
        // Not multiplied as `usize`: two widths of 2^20 overflow its 32 bits in a browser.
        let [d, ffn, heads, kv_heads, head_dim] = [
            self.embedding_length,
            self.feed_forward_length,
            self.heads,
            self.kv_heads,
            self.head_dim,
        ]
        .map(|count| count as u64);
        let (query, key) = (heads * head_dim, kv_heads * head_dim);
        let vocabulary = self.vocab_size as u64;
        let mut uses = BTreeMap::new();
        let mut add = |name: String, dims: &[u64], optional| {
            let dims = dims.to_vec();
            uses.insert(name, Use { dims, optional })
        };
        add("token_embd.weight".to_owned(), &[d, vocabulary], false);
        add("output_norm.weight".to_owned(), &[d], false);
        // Without it the head is the embedding.
        add("output.weight".to_owned(), &[d, vocabulary], true);
        // Factors that Llama 3.1 divides the angles' frequencies by.
        let angles = self.rope_dimensions as u64 / 2;
        add("rope_freqs.weight".to_owned(), &[angles], true);
        for layer in 0..self.layers {
            for (part, dims) in [
                ("attn_norm", [d].as_slice()),
                ("attn_q", &[d, query]),
                ("attn_k", &[d, key]),
                ("attn_v", &[d, key]),
                ("attn_output", &[query, d]),
                ("ffn_norm", &[d]),
                ("ffn_gate", &[d, ffn]),
                ("ffn_up", &[d, ffn]),
                ("ffn_down", &[ffn, d]),
            ] {
                add(format!("blk.{layer}.{part}.weight"), dims, false);
            }
        }
        uses
    }
}

/// A tensor as the network uses it.
struct Use {
    /// Columns, rows.
    dims: Vec<u64>,
    /// Whether the network can do without.
    optional: bool,
}

/// A shape but for dimensions of 1 at its end.
fn check_shape(info: &TensorInfo, allowed: &[u64]) -> Result<(), ConfigError> {
    let (core, rest) = info
        .dims
        .split_at_checked(allowed.len())
        .unwrap_or((&[], &[]));
    match core == allowed && rest.iter().all(|&dim| dim == 1) {
        true => Ok(()),
        false => Err(ConfigError::TensorShape {
            tensor: shown(&info.name),
            found: info.dims.clone(),
            allowed: allowed.to_vec(),
        }),
    }
}

/// Typed access to metadata.
pub(crate) struct Keys<'a>(pub(crate) &'a Gguf);

impl<'a> Keys<'a> {
    fn need(&self, key: &str, allowed: &'static str) -> Result<&'a Value, ConfigError> {
        self.0.value(key).ok_or_else(|| ConfigError::Missing {
            key: key.to_owned(),
            allowed,
        })
    }

    fn kind(key: &str, found: &Value, allowed: &'static str) -> ConfigError {
        ConfigError::Kind {
            key: key.to_owned(),
            found: found.kind().to_owned(),
            allowed,
        }
    }

    pub(crate) fn string(&self, key: &str) -> Result<&'a str, ConfigError> {
        match self.need(key, "a string")? {
            Value::String(text) => Ok(text),
            other => Err(Self::kind(key, other, "a string")),
        }
    }

    fn optional_string(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        self.0.value(key).map(|_| self.string(key)).transpose()
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.0.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Self::kind(key, other, "a flag")),
        }
    }

    pub(crate) fn strings(&self, key: &str) -> Result<&'a [String], ConfigError> {
        match self.need(key, "a list of strings")? {
            Value::Array(Array::Strings(strings)) => Ok(strings),
            other => Err(Self::kind(key, other, "a list of strings")),
        }
    }

    /// 32-bit integers of a list; none if the key is not there.
    pub(crate) fn integers(&self, key: &str) -> Result<Vec<i32>, ConfigError> {
        let Some(value) = self.0.value(key) else {
            return Ok(Vec::new());
        };
        let Value::Array(array) = value else {
            return Err(Self::kind(key, value, "a list of integers"));
        };
        let narrow = |integers: Vec<i64>| {
            integers
                .into_iter()
                .map(|i| i32::try_from(i).ok())
                .collect()
        };
        array
            .integers()
            .and_then(narrow)
            .ok_or_else(|| Self::kind(key, value, "a list of 32-bit integers"))
    }

    /// The vocabulary.
    pub(crate) fn tokens(&self) -> Result<&'a [String], ConfigError> {
        self.strings("tokenizer.ggml.tokens")
    }

    /// A token id, if the key is there.
    pub(crate) fn token(&self, key: &str) -> Result<Option<u32>, ConfigError> {
        match self.0.value(key) {
            None => Ok(None),
            Some(_) => {
                let found = self.integer(key)?;
                let id = u32::try_from(found);
                let allowed = || format!("at most {}", u32::MAX);
                id.map(Some)
                    .map_err(|_| Self::number(key, &found, allowed()))
            }
        }
    }

    fn integer(&self, key: &str) -> Result<u64, ConfigError> {
        match self.need(key, "an integer")? {
            Value::Unsigned(value) => Ok(*value),
            Value::Signed(value) if *value >= 0 => Ok(value.unsigned_abs()),
            Value::Signed(value) => Err(Self::number(key, &value, "not negative".to_owned())),
            other => Err(Self::kind(key, other, "an integer")),
        }
    }

    fn number(key: &str, found: &dyn ToString, allowed: String) -> ConfigError {
        ConfigError::Number {
            key: key.to_owned(),
            found: found.to_string(),
            allowed,
        }
    }

    /// A number of something, from 1 to `max`.
    fn count(&self, key: &str, max: u64) -> Result<usize, ConfigError> {
        let found = self.integer(key)?;
        match usize::try_from(found) {
            Ok(count) if found >= 1 && found <= max => Ok(count),
            _ => Err(Self::number(key, &found, format!("from 1 to {max}"))),
        }
    }

    fn count_or(&self, key: &str, max: u64, default: usize) -> Result<usize, ConfigError> {
        self.0
            .value(key)
            .map_or(Ok(default), |_| self.count(key, max))
    }

    fn divides(
        &self,
        key: &str,
        found: usize,
        what: &str,
        whole: usize,
    ) -> Result<(), ConfigError> {
        match whole.is_multiple_of(found) {
            true => Ok(()),
            false => Err(Self::number(
                key,
                &found,
                format!("a divisor of {what}, {whole}"),
            )),
        }
    }

    /// A finite float above 0.
    fn positive(&self, key: &str, default: Option<f32>) -> Result<f32, ConfigError> {
        if let (None, Some(default)) = (self.0.value(key), default) {
            return Ok(default);
        }
        match self.need(key, "a float")? {
            Value::Float(value) => {
                // Metadata are f32 already; an f64 loses what no weight would notice.
                #[allow(clippy::cast_possible_truncation, reason = "checked below")]
                let narrow = *value as f32;
                match narrow.is_finite() && narrow > 0.0 {
                    true => Ok(narrow),
                    false => Err(Self::number(key, value, "finite and above 0".to_owned())),
                }
            }
            other => Err(Self::kind(key, other, "a float")),
        }
    }

    /// The key, where it is there, says `only`.
    fn only(&self, key: &str, only: &str, allowed: &'static str) -> Result<(), ConfigError> {
        let found = match self.0.value(key) {
            None => return Ok(()),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Unsigned(number)) => number.to_string(),
            Some(Value::Signed(number)) => number.to_string(),
            Some(other) => other.kind().to_owned(),
        };
        match found == only {
            true => Ok(()),
            false => Err(ConfigError::Unsupported {
                key: key.to_owned(),
                found: format!("`{}`", shown(&found)),
                allowed,
            }),
        }
    }

    /// Angles are not stretched beyond what `rope_freqs.weight` does: the factor is 1, or 0 or absent, which mean the same.
    fn unscaled_rope(&self, type_key: &str, factor_key: &str) -> Result<(), ConfigError> {
        if self.optional_string(type_key)? == Some("none") {
            return Ok(());
        }
        let allowed = "a rotary embedding without scaling, a factor of 1";
        match self.0.value(factor_key) {
            None => Ok(()),
            Some(Value::Float(factor)) if [0.0, 1.0].contains(factor) => Ok(()),
            Some(Value::Float(factor)) => Err(ConfigError::Unsupported {
                key: factor_key.to_owned(),
                found: factor.to_string(),
                allowed,
            }),
            Some(other) => Err(Self::kind(factor_key, other, "a float")),
        }
    }
}
