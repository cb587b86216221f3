import { describe, expect, it } from 'vitest';
import type { TaskCard } from '../engine/generated';
import { ARM, armEnd, damping, dialPath, tilt, TILT_MAX } from './beam';
import { estimate } from './estimate';
import { choicesOf, clampLimit, documentsOf, presetsFor, requestsOf, shotOptions } from './selection';

function task(name: string, more: Partial<TaskCard> = {}): TaskCard {
  return { name, title: name, title_ko: name, language: 'en', documents: 60, num_fewshot: 0, max_fewshot: 10, chance: 0.25, sample: true, ...more };
}
const tasks = [task('science'), task('korean', { language: 'ko', documents: 12 })];

describe('selection', () => {
  it('begins with 20 documents of the first task, zero-shot', () => {
    expect(requestsOf(choicesOf('taste', tasks), tasks)).toEqual([{ task: 'science', num_fewshot: 0, limit: 20 }]);
  });

  it('asks for all documents without a limit', () => {
    const requests = requestsOf(choicesOf('all', tasks), tasks);
    expect(requests.map(({ limit }) => limit)).toEqual([null, null]);
    expect(documentsOf(requests, tasks)).toEqual([60, 12]);
  });

  it('offers a preset only if it chooses something', () => {
    expect(presetsFor([task('science')])).toEqual(['taste', 'all']);
    expect(presetsFor(tasks)).toContain('korean');
  });

  it('offers the shots that the examples allow, and the task’s own', () => {
    expect(shotOptions(task('t', { max_fewshot: 2 }))).toEqual([0, 1, 2]);
    expect(shotOptions(task('t', { num_fewshot: 4 }))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shotOptions(task('t', { max_fewshot: 0 }))).toEqual([0]);
  });

  it('keeps the limit a whole number of documents that exist', () => {
    expect([0, -3, 7.6, 1000, Number.NaN].map((limit) => clampLimit(limit, task('t')))).toEqual([1, 1, 8, 60, 20]);
  });
});

describe('estimate', () => {
  const requests = requestsOf(choicesOf('all', tasks), tasks);

  it('speaks for the task with the fewest documents', () => {
    const few = estimate(requests, tasks, null, 100);
    expect(few).toMatchObject({ documents: 72, tokens: null, ms: null });
    expect(few?.halfWidth).toBeCloseTo(0.246, 3);
  });

  it('knows the time from tokens and speed', () => {
    expect(estimate(requests, tasks, { asked: 5120, computed: 1840 }, 46)?.ms).toBe(40_000);
  });

  it('is nothing without a task', () => {
    expect(estimate([], tasks, null, null)).toBeNull();
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
