import { expect, it } from 'vitest';
import { firstGlance, isRight, margin, perCharacter, select, shares, type View } from './documents';
import { exampleDocument } from './example';

const all: View = { query: '', filter: 'all', order: 'document', judge: 'acc' };

/** A document whose right answer leads by `lead` nats. */
function leading(doc_id: number, lead: number) {
  const document = exampleDocument(doc_id);
  const [other, gold] = document.choices;
  return { ...document, choices: [{ ...other!, loglikelihood: -3 }, { ...gold!, loglikelihood: -3 + lead }], pick: lead > 0 ? 1 : 0 };
}

it('judges by the pick that the metric counts', () => {
  const document = exampleDocument();
  expect([isRight(document, 'acc'), isRight(document, 'acc_norm')]).toEqual([false, true]);
});

it('measures the margin in nats, or in nats per character', () => {
  const document = exampleDocument();
  expect(margin(document, 'acc')).toBeCloseTo(-0.9, 10);
  expect(margin(document, 'acc_norm')).toBeCloseTo(-3 / 9 + 2.1 / 2, 10);
});

it('counts characters, not UTF-16 units', () => {
  expect(perCharacter({ text: '😀', loglikelihood: -1, token_logprobs: [], is_greedy: false })).toBe(-1);
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
