// Products of activations with weights in onnxruntime-web: a session for each kind and shape, of a model with one node.
import * as ort from '/onnx/ort.wasm.min.mjs';
import { matmul, matmulNBits } from '/page/onnx-model.js';

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/onnx/';

/** [K, N] of SmolLM2-135M's matrices: `[rows, K] x [N, K]` gives `[rows, N]`. */
const SHAPES = [[576, 576], [576, 1536], [1536, 576]];
/** Runs that are timed together, by rows: the clock is too coarse for one short one. */
const RUNS = { 256: 1, 1: 20 };
/** Such times in one measurement, the best of which counts. */
const BATCHES = 10;

const KINDS = {
  matmulnbits: (k, n) => matmulNBits(k, n, { zeroPoints: true }),
  'matmulnbits-symmetric': (k, n) => matmulNBits(k, n, { zeroPoints: false }),
  // May compute with int8 activations, where there is a kernel for it.
  'matmulnbits-int8': (k, n) => matmulNBits(k, n, { zeroPoints: true, accuracy: 4 }),
  f32: matmul,
};

async function seconds(session, x, runs) {
  const begin = performance.now();
  for (let run = 0; run < runs; run += 1) (await session.run({ x })).y.dispose();
  return (performance.now() - begin) / 1000 / runs;
}

/** Refuses a session that does not compute the product: one row of ones, whose products are the sums of the weights. */
async function verify(session, k, sums) {
  const { y } = await session.run({ x: new ort.Tensor(new Float32Array(k).fill(1), [1, k]) });
  const wrong = sums.findIndex((sum, i) => !(Math.abs(sum - y.data[i]) <= 1e-3));
  if (wrong >= 0) throw new Error(`y[${wrong}] is ${y.data[wrong]} and not ${sums[wrong]}`);
}

/** `[session, k, n]` of each shape. */
async function load(kind) {
  const sessions = [];
  for (const [k, n] of SHAPES) {
    const { model, sums } = KINDS[kind](k, n);
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    await verify(session, k, sums);
    sessions.push([session, k, n]);
  }
  return sessions;
}

const loaded = {};

/** Measures a kind of product once, in G MAC/s. */
globalThis.measure = async (kind, rows) => {
  loaded[kind] ??= load(kind);
  let [macs, time] = [0, 0];
  for (const [session, k, n] of await loaded[kind]) {
    const x = new ort.Tensor(Float32Array.from({ length: rows * k }, () => Math.random() - 0.5), [rows, k]);
    let best = Infinity;
    for (let batch = 0; batch < BATCHES; batch += 1) best = Math.min(best, await seconds(session, x, RUNS[rows]));
    macs += rows * k * n;
    time += best;
  }
  return macs / time / 1e9;
};
