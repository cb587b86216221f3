//! The llama architecture on the quantised operations (Touvron et al. 2023, arXiv 2302.13971): RMS norm, rotary embedding,
//! grouped-query attention, SwiGLU, tied or untied head.
//!
//! Shapes: `rows` tokens at work, `d` embedding length, `heads · head_dim` query width, `kv_heads · head_dim` key width.

use burn::tensor::{DType, Int, Tensor, TensorData};
use jeoul_checkpoint::{ByteSource, Checkpoint, Config};
use jeoul_eval::plan::{Batch, Scored};
use jeoul_kernels::{
    PLACES, Processor, Weight,
    ops::{self, Norm},
};

use crate::{ModelError, Pace, weights::Loader};

/// Weights of a network on a device.
pub struct Decoder {
    config: Config,
    processor: Processor,
    embedding: Weight,
    layers: Vec<Layer>,
    output_norm: Norm,
    /// `None`: the embedding serves as head.
    head: Option<Weight>,
    frequencies: Vec<f64>,
}

struct Layer {
    attention_norm: Norm,
    /// Queries, keys and values of `[rows, d]`, side by side.
    qkv: Vec<Weight>,
    output: Weight,
    ffn_norm: Norm,
    /// The gate's rows, then the other factor's.
    gate_up: Vec<Weight>,
    down: Weight,
}

/// Keys and values of the path and of one batch behind it, and the angles of all positions.
pub struct Cache {
    /// Per layer `[places, 2 · kv_heads · head_dim]`. An `Option`, to be taken while the operation writes in place:
    /// a second handle would make it copy.
    layers: Vec<Option<Tensor<2>>>,
    /// Cosines and sines, `[places, 2 · pairs]`: no position is beyond its place.
    angles: Tensor<2>,
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
        let epsilon = config.rms_epsilon;
        let mut load = Loader::new(checkpoint, &processor, pace);
        let embedding = load.matrix("token_embd.weight").await?;
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            let qkv = ["attn_q", "attn_k", "attn_v"].map(name);
            let gate_up = ["ffn_gate", "ffn_up"].map(name);
            layers.push(Layer {
                attention_norm: load.norm(&name("attn_norm"), epsilon).await?,
                qkv: load.stacked(&qkv).await?,
                output: load.matrix(&name("attn_output")).await?,
                ffn_norm: load.norm(&name("ffn_norm"), epsilon).await?,
                gate_up: load.stacked(&gate_up).await?,
                down: load.matrix(&name("ffn_down")).await?,
            });
        }
        let output_norm = load.norm("output_norm.weight", epsilon).await?;
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

    /// An empty cache with room for at least `places` tokens.
    pub fn cache(&self, places: usize) -> Cache {
        let places = places.next_multiple_of(PLACES);
        Cache {
            layers: self
                .layers
                .iter()
                .map(|_| Some(self.places(places)))
                .collect(),
            angles: self.angles(places),
            places,
        }
    }

    /// Gives a cache more places. Those it has stay as they are if it `is_kept`.
    pub fn grow(&self, cache: &mut Cache, places: usize, is_kept: bool) {
        let places = places.next_multiple_of(PLACES);
        for layer in &mut cache.layers {
            let old = layer.take().expect("given back below");
            *layer = Some(match is_kept {
                true => Tensor::cat(vec![old, self.places(places - cache.places)], 0),
                false => self.places(places),
            });
        }
        cache.angles = self.angles(places);
        cache.places = places;
    }

    /// Empty places of a layer.
    fn places(&self, places: usize) -> Tensor<2> {
        let width = 2 * self.config.kv_heads * self.config.head_dim;
        Tensor::zeros([places, width], (self.processor.device(), DType::F32))
    }

    /// See [`Cache::angles`].
    fn angles(&self, places: usize) -> Tensor<2> {
        let pairs = self.frequencies.len();
        let mut values = Vec::with_capacity(2 * places * pairs);
        for angles in angles(&self.frequencies, places).chunks_exact(pairs) {
            // libm's, not the platform's: the same bits in every browser and natively.
            values.extend(angles.iter().map(|&angle| libm::cos(angle) as f32));
            values.extend(angles.iter().map(|&angle| libm::sin(angle) as f32));
        }
        let values = TensorData::new(values, [places, 2 * pairs]);
        Tensor::from_data(values, (self.processor.device(), DType::F32))
    }

    /// Computes a batch and gives the last layer's output, `[rows, d]`. The cache must hold the path before `batch.base`;
    /// [`Self::keep`] must follow before the next batch.
    ///
    /// # Panics
    /// If the cache has no room: callers see to it.
    pub fn forward(&self, batch: &Batch, cache: &mut Cache) -> Tensor<2> {
        let rows = batch.rows.len();
        assert!(batch.base + rows <= cache.places);
        let head_dim = self.config.head_dim;
        let tokens: Vec<u32> = batch.rows.iter().map(|row| row.token).collect();
        let tree: Vec<u32> = batch
            .rows
            .iter()
            .flat_map(|row| [row.position, row.path, row.end].map(|at| at as u32))
            .collect();
        let tree = self.ints(&tree).reshape([rows, 3]);
        let mut x = ops::embed(self.ints(&tokens), &self.embedding);
        for (layer, kv) in self.layers.iter().zip(&mut cache.layers) {
            let (angles, base) = (&cache.angles, batch.base);
            let qkv = stacked(&layer.qkv, |w| {
                ops::project(x.clone(), &layer.attention_norm, w)
            });
            let written = kv.take().expect("given back below");
            let written = ops::write_kv(
                written,
                qkv.clone(),
                angles.clone(),
                tree.clone(),
                base,
                head_dim,
            );
            let seen = ops::attention(
                qkv,
                written.clone(),
                angles.clone(),
                tree.clone(),
                base,
                head_dim,
            );
            *kv = Some(written);
            x = ops::project_onto(x, seen, &layer.output);
            let gated = match layer.gate_up.as_slice() {
                [both] => ops::project_gated(x.clone(), &layer.ffn_norm, both),
                apart => ops::swiglu(stacked(apart, |w| {
                    ops::project(x.clone(), &layer.ffn_norm, w)
                })),
            };
            x = ops::project_onto(x, gated, &layer.down);
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
            let cache = layer.take().expect("given back below");
            let moved = ops::move_places(cache, places.clone(), keep.path, self.config.head_dim);
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
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        ops::project(x, &self.output_norm, head)
    }

    fn ints(&self, tokens: &[u32]) -> Tensor<1, Int> {
        let words: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        Tensor::from_data(
            TensorData::new(words, [tokens.len()]),
            (self.processor.device(), DType::I32),
        )
    }
}

/// The products of matrices that stand side by side, as one.
fn stacked(weights: &[Weight], product: impl Fn(&Weight) -> Tensor<2>) -> Tensor<2> {
    match weights {
        [one] => product(one),
        several => Tensor::cat(several.iter().map(product).collect(), 1),
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
