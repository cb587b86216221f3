import { describe, expect, it } from 'vitest';
import type { GroupCard, TaskCard } from '../engine/generated';
import { ARM, armEnd, damping, dialPath, tilt, TILT_MAX } from './beam';
import { estimate } from './estimate';
import { choicesOf, clampLimit, documentsOf, entriesOf, perTask, presetsFor, refit, requestsOf, sectionsOf, shotOptions, switchOn, type Entry } from './selection';

function task(name: string, more: Partial<TaskCard> = {}): TaskCard {
  return {
    name, title: name, title_ko: name, language: 'en', documents: 60, num_fewshot: 0, max_fewshot: 10, chance: 0.25, origin: 'samples', generates: false, note: '', note_ko: '', ...more,
  };
}
function group(name: string, tasks: string[], more: Partial<GroupCard> = {}): GroupCard {
  return { name, title: name, title_ko: name, tasks, num_fewshot: tasks.map(() => 0), inner: false, ...more };
}
const entry = (card: TaskCard): Entry => ({ ...card, tasks: [card], isGroup: false, isListed: true, shots: [card.num_fewshot] });
const tasks = [task('jeoul_science'), task('kobest_wic', { language: 'ko', documents: 12 }), task('kobest_copa', { language: 'ko', documents: 30 })];
const entries = entriesOf(tasks, [group('kobest', ['kobest_wic', 'kobest_copa'])]);

describe('selection', () => {
  it('begins with 20 documents of the first sample task', () => {
    expect(requestsOf(choicesOf('taste', entries), entries)).toEqual([{ task: 'jeoul_science', num_fewshot: 0, limit: 20 }]);
  });

  it('runs a group with its own shots and as many documents of each task', () => {
    const requests = requestsOf(choicesOf('kobest', entries), entries);
    expect(requests).toEqual([{ task: 'kobest', num_fewshot: null, limit: 20 }]);
    expect(documentsOf(requests, entries)).toEqual([12, 20]);
    expect(perTask(requests, entries).map(({ request }) => request.task)).toEqual(['kobest_wic', 'kobest_copa']);
  });

  it('never runs a task twice', () => {
    const before = choicesOf('kobest', entries);
    const wic = entries.find(({ name }) => name === 'kobest_wic')!;
    const after = switchOn(before, wic, entries);
    expect(requestsOf(after, entries).map(({ task: name }) => name)).toEqual(['kobest_wic']);
  });

  const subjects = Array.from({ length: 13 }, (_, index) => task(`mmlu_${index}`));
  const names = subjects.map(({ name }) => name);
  const fields = [group('mmlu_stem', names.slice(0, 6), { inner: true }), group('mmlu_other', names.slice(6), { inner: true })];
  const board = [group('board', ['arc', ...names]), group('mmlu', names, { inner: true }), ...fields];
  const listed = (groups: GroupCard[]) => entriesOf([...subjects, task('arc')], groups).flatMap(({ name, isListed }) => (isListed ? [name] : []));

  it('lists a large benchmark by its name, its parts only together', () => {
    expect(listed(board)).toEqual(['board', 'mmlu', 'arc']);
    expect(listed([group('mmlu', names), ...fields])).toEqual(['mmlu', 'arc']);
  });

  it('finds a part of a benchmark by words in any order', () => {
    const all = entriesOf([...subjects, task('arc', { title: 'Science at school' })], board);
    const found = (query: string) => sectionsOf(all, query).map((section) => [section.name, ...section.entries.map(({ name }) => name)]);
    expect(found('')).toEqual([['groups', 'board', 'mmlu'], ['en', 'arc']]);
    expect(found('12 mmlu')).toEqual([['en', 'mmlu_12']]);
    expect(found('SCHOOL sci')).toEqual([['en', 'arc']]);
    expect(found('nothing')).toEqual([]);
  });

  it('chooses a task that is new, and keeps a limit within the documents', () => {
    const own = [...tasks.slice(0, 1), task('mine', { documents: 3 })];
    const after = refit(choicesOf('taste', entries), entriesOf(own, []), 'mine');
    expect(Object.entries(after).map(([name, { on, limit }]) => [name, on, limit])).toEqual([['jeoul_science', true, 20], ['mine', true, 3]]);
    const fewer = refit(after, entriesOf([task('jeoul_science', { documents: 7 })], []), 'jeoul_science');
    expect(fewer['jeoul_science']?.limit).toBe(7);
  });

  it('offers a preset only if it chooses something', () => {
    expect(presetsFor([entry(task('science'))])).toEqual(['taste']);
    expect(presetsFor(entries)).toEqual(['taste', 'kobest']);
  });

  it('offers the shots that the examples allow, and the task’s own', () => {
    const options = (more: Partial<TaskCard>) => shotOptions(entry(task('t', more)));
    expect(options({ max_fewshot: 2 })).toEqual([0, 1, 2]);
    expect(options({ num_fewshot: 4 })).toEqual([0, 1, 2, 3, 4, 5, 10]);
    expect(options({ max_fewshot: 0 })).toEqual([0]);
    expect(shotOptions({ tasks: [task('a', { max_fewshot: 1 }), task('b')] })).toEqual([0, 1]);
  });

  it('keeps the limit a whole number of documents that exist', () => {
    expect([0, -3, 7.6, 1000, Number.NaN].map((limit) => clampLimit(limit, entry(task('t'))))).toEqual([1, 1, 8, 60, 20]);
  });
});

describe('estimate', () => {
  const requests = requestsOf(choicesOf('kobest', entries), entries);

  it('speaks for the task with the fewest documents', () => {
    const few = estimate(requests, entries, null, 100);
    expect(few).toMatchObject({ tasks: 2, documents: 32, tokens: null, ms: null });
    expect(few?.halfWidth).toBeCloseTo(0.246, 3);
  });

  it('knows the time from tokens and speed', () => {
    expect(estimate(requests, entries, { asked: 5120, computed: 1800, generated: 40, detectable: null }, 46)?.ms).toBe(40_000);
  });

  it('is nothing without a task', () => {
    expect(estimate([], entries, null, null)).toBeNull();
  });
});

describe('beam', () => {
  it('is level at chance and tilts fully at 0 and 1', () => {
    expect([tilt(0.25, 0.25), tilt(1, 0.25), tilt(0, 0.25)]).toEqual([0, TILT_MAX, -TILT_MAX]);
    expect(tilt(1, 1)).toBe(0);
  });

  it('lowers the right pan where the score is heavier', () => {
    expect(armEnd(10, 1).y).toBeGreaterThan(0);
    expect(armEnd(10, -1).y).toBeLessThan(0);
    expect(Math.hypot(armEnd(10, 1).x, armEnd(10, 1).y)).toBeCloseTo(ARM, 10);
  });

  it('steadies as the interval shrinks', () => {
    expect(damping({ low: 0.1, high: 0.9 })).toBeLessThan(damping({ low: 0.4, high: 0.6 }));
  });

  it('draws the interval as an arc above the pivot', () => {
    expect(dialPath({ low: 0.25, high: 1 }, 0.25, 100)).toBe('M0.00 -100.00A100 100 0 0 1 30.90 -95.11');
  });
});
