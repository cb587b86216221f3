import { expect, it } from 'vitest';
import { figure, integer, megabytes, nats, parameters, points, pValue, signed, spoken } from './format';

it('writes numbers as people read them', () => {
  expect(points(0.4531)).toBe('45.3');
  expect(integer(1840.4)).toBe('1,840');
  expect(megabytes(98_362_432)).toBe('98');
  expect(megabytes(41_250_000, 1)).toBe('41.3');
  expect(nats(-3.456)).toBe('−3.46');
});

it('writes shares as percent and other figures as they are', () => {
  const of = (name: string, value: number) => figure({ name, value });
  expect([of('acc', 0.4531), of('pearson', -0.5), of('bleu', 31.07), of('acc', Number.NaN)]).toEqual(['45.3%', '−0.50', '31.07', '–']);
  expect([0.05, -0.05, 0, -0.0001].map((difference) => signed({ name: 'acc' }, difference))).toEqual(['+5.0', '−5.0', '0.0', '0.0']);
  expect(signed({ name: 'perplexity' }, -1.256)).toBe('−1.26');
});

it('writes a very small probability as a bound', () => {
  expect([0.0004, 0.0416, 1].map(pValue)).toEqual(['< 0.001', '0.042', '1.000']);
});

it('shortens counts of parameters', () => {
  expect([134_515_008, 1_235_814_400, 180_224, 12].map(parameters)).toEqual(['135M', '1.2B', '180K', '12']);
});

it('says durations in parts that people say', () => {
  expect(spoken(200)).toEqual({ seconds: 1 });
  expect(spoken(89_400)).toEqual({ seconds: 89 });
  expect(spoken(90_000)).toEqual({ minutes: 1, seconds: 30 });
  expect(spoken(3_600_000)).toEqual({ hours: 1, minutes: 0 });
});
