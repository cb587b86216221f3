//! The oracle: the same architecture in stock Burn operations and f32, whole sequences at once, without a cache.
//!
//! Slow on purpose: it shares no kernel and no layout with the fast lanes, so a fault of theirs cannot hide in it.

use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation};
use jeoul_checkpoint::{ByteSource, Checkpoint, Config};
use jeoul_kernels::Processor;

use crate::{
    ModelError, Pace,
    decoder::{angles, frequencies},
    weights::Loader,
};

/// Dequantised weights.
pub struct Reference {
    config: Config,
    device: Device,
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    output_norm: Tensor<1>,
    head: Tensor<2>,
    frequencies: Vec<f64>,
}

struct Layer {
    attention_norm: Tensor<1>,
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    output: Tensor<2>,
    ffn_norm: Tensor<1>,
    gate: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
}

impl Reference {
    /// Reads and dequantises all weights: 4 bytes each.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        processor: &Processor,
        pace: &mut Pace,
    ) -> Result<Self, ModelError> {
        let config = checkpoint.config().clone();
        let mut load = Loader::new(checkpoint, processor, pace);
        let embedding = load.dense("token_embd.weight").await?;
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            layers.push(Layer {
                attention_norm: load.vector(&name("attn_norm")).await?,
                query: load.dense(&name("attn_q")).await?,
                key: load.dense(&name("attn_k")).await?,
                value: load.dense(&name("attn_v")).await?,
                output: load.dense(&name("attn_output")).await?,
                ffn_norm: load.vector(&name("ffn_norm")).await?,
                gate: load.dense(&name("ffn_gate")).await?,
                up: load.dense(&name("ffn_up")).await?,
                down: load.dense(&name("ffn_down")).await?,
            });
        }
        let output_norm = load.vector("output_norm.weight").await?;
        let head = match checkpoint.has_tensor("output.weight") {
            true => load.dense("output.weight").await?,
            false => embedding.clone(),
        };
        let (device, frequencies) = (processor.device().clone(), frequencies(checkpoint)?);
        Ok(Self {
            config,
            device,
            embedding,
            layers,
            output_norm,
            head,
            frequencies,
        })
    }

    /// Logits `[rows - first, vocab]` of a whole sequence, from row `first` on.
    pub fn logits(&self, tokens: &[u32], first: usize) -> Tensor<2> {
        let Config {
            heads,
            kv_heads,
            head_dim,
            ..
        } = self.config;
        let rows = tokens.len();
        let words: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        let ids =
            Tensor::<1, Int>::from_data(TensorData::new(words, [rows]), (&self.device, DType::I32));
        let mut x = self.embedding.clone().select(0, ids);
        let mask = Tensor::<2>::ones([rows, rows], (&self.device, DType::F32)).triu(1) * -1.0e30;
        for layer in &self.layers {
            let normed = self.norm(x.clone(), &layer.attention_norm);
            let query = self.rope(linear(normed.clone(), &layer.query), heads);
            let key = repeat(
                self.rope(linear(normed.clone(), &layer.key), kv_heads),
                heads / kv_heads,
            );
            let value = linear(normed, &layer.value)
                .reshape([rows, kv_heads, head_dim])
                .swap_dims(0, 1);
            let value = repeat(value, heads / kv_heads);

            let scores = query.matmul(key.swap_dims(1, 2)) / (head_dim as f32).sqrt();
            let weights = activation::softmax(scores + mask.clone().unsqueeze::<3>(), 2);
            let seen = weights
                .matmul(value)
                .swap_dims(0, 1)
                .reshape([rows, heads * head_dim]);
            x = x + linear(seen, &layer.output);

            let normed = self.norm(x.clone(), &layer.ffn_norm);
            let gate = activation::silu(linear(normed.clone(), &layer.gate));
            x = x + linear(gate * linear(normed, &layer.up), &layer.down);
        }
        linear(
            self.norm(x.narrow(0, first, rows - first), &self.output_norm),
            &self.head,
        )
    }

    fn norm(&self, x: Tensor<2>, weight: &Tensor<1>) -> Tensor<2> {
        let mean_square = (x.clone() * x.clone()).mean_dim(1);
        x / (mean_square + self.config.rms_epsilon).sqrt() * weight.clone().unsqueeze::<2>()
    }

    /// `x [rows, heads · head_dim]` → `[heads, rows, head_dim]`, interleaved pairs turned.
    fn rope(&self, x: Tensor<2>, heads: usize) -> Tensor<3> {
        let (rows, head_dim, turned) = (
            x.dims()[0],
            self.config.head_dim,
            2 * self.frequencies.len(),
        );
        let x = x.reshape([rows, heads, head_dim]).swap_dims(0, 1);
        let pairs =
            x.clone()
                .slice([0..heads, 0..rows, 0..turned])
                .reshape([heads, rows, turned / 2, 2]);
        let [a, b] = [0, 1].map(|i| {
            pairs
                .clone()
                .slice([0..heads, 0..rows, 0..turned / 2, i..i + 1])
        });
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles(&self.frequencies, rows)
                .into_iter()
                .map(|angle| f(angle) as f32)
                .collect();
            Tensor::<4>::from_data(
                TensorData::new(values, [1, rows, turned / 2, 1]),
                (&self.device, DType::F32),
            )
        };
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        let turned_a = a.clone() * cos.clone() - b.clone() * sin.clone();
        let turned_b = a * sin + b * cos;
        let rotated = Tensor::cat(vec![turned_a, turned_b], 3).reshape([heads, rows, turned]);
        if turned == head_dim {
            return rotated;
        }
        Tensor::cat(
            vec![rotated, x.slice([0..heads, 0..rows, turned..head_dim])],
            2,
        )
    }
}

/// `x · Wᵀ`.
fn linear(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    x.matmul(weight.clone().transpose())
}

/// Each key head `times` over: `[kv_heads, rows, head_dim]` → `[kv_heads · times, rows, head_dim]`.
fn repeat(x: Tensor<3>, times: usize) -> Tensor<3> {
    let [heads, rows, head_dim] = x.dims();
    x.unsqueeze_dim::<4>(1)
        .repeat_dim(1, times)
        .reshape([heads * times, rows, head_dim])
}
