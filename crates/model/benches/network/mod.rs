//! SmolLM2-135M's network out of Burn's own modules, in f32 and with a KV cache: the yardstick of the GPU lane, natively and in wasm.
//! Weights are random: they do not change the speed.

use burn::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, RmsNorm, RmsNormConfig, RotaryEncoding,
    RotaryEncodingConfig, SwiGlu, SwiGluConfig,
};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData, activation::softmax};

const VOCABULARY: usize = 49_152;
const LAYERS: usize = 30;
const WIDTH: usize = 576;
const FEED_FORWARD: usize = 1536;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;
/// More positions than are measured.
const CONTEXT: usize = 2048;

/// The network and what it has read.
pub(crate) struct Network {
    device: Device,
    embedding: Embedding,
    rotary: RotaryEncoding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Linear,
}

struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_norm: RmsNorm,
    gate: SwiGlu,
    down: Linear,
    /// Keys and values `[1, KV_HEADS, places, HEAD_DIM]`.
    cache: Option<[Tensor<4>; 2]>,
}

impl Network {
    /// On the first adapter that the platform offers.
    pub(crate) async fn open() -> Self {
        let setup = Device::wgpu_options().tasks_max(32).init_async();
        let device = setup.await.expect("an adapter of a GPU");
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(&device);
        let norm = || RmsNormConfig::new(WIDTH).init(&device);
        let layer = |_| Layer {
            attention_norm: norm(),
            query: linear(WIDTH, HEADS * HEAD_DIM),
            key: linear(WIDTH, KV_HEADS * HEAD_DIM),
            value: linear(WIDTH, KV_HEADS * HEAD_DIM),
            output: linear(HEADS * HEAD_DIM, WIDTH),
            feed_norm: norm(),
            gate: SwiGluConfig::new(WIDTH, FEED_FORWARD).init(&device),
            down: linear(FEED_FORWARD, WIDTH),
            cache: None,
        };
        Self {
            embedding: EmbeddingConfig::new(VOCABULARY, WIDTH).init(&device),
            rotary: RotaryEncodingConfig::new(CONTEXT, HEAD_DIM)
                .with_theta(100_000.0)
                .init(&device),
            layers: (0..LAYERS).map(layer).collect(),
            norm: norm(),
            head: linear(WIDTH, VOCABULARY),
            device,
        }
    }

    /// Empties the cache.
    pub(crate) fn forget(&mut self) {
        for layer in &mut self.layers {
            layer.cache = None;
        }
    }

    /// The most probable token after these, which follow those of the cache.
    pub(crate) async fn next(&mut self, tokens: &[i32], start: usize) -> i32 {
        let rows = tokens.len();
        let ids = TensorData::new(tokens.to_vec(), [1, rows]);
        let ids = Tensor::<2, Int>::from_data(ids, (&self.device, DType::I32));
        let mut x = self.embedding.forward(ids);
        let mask = Tensor::<2, Bool>::tril_mask([rows, rows], 0, &self.device).unsqueeze::<4>();
        for layer in &mut self.layers {
            x = layer.forward(x, start, &self.rotary, &mask);
        }
        let last = x.narrow(1, rows - 1, 1);
        let logits = self.head.forward(self.norm.forward(last));
        let best = logits.argmax(2).into_data_async().await;
        let best: Vec<i32> = best.expect("a token").iter::<i32>().collect();
        best[0]
    }
}

impl Layer {
    fn forward(
        &mut self,
        x: Tensor<3>,
        start: usize,
        rotary: &RotaryEncoding,
        mask: &Tensor<4, Bool>,
    ) -> Tensor<3> {
        let rows = x.dims()[1];
        let heads = |x: Tensor<3>, heads| x.reshape([1, rows, heads, HEAD_DIM]).swap_dims(1, 2);
        let normed = self.attention_norm.forward(x.clone());
        let query = rotary.apply(heads(self.query.forward(normed.clone()), HEADS), start);
        let key = rotary.apply(heads(self.key.forward(normed.clone()), KV_HEADS), start);
        let value = heads(self.value.forward(normed), KV_HEADS);
        let [keys, values] = match self.cache.take() {
            Some([keys, values]) => [
                Tensor::cat(vec![keys, key], 2),
                Tensor::cat(vec![values, value], 2),
            ],
            None => [key, value],
        };
        self.cache = Some([keys.clone(), values.clone()]);
        let [keys, values] = [keys, values].map(|x| {
            let places = x.dims()[2];
            let x = x.unsqueeze_dim::<5>(2).repeat_dim(2, HEADS / KV_HEADS);
            x.reshape([1, HEADS, places, HEAD_DIM])
        });
        let scores = query.matmul(keys.transpose()) / (HEAD_DIM as f32).sqrt();
        let scores = match rows {
            1 => scores,
            _ => scores.mask_fill(mask.clone(), f32::NEG_INFINITY),
        };
        let seen = softmax(scores, 3).matmul(values).swap_dims(1, 2);
        let x = x + self
            .output
            .forward(seen.reshape([1, rows, HEADS * HEAD_DIM]));
        let normed = self.feed_norm.forward(x.clone());
        x + self.down.forward(self.gate.forward(normed))
    }
}
