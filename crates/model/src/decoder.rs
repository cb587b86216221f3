//! The llama architecture on the quantised operations (Touvron et al. 2023, arXiv 2302.13971): RMS norm, rotary embedding,
//! grouped-query attention, SwiGLU, tied or untied head.
//!
//! Shapes: `rows` tokens at work, `d` embedding length, `heads · head_dim` query width, `kv_heads · head_dim` key width.

use burn::tensor::{DType, Int, Tensor, TensorData};
use jeoul_checkpoint::{ByteSource, Checkpoint, Config};
use jeoul_eval::plan::{Batch, Scored};
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

/// Keys and values of the path and of one batch behind it, and the angles of all positions.
pub struct Cache {
    /// Per layer `[places, kv_heads · head_dim]`. An `Option`, to be taken while the operation writes in place:
    /// a second handle would make it copy.
    layers: Vec<Option<[Tensor<2>; 2]>>,
    /// `[places, pairs]`: no position is beyond its place.
    cos: Tensor<2>,
    sin: Tensor<2>,
    places: usize,
}

impl Cache {
    /// Tokens there is room for.
    pub fn places(&self) -> usize {
        self.places
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

    /// An empty cache with room for `places` tokens.
    pub fn cache(&self, places: usize) -> Cache {
        let device = (self.processor.device(), DType::F32);
        let width = self.config.kv_heads * self.config.head_dim;
        let layer = || Some([0, 1].map(|_| Tensor::zeros([places, width], device)));
        let angles = angles(&self.frequencies, places);
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| f(angle) as f32).collect();
            Tensor::from_data(
                TensorData::new(values, [places, self.frequencies.len()]),
                device,
            )
        };
        // libm's, not the platform's: the same bits in every browser and natively.
        let (cos, sin) = (table(libm::cos), table(libm::sin));
        Cache {
            layers: self.layers.iter().map(|_| layer()).collect(),
            cos,
            sin,
            places,
        }
    }

    /// Computes a batch and gives the last layer's output, `[rows, d]`. The cache must hold the path before `batch.base`;
    /// [`Self::keep`] must follow before the next batch.
    ///
    /// # Panics
    /// If the cache has no room: callers see to it.
    pub fn forward(&self, batch: &Batch, cache: &mut Cache) -> Tensor<2> {
        let rows = batch.rows.len();
        assert!(batch.base + rows <= cache.places);
        let (head_dim, epsilon) = (self.config.head_dim, self.config.rms_epsilon);
        let tokens: Vec<u32> = batch.rows.iter().map(|row| row.token).collect();
        let tree: Vec<u32> = batch
            .rows
            .iter()
            .flat_map(|row| [row.position, row.path, row.end].map(|at| at as u32))
            .collect();
        let tree = self.ints(&tree).reshape([rows, 3]);
        let mut x = ops::embed(self.ints(&tokens), &self.embedding);
        for (layer, kv) in self.layers.iter().zip(&mut cache.layers) {
            let normed = ops::rms_norm(x.clone(), layer.attention_norm.clone(), epsilon);
            let turn = |x| {
                let (cos, sin) = (cache.cos.clone(), cache.sin.clone());
                ops::rope(x, cos, sin, tree.clone(), head_dim)
            };
            let query = turn(ops::matmul(normed.clone(), &layer.query));
            let key = turn(ops::matmul(normed.clone(), &layer.key));
            let value = ops::matmul(normed, &layer.value);

            let [keys, values] = kv.take().expect("given back below");
            let keys = ops::kv_write(keys, key, batch.base);
            let values = ops::kv_write(values, value, batch.base);
            let (k, v) = (keys.clone(), values.clone());
            let seen = ops::attention(query, k, v, tree.clone(), batch.base, head_dim);
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

    /// Moves the rows of `batch` that live on to their places behind the path that does.
    pub fn keep(&self, batch: &Batch, cache: &mut Cache) {
        let keep = &batch.keep;
        let place = |row: usize| batch.base + keep.rows[row];
        if (0..keep.rows.len()).all(|row| place(row) == keep.path + row) {
            return;
        }
        let places: Vec<u32> = (0..keep.rows.len()).map(|row| place(row) as u32).collect();
        let places = self.ints(&places);
        for layer in &mut cache.layers {
            let moved = layer.take().expect("given back below").map(|cache| {
                let rows = cache.clone().select(0, places.clone());
                ops::kv_write(cache, rows, keep.path)
            });
            *layer = Some(moved);
        }
    }

    /// Log-probability of each target of `scored` and the most probable token in its place, `[scored, 2]`, from
    /// [`Self::forward`]'s output. Only rows that are asked for go through the head.
    pub fn score(&self, x: Tensor<2>, scored: &[Scored]) -> Tensor<2> {
        let mut rows: Vec<u32> = scored.iter().map(|scored| scored.row as u32).collect();
        rows.dedup(); // they ascend
        let among = |row: usize| rows.partition_point(|&other| (other as usize) < row) as u32;
        let places: Vec<u32> = scored.iter().map(|scored| among(scored.row)).collect();
        let targets: Vec<u32> = scored.iter().map(|scored| scored.target).collect();
        let x = match rows.len() == x.dims()[0] {
            true => x,
            false => x.select(0, self.ints(&rows)),
        };
        ops::score(self.logits(x), self.ints(&places), self.ints(&targets))
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
