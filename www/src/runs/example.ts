// Invented values for tests.
import type { DocumentResult, TaskCard, TaskScore } from '../engine/generated';
import type { Run } from './run';

function card(name: string, documents: number): TaskCard {
  return { name, title: name, title_ko: name, language: 'en', documents, num_fewshot: 0, max_fewshot: 4, chance: 0.5, sample: true };
}

export function exampleScore(task: string, documents: number): TaskScore {
  const metrics = [{ name: 'acc', value: 1, stderr: null, chance: 0.5 }];
  return { task, version: '1', num_fewshot: 0, documents, documents_total: task === 'a' ? 20 : 10, metrics };
}

/** The longer choice wins per character, the shorter one in total; gold is the longer. */
export function exampleDocument(doc_id = 0): DocumentResult {
  const choice = (text: string, loglikelihood: number) => ({ text, loglikelihood, token_logprobs: [Math.fround(loglikelihood)], is_greedy: false });
  const choices = [choice('no', -2.1), choice('certainly', -3.0000000000000004)];
  return {
    doc_id, fewshot_context: '', prompt: 'Q: Is water wet?\nA:', target_delimiter: ' ', choices, gold: 1, pick: 0, pick_norm: 1, acc: 0, acc_norm: 1, tokens_asked: 14,
  };
}

export function exampleRun(): Run {
  const checkpoint = { name: 'm', architecture: 'llama', quantization: 'Q4_1', parameters: 1e6, size: 1e6, context_length: 2048, layers: 2 };
  return {
    id: 1,
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    engineVersion: '0.1.0',
    registry: null,
    modelName: 'm',
    checkpoint,
    lane: { lane: 'cpu', adapter: null, agreement: null, threads: 1 },
    tasks: [
      { card: card('a', 60), request: { task: 'a', num_fewshot: 0, limit: 20 }, score: null, documents: [] },
      { card: card('b', 10), request: { task: 'b', num_fewshot: 0, limit: null }, score: null, documents: [] },
    ],
    current: null,
    state: 'running',
    tokensPlanned: 1000,
    tokensComputed: 0,
    elapsedMs: 0,
  };
}
