import { describe, expect, it } from 'vitest';
import { planThreads } from './threads';

describe('planThreads', () => {
  it('takes all cores up to eight', () => {
    expect([2, 8, 64].map((cores) => planThreads(true, cores))).toEqual([2, 8, 8]);
  });

  it('says why there can be one only', () => {
    expect(planThreads(false, 8)).toBe('notIsolated');
    expect(planThreads(true, 1)).toBe('oneCore');
    // Some browsers do not tell.
    expect(planThreads(true, NaN)).toBe('oneCore');
  });
});
