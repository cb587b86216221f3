// Log-probabilities of native llama.cpp: `node llama-scores.mjs MODEL SCORES` takes the token ids of what `jeoul score` printed,
// and prints a list of natural logarithms for each pair, one a continuation token.
import { readFile } from 'node:fs/promises';
import { getLlama } from 'node-llama-cpp';

const [model, scores] = process.argv.slice(2);
const pairs = JSON.parse(await readFile(scores, 'utf8'));
const longest = Math.max(...pairs.map(({ context_ids, continuation_ids }) => context_ids.length + continuation_ids.length));
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' });
const loaded = await llama.loadModel({ modelPath: model });
const context = await loaded.createContext({ contextSize: longest + 64, batchSize: longest, threads: 1 });
const sequence = context.getSequence();

/** Natural logarithm of a token's probability. */
function logprob(logits, token) {
  let [largest, sum] = [-Infinity, 0];
  for (const logit of logits.values()) largest = Math.max(largest, logit);
  for (const logit of logits.values()) sum += Math.exp(logit - largest);
  return logits.get(token) - largest - Math.log(sum);
}

const all = [];
for (const { context_ids, continuation_ids } of pairs) {
  await sequence.clearHistory();
  const read = [...context_ids, ...continuation_ids.slice(0, -1)];
  const first = context_ids.length - 1;
  const input = read.map((token, i) => (i < first ? token : [token, { generateNext: { logits: true } }]));
  const outputs = (await sequence.controlledEvaluate(input)).slice(first);
  all.push(outputs.map(({ next }, i) => logprob(next.logits, continuation_ids[i])));
}
console.log(JSON.stringify(all));
process.exit(0);
