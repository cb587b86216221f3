import { expect, it } from 'vitest';
import { interval, resolution, sideOfChance, worstHalfWidth } from './statistics';

it('gives the interval of Wilson 1927', () => {
  // 10 of 20: statsmodels 0.14, proportion_confint(10, 20, method="wilson") = (0.2993, 0.7007)
  const range = interval(0.5, 20)!;
  expect(range.low).toBeCloseTo(0.2993, 4);
  expect(range.high).toBeCloseTo(0.7007, 4);
});

it('does not claim certainty where all of few documents are right', () => {
  const range = interval(1, 3)!;
  expect(range.high).toBe(1);
  expect(range.low).toBeCloseTo(3 / (3 + 1.96 ** 2), 10);
});

it('has no interval without documents', () => {
  expect(interval(0, 0)).toBeNull();
  expect(worstHalfWidth(0)).toBeNull();
});

it('halves the half-width with about four times the documents', () => {
  expect(worstHalfWidth(400)! / worstHalfWidth(100)!).toBeCloseTo(0.5, 1);
});

it('says what a half-width is good for', () => {
  expect([5, 20, 200, 2000].map((n) => resolution(worstHalfWidth(n)!))).toEqual(['glimpse', 'guessing', 'coarse', 'fine']);
});

it('calls a score above chance only if the whole interval is', () => {
  expect(sideOfChance({ value: 0.6, chance: 0.25 }, 20)).toBe('above');
  expect(sideOfChance({ value: 0.4, chance: 0.25 }, 20)).toBe('unclear');
  expect(sideOfChance({ value: 0.05, chance: 0.5 }, 20)).toBe('below');
});
