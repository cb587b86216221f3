import { expect, it } from 'vitest';
import { ACC, conversationGlances, firstGlance, isRight, margin, ownContexts, perCharacter, scored, select, shares, written, type View } from './documents';
import { exampleDocument, exampleGeneration } from './example';

const NORM = { name: 'acc_norm', filter: 'none' };
const all: View = { query: '', filter: 'all', order: 'document', judge: ACC };

/** A document whose right answer leads by `lead` nats. */
function leading(doc_id: number, lead: number) {
  const right = lead > 0;
  return exampleDocument(doc_id, [-3, -3 + lead], right ? 1 : 0);
}

it('judges by the pick that the metric counts', () => {
  const document = exampleDocument();
  expect([isRight(document, ACC), isRight(document, NORM)]).toEqual([false, true]);
  expect(isRight(document, { name: 'f1', filter: 'none' })).toBeNull();
});

it('measures the margin in nats, or in nats per character', () => {
  const document = exampleDocument();
  expect(margin(document, ACC)).toBeCloseTo(-0.9, 10);
  expect(margin(document, NORM)).toBeCloseTo(-3 / 9 + 2.1 / 2, 10);
});

it('counts characters, not UTF-16 units', () => {
  expect(perCharacter({ text: '😀', loglikelihood: -1 })).toBe(-1);
});

it('shares out the probability of very unlikely choices too', () => {
  expect(shares([{ loglikelihood: -2000 }, { loglikelihood: -2000 }])).toEqual([0.5, 0.5]);
});

it('finds documents by words of prompt and choices in any order', () => {
  const documents = [exampleDocument()];
  expect(select(documents, { ...all, query: 'WET certainly' })).toHaveLength(1);
  expect(select(documents, { ...all, query: 'dry' })).toHaveLength(0);
});

it('filters wrong and close ones and sorts by margin', () => {
  const documents = [leading(0, 2), leading(1, -0.2), leading(2, -4), leading(3, 0.3)];
  const ids = (view: Partial<View>) => select(documents, { ...all, ...view }).map(({ doc_id }) => doc_id);
  expect(ids({ filter: 'wrong' })).toEqual([1, 2]);
  expect(ids({ filter: 'close' })).toEqual([1, 3]);
  expect(ids({ order: 'lowest' })).toEqual([2, 1, 3, 0]);
  expect(ids({ order: 'highest' })).toEqual([0, 3, 1, 2]);
});

it('shows a prompt in one line', () => {
  expect(firstGlance(exampleDocument())).toBe('Q: Is water wet? A:');
});

it('shows of a conversation what differs', () => {
  const chat = (question: string) => `<|im_start|>user\nQuestion: ${question}\nAnswer:<|im_end|>\n<|im_start|>assistant\n`;
  const documents = ['Is it wet?', 'Is it dry?'].map((question, doc_id) => ({ ...exampleDocument(doc_id), prompt: chat(question) }));
  expect([...conversationGlances(documents).values()]).toEqual(['Question: Is it wet?', 'Question: Is it dry?']);
  expect(conversationGlances(documents.slice(1)).get(1)).toContain('Is it dry?');
});

it('shows the end of a long prompt', () => {
  expect(firstGlance({ ...exampleDocument(), prompt: `${'passage '.repeat(100)}Which?` })).toMatch(/^….*Which\?$/);
});

it('reads what a model wrote', () => {
  const document = exampleGeneration();
  expect([written(document), scored(document), margin(document, ACC)]).toEqual([['The answer is 4.'], [], null]);
  expect(isRight(document, { name: 'exact_match', filter: 'number' })).toBe(true);
  expect(select([document], { ...all, query: 'answer' })).toHaveLength(1);
});

it('shows each choice with the text before it where the choices are the questions', () => {
  const document = exampleDocument();
  expect(ownContexts(document)).toBeNull();
  const requests = document.requests.map((request, index) => ({ ...request, context: `Example.\n\nIt was ${index}`, continuation: ' then.' }));
  expect(ownContexts({ ...document, fewshot_context: 'Example.\n\n', requests })).toEqual([
    { context: 'It was 0', continuation: ' then.' },
    { context: 'It was 1', continuation: ' then.' },
  ]);
});

it('shows the right choice where the choices are the questions', () => {
  const document = { ...exampleDocument(), prompt: '' };
  expect(firstGlance(document)).toBe('certainly');
});
