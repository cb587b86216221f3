// Products of activations with weights: Jeoul's, and onnxruntime-web's in a session for each shape, of a model with one node.
import init, * as jeoul from '/jeoul/products.js';
import * as ort from '/onnx/ort.wasm.min.mjs';
import { matmul, matmulNBits } from '/page/onnx-model.js';

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/onnx/';
const ready = init();

/** Runs that are timed together, by rows: the clock is too coarse for one short one. */
const RUNS = { 256: 1, 1: 20 };
/** Such times in one measurement, the best of which counts. */
const BATCHES = 10;

/** Functions that prepare `[rows, k] x [n, k]` and give one that computes it. */
const KINDS = {
  jeoul: async (rows, k, n) => {
    await ready;
    const product = new jeoul.Product(rows, k, n);
    return () => product.run();
  },
  matmulnbits: onnx((k, n) => matmulNBits(k, n, { zeroPoints: true })),
  'matmulnbits-symmetric': onnx((k, n) => matmulNBits(k, n, { zeroPoints: false })),
  // May compute with int8 activations, where there is a kernel for it.
  'matmulnbits-int8': onnx((k, n) => matmulNBits(k, n, { zeroPoints: true, accuracy: 4 })),
  f32: onnx(matmul),
};

function onnx(make) {
  return async (rows, k, n) => {
    const { model, sums } = make(k, n);
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    await verify(session, k, sums);
    const x = new ort.Tensor(Float32Array.from({ length: rows * k }, () => Math.random() - 0.5), [rows, k]);
    return async () => (await session.run({ x })).y.dispose();
  };
}

/** Refuses a session that does not compute the product: one row of ones, whose products are the sums of the weights. */
async function verify(session, k, sums) {
  const { y } = await session.run({ x: new ort.Tensor(new Float32Array(k).fill(1), [1, k]) });
  const wrong = sums.findIndex((sum, i) => !(Math.abs(sum - y.data[i]) <= 1e-3));
  if (wrong >= 0) throw new Error(`y[${wrong}] is ${y.data[wrong]} and not ${sums[wrong]}`);
}

/** Seconds of the best of some batches. */
async function seconds(run, runs) {
  let best = Infinity;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const begin = performance.now();
    for (let count = 0; count < runs; count += 1) await run();
    best = Math.min(best, (performance.now() - begin) / 1000 / runs);
  }
  return best;
}

const prepared = {};

/** Measures a product once, in G MAC/s. */
globalThis.measure = async (kind, rows, k, n) => {
  const run = await (prepared[[kind, rows, k, n]] ??= KINDS[kind](rows, k, n));
  return (rows * k * n) / (await seconds(run, RUNS[rows])) / 1e9;
};

/** Rounds of the peak-finding loop, a few milliseconds. */
const ROUNDS = 10_000;

/** The most that Jeoul's inner instructions allow, in G MAC/s. */
globalThis.peak = async () => {
  await ready;
  return jeoul.peak(ROUNDS) / (await seconds(() => jeoul.peak(ROUNDS), 1)) / 1e9;
};
