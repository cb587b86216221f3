// Rows for tests, as a board writes them.
import { parseRow, type Row } from './rows';

/** A row as the board writes it. */
export function answer(id: string, score: number, documents = 200): Record<string, unknown> {
  const stderr = Math.sqrt((score * (1 - score)) / (documents - 1));
  const metric = { name: 'acc', filter: 'none', value: score, stderr, higher_is_better: true, chance: 0.25, source: 'answers' };
  return {
    id, board: 'open', author: 'a'.repeat(32), stored_ms: 1, lane: 'cpu', engine: '0.1.0', module_sha256: null, average: score, trust: 'consistent', disputed: false, flags: 0, hidden: false,
    model: {
      name: id, sha256: 'f'.repeat(64), size_bytes: 98e6, quantization: 'Q4_0', architecture: 'llama', parameters: 135e6, type: 'pretrained', precision: '4-bit', merged: false, on_hub: true,
    },
    tasks: [{ name: 'arc', hash: 'h', label: 'consistent', version: '1', num_fewshot: 0, document_count: documents, metrics: [metric], main: 'acc' }],
  };
}
/** The same, read. */
export const row = (id: string, score: number, documents?: number): Row => parseRow(answer(id, score, documents));
