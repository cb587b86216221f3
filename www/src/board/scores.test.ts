import { describe, expect, it } from 'vitest';
import { parseRow } from './rows';
import { answer, row } from './example';
import { average, ranks, scoreFor, taskScore } from './scores';

describe('ranks', () => {
  it('count only who is clearly better', () => {
    // Of 200 documents: 0.57 and 0.55 overlap, 0.31 lies below both. Of 10 documents nothing is told apart from 0.57.
    const scores = [row('a', 0.57), row('b', 0.55), row('d', 0.4, 10), row('c', 0.31)].map((each) => scoreFor(each, 'average', []));
    expect(ranks(scores)).toEqual([1, 1, 1, 3]);
    expect(ranks([null, ...scores])).toEqual([null, 1, 1, 1, 3]);
  });

  it('take a score without an interval as a point', () => {
    expect(ranks([{ value: 0.6, stderr: null, range: null }, { value: 0.5, stderr: null, range: null }])).toEqual([1, 2]);
  });
});

describe('an average', () => {
  it('has the standard error of a mean, and needs every task that is named', () => {
    const two = parseRow({ ...answer('x', 0.5), tasks: [...(answer('x', 0.5)['tasks'] as object[]), { ...(answer('x', 0.7)['tasks'] as object[])[0], name: 'copa' }], average: 0.6 });
    const errors = two.tasks.map((task) => taskScore(task)?.stderr ?? 0);
    expect(average(two)?.stderr).toBeCloseTo(Math.hypot(...errors) / 2);
    expect(average(two, ['copa'])?.value).toBe(0.7);
    expect(average(two, ['copa', 'mmlu'])).toBeNull();
  });

  it('that the board weighted has no standard error here', () => {
    const both = [...(answer('x', 0.5)['tasks'] as object[]), { ...(answer('x', 0.7)['tasks'] as object[])[0], name: 'copa' }];
    expect(average(parseRow({ ...answer('x', 0.5), tasks: both, average: 0.65 }))).toEqual({ value: 0.65, stderr: null, range: null });
  });
});
