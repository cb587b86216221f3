import { expect, it } from 'vitest';
import type { Comparison, DocumentResult, GroupCard } from '../engine/generated';
import { notCompared, outcome, partsOf, settingsThatDiffer } from './compare';
import { exampleDocument, exampleRun, exampleScore } from './example';
import type { Run } from './run';

/** The example's run with documents of its first task. */
function runOf(documents: DocumentResult[], change: (run: Run) => Run = (run) => run): Run {
  const run = exampleRun();
  const tasks = run.tasks.map((task, index) => (index === 0 ? { ...task, score: exampleScore('a', documents.length), documents } : task));
  return change({ ...run, tasks });
}
const three = [0, 1, 2].map((id) => exampleDocument(id));
const comparison = (difference: number, p_value: number): Comparison => ({
  documents: 20, first: 0.5, second: 0.5 - difference, difference, stderr: 0.1, low: -0.1, high: 0.3, p_value, test: 'mcnemar',
});

it('compares the values of the documents that both have', () => {
  const other = [exampleDocument(2, [-1, -2], 1), exampleDocument(1), exampleDocument(7)];
  const [part, ...more] = partsOf(runOf(three), runOf(other), []);
  expect([part?.first, part?.second]).toEqual([[0, 0], [0, 1]]);
  expect(more).toEqual([]);
});

it('takes no other question for the same one', () => {
  const otherTarget = three.map((document) => ({ ...document, target: '0' }));
  const otherChoices = three.map((document) => ({ ...document, choices: ['yes', 'certainly'] }));
  const otherPrompt = three.map((document) => ({ ...document, prompt: 'Q: Is fire wet?\nA:' }));
  for (const documents of [otherTarget, otherChoices, otherPrompt]) expect(partsOf(runOf(three), runOf(documents), [])).toEqual([]);
});

it('compares across shots and prompt forms, and says that they differ', () => {
  const chat = runOf(three.map((document) => ({ ...document, prompt: '<user>Q: Is water wet?' })), (run) => ({
    ...run,
    lane: { ...run.lane, lane: 'gpu' },
    settings: { ...run.settings, apply_chat_template: true, seed: 7 },
    tasks: run.tasks.map((task) => ({ ...task, score: task.score && { ...task.score, num_fewshot: 5 } })),
  }));
  expect(partsOf(runOf(three), chat, [])).toHaveLength(1);
  const settings = settingsThatDiffer(runOf(three), chat);
  expect(settings.map(({ kind }) => kind)).toEqual(['lane', 'form', 'shots', 'seed']);
  expect(settings[2]).toMatchObject({ first: 0, second: 5, tasks: [{ name: 'a' }] });
  expect(settingsThatDiffer(chat, chat)).toEqual([]);
});

it('does not compare a benchmark with samples', () => {
  const hub = runOf(three, (run) => ({ ...run, tasks: run.tasks.map((task) => ({ ...task, card: { ...task.card, origin: 'hub' } })) }));
  expect(partsOf(runOf(three), hub, [])).toEqual([]);
  expect(settingsThatDiffer(runOf(three), hub)).toMatchObject([{ kind: 'origin', first: 'samples', second: 'hub' }]);
});

it('names figures that single documents do not have', () => {
  const f1 = { name: 'f1', filter: 'none', value: 0.5, stderr: null, higher_is_better: true, chance: null };
  const withF1 = runOf(three, (run) => ({ ...run, tasks: run.tasks.map((task) => ({ ...task, score: task.score && { ...task.score, metrics: [...task.score.metrics, f1] } })) }));
  const parts = partsOf(withF1, withF1, []);
  expect(parts.map(({ metric }) => metric.name)).toEqual(['acc']);
  expect(notCompared(withF1, withF1, parts)).toMatchObject([{ metric: { name: 'f1' } }]);
});

it('takes the documents of a group together', () => {
  const both = runOf(three, (run) => ({
    ...run,
    groups: [{ group: 'g', documents: 5, average: null, metrics: [{ name: 'acc', filter: 'none', value: 0, stderr: null, documents: 5 }] }],
    tasks: run.tasks.map((task, index) => (index === 1 ? { ...task, score: exampleScore('b', 2), documents: three.slice(0, 2) } : task)),
  }));
  const group: GroupCard = { name: 'g', title: 'G', title_ko: 'G', tasks: ['a', 'b'], num_fewshot: [0, 0], inner: false };
  expect(partsOf(both, both, [group]).map(({ about, first }) => [about.name, first.length])).toEqual([['g', 5], ['a', 3], ['b', 2]]);
});

it('calls a run better only where chance is an unlikely reason', () => {
  const higher = { higherIsBetter: true };
  expect(outcome(comparison(0.2, 0.02), higher)).toBe('first');
  expect(outcome(comparison(-0.2, 0.02), higher)).toBe('second');
  expect(outcome(comparison(0.2, 0.05), higher)).toBe('none');
  expect(outcome(comparison(0.2, 0.02), { higherIsBetter: false })).toBe('second');
});
