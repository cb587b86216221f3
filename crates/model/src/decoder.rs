//! The llama architecture on the quantised operations (Touvron et al. 2023, arXiv 2302.13971): RMS norm, rotary embedding,
//! grouped-query attention, SwiGLU, tied or untied head.
//!
//! Shapes: `rows` tokens at work, `d` embedding length, `heads · head_dim` query width, `kv_heads · head_dim` key width.

use burn::tensor::{DType, Int, Tensor, TensorData};
use jeoul_checkpoint::{ByteSource, Checkpoint, Config};
use jeoul_kernels::{Processor, Weight, ops};

use crate::{ModelError, Pace, weights::Loader};

/// Weights of a network on a device.
pub struct Decoder {
    config: Config,
    processor: Processor,
    embedding: Weight,
    layers: Vec<Layer>,
    output_norm: Tensor<1>,
    /// `None`: the embedding serves as head.
    head: Option<Weight>,
    frequencies: Vec<f64>,
}

struct Layer {
    attention_norm: Tensor<1>,
    query: Weight,
    key: Weight,
    value: Weight,
    output: Weight,
    ffn_norm: Tensor<1>,
    gate: Weight,
    up: Weight,
    down: Weight,
}

/// Keys and values of all positions read so far, and the angles of the positions there is room for.
pub struct Cache {
    /// Per layer `[positions, kv_heads · head_dim]`. An `Option`, to be taken while the operation writes in place:
    /// a second handle would make it copy.
    layers: Vec<Option<[Tensor<2>; 2]>>,
    /// `[positions, pairs]`.
    cos: Tensor<2>,
    sin: Tensor<2>,
    positions: usize,
}

impl Cache {
    /// Positions there is room for.
    pub fn positions(&self) -> usize {
        self.positions
    }
}

impl Decoder {
    /// Reads all weights.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        processor: Processor,
        pace: &mut Pace,
    ) -> Result<Self, ModelError> {
        let config = checkpoint.config().clone();
        if !config.head_dim.is_multiple_of(4) {
            return Err(ModelError::Shape {
                name: "attention.key_length".to_owned(),
                what: "a head",
                found: config.head_dim as u64,
                allowed: 4,
            });
        }
        let frequencies = frequencies(checkpoint)?;
        let mut load = Loader::new(checkpoint, &processor, pace);
        let embedding = load.matrix("token_embd.weight").await?;
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            layers.push(Layer {
                attention_norm: load.vector(&name("attn_norm")).await?,
                query: load.matrix(&name("attn_q")).await?,
                key: load.matrix(&name("attn_k")).await?,
                value: load.matrix(&name("attn_v")).await?,
                output: load.matrix(&name("attn_output")).await?,
                ffn_norm: load.vector(&name("ffn_norm")).await?,
                gate: load.matrix(&name("ffn_gate")).await?,
                up: load.matrix(&name("ffn_up")).await?,
                down: load.matrix(&name("ffn_down")).await?,
            });
        }
        let output_norm = load.vector("output_norm.weight").await?;
        let head = match load.checkpoint.has_tensor("output.weight") {
            true => Some(load.matrix("output.weight").await?),
            false => None,
        };
        Ok(Self {
            config,
            processor,
            embedding,
            layers,
            output_norm,
            head,
            frequencies,
        })
    }

    /// An empty cache with room for `positions` tokens.
    pub fn cache(&self, positions: usize) -> Cache {
        let device = (self.processor.device(), DType::F32);
        let width = self.config.kv_heads * self.config.head_dim;
        let layer = || Some([0, 1].map(|_| Tensor::zeros([positions, width], device)));
        let angles = angles(&self.frequencies, positions);
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| f(angle) as f32).collect();
            Tensor::from_data(
                TensorData::new(values, [positions, self.frequencies.len()]),
                device,
            )
        };
        // libm's, not the platform's: the same bits in every browser and natively.
        let (cos, sin) = (table(libm::cos), table(libm::sin));
        Cache {
            layers: self.layers.iter().map(|_| layer()).collect(),
            cos,
            sin,
            positions,
        }
    }

    /// Runs `tokens`, the first of which stands at `position`, and gives the last layer's output, `[rows, d]`.
    /// The cache must hold all positions before; it then holds these too.
    ///
    /// # Panics
    /// If the cache has no room: callers check, where the request can be named.
    pub fn forward(&self, tokens: &[u32], position: usize, cache: &mut Cache) -> Tensor<2> {
        assert!(position + tokens.len() <= cache.positions);
        let (head_dim, epsilon) = (self.config.head_dim, self.config.rms_epsilon);
        let mut x = ops::embed(self.ints(tokens), &self.embedding);
        for (layer, kv) in self.layers.iter().zip(&mut cache.layers) {
            let normed = ops::rms_norm(x.clone(), layer.attention_norm.clone(), epsilon);
            let turn = |x| ops::rope(x, cache.cos.clone(), cache.sin.clone(), position, head_dim);
            let query = turn(ops::matmul(normed.clone(), &layer.query));
            let key = turn(ops::matmul(normed.clone(), &layer.key));
            let value = ops::matmul(normed, &layer.value);

            let [keys, values] = kv.take().expect("given back below");
            let keys = ops::kv_write(keys, key, position);
            let values = ops::kv_write(values, value, position);
            let seen = ops::attention(query, keys.clone(), values.clone(), position, head_dim);
            *kv = Some([keys, values]);
            x = x + ops::matmul(seen, &layer.output);

            let normed = ops::rms_norm(x.clone(), layer.ffn_norm.clone(), epsilon);
            let gated = ops::swiglu(
                ops::matmul(normed.clone(), &layer.gate),
                ops::matmul(normed, &layer.up),
            );
            x = x + ops::matmul(gated, &layer.down);
        }
        x
    }

    /// Log-probability of each target and the most probable token, `[rows, 2]`, from [`Self::forward`]'s output.
    pub fn score(&self, x: Tensor<2>, targets: &[u32]) -> Tensor<2> {
        ops::score(self.logits(x), self.ints(targets))
    }

    /// Logits `[rows, vocab]` from [`Self::forward`]'s output.
    pub fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        let normed = ops::rms_norm(x, self.output_norm.clone(), self.config.rms_epsilon);
        ops::matmul(normed, self.head.as_ref().unwrap_or(&self.embedding))
    }

    fn ints(&self, tokens: &[u32]) -> Tensor<1, Int> {
        let words: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        Tensor::from_data(
            TensorData::new(words, [tokens.len()]),
            (self.processor.device(), DType::I32),
        )
    }
}

/// Angle per position of each pair: `base^(-2i / rope_dimensions)`, divided by the checkpoint's own factor if it has one.
pub(crate) fn frequencies<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
) -> Result<Vec<f64>, ModelError> {
    let config = checkpoint.config();
    let dimensions = config.rope_dimensions;
    let mut frequencies: Vec<f64> = (0..dimensions / 2)
        .map(|i| {
            libm::pow(
                f64::from(config.rope_freq_base),
                -2.0 * i as f64 / dimensions as f64,
            )
        })
        .collect();
    if checkpoint.has_tensor("rope_freqs.weight") {
        let factors = checkpoint.read_f32(checkpoint.tensor("rope_freqs.weight")?)?;
        for (frequency, factor) in frequencies.iter_mut().zip(factors) {
            *frequency /= f64::from(factor);
        }
    }
    Ok(frequencies)
}

/// Angles `[positions, pairs]`, in radians.
pub(crate) fn angles(frequencies: &[f64], positions: usize) -> Vec<f64> {
    (0..positions)
        .flat_map(|p| frequencies.iter().map(move |f| p as f64 * f))
        .collect()
}
