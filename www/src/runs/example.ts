// Invented values for tests.
import type { DocumentResult, TaskCard, TaskScore } from '../engine/generated';
import type { Run } from './run';

function card(name: string, documents: number): TaskCard {
  return {
    name, title: name, title_ko: name, language: 'en', documents, num_fewshot: 0, max_fewshot: 4, chance: 0.5, origin: 'samples', generates: false, note: '', note_ko: '',
  };
}

export function exampleScore(task: string, documents: number): TaskScore {
  const metrics = [{ name: 'acc', filter: 'none', value: 1, stderr: null, higher_is_better: true, chance: 0.5 }];
  return { task, version: '1', num_fewshot: 0, documents, documents_total: task === 'a' ? 20 : 10, metrics };
}

/** The longer choice wins per character, the shorter one in total; gold is the longer. */
export function exampleDocument(doc_id = 0, sums: [number, number] = [-2.1, -3.0000000000000004], pick = 0): DocumentResult {
  const choices = ['no', 'certainly'];
  const requests = choices.map((text, index) => {
    const sum = sums[index] ?? 0;
    const answer = { type: 'loglikelihood' as const, sum, token_logprobs: [Math.fround(sum)], is_greedy: false };
    return { context: null, continuation: ` ${text}`, answer };
  });
  const metrics = [
    { name: 'acc', filter: 'none', value: pick },
    { name: 'acc_norm', filter: 'none', value: 1 },
  ];
  return {
    doc_id, fewshot_context: '', prompt: 'Q: Is water wet?\nA:', requests, choices, gold: [1], pick, pick_norm: 1, target: '1', filtered: [], metrics, tokens_asked: 14,
  };
}

/** A document whose answer was written, and filtered in two ways. */
export function exampleGeneration(): DocumentResult {
  const requests = [{ context: null, continuation: null, answer: { type: 'texts' as const, texts: ['The answer is 4.'] } }];
  const filtered = [{ filter: 'strict', answer: ['[invalid]'] }, { filter: 'number', answer: ['4'] }];
  const metrics = [{ name: 'exact_match', filter: 'strict', value: 0 }, { name: 'exact_match', filter: 'number', value: 1 }];
  return {
    doc_id: 0, fewshot_context: '', prompt: 'Question: 2+2?\nAnswer:', requests, choices: [], gold: [], pick: null, pick_norm: null, target: '#### 4', filtered, metrics, tokens_asked: 6,
  };
}

export function exampleRun(): Run {
  const checkpoint = { name: 'm', architecture: 'llama', quantization: 'Q4_1', parameters: 1e6, size: 1e6, context_length: 2048, layers: 2, chat: true };
  return {
    id: 1,
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    engineVersion: '0.1.0',
    registry: null,
    modelName: 'm',
    checkpoint,
    lane: { lane: 'cpu', adapter: null, agreement: null, threads: 1, thread_lack: null },
    settings: { seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null },
    tasks: [
      { card: card('a', 60), request: { task: 'a', num_fewshot: 0, limit: 20 }, score: null, documents: [] },
      { card: card('b', 10), request: { task: 'b', num_fewshot: 0, limit: null }, score: null, documents: [] },
    ],
    groups: [],
    current: null,
    state: 'running',
    tokensPlanned: 1000,
    tokensComputed: 0,
    elapsedMs: 0,
  };
}
