import { expect, it } from 'vitest';
import { integer, megabytes, nats, parameters, points, spoken } from './format';

it('writes numbers as people read them', () => {
  expect(points(0.4531)).toBe('45.3');
  expect(integer(1840.4)).toBe('1,840');
  expect(megabytes(98_362_432)).toBe('98');
  expect(megabytes(41_250_000, 1)).toBe('41.3');
  expect(nats(-3.456)).toBe('−3.46');
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
