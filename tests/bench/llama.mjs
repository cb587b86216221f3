// Speed of native llama.cpp: `node llama.mjs MODEL PROMPT GENERATE THREADS` prints {"prefill", "decode"} in tokens a second,
// of one measurement after one that warms up.
import { getLlama } from 'node-llama-cpp';

const [model, ...numbers] = process.argv.slice(2);
const [prompt, generate, threads] = numbers.map(Number);
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
const loaded = await llama.loadModel({ modelPath: model });
const context = await loaded.createContext({ contextSize: prompt + generate + 64, batchSize: prompt, threads });
const sequence = context.getSequence();

async function measure(seed) {
  await sequence.clearHistory();
  const tokens = Array.from({ length: prompt }, (_, i) => ((seed + 1) * (7 + i) * 40503) % 40000);
  const begin = performance.now();
  const writes = sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true });
  await writes.next();
  const read = performance.now();
  for (let i = 0; i < generate; i += 1) await writes.next();
  const written = performance.now();
  await writes.return();
  return { prefill: [(prompt * 1000) / (read - begin)], decode: [(generate * 1000) / (written - read)] };
}

await measure(0);
console.log(JSON.stringify(await measure(1)));
process.exit(0);
