import { describe, expect, it } from 'vitest';
import { adapterOf, sharedLimit } from './post';

describe('a run to post', () => {
  const task = (documents: number, scored: number) => ({ card: { documents }, score: { documents: scored } }) as Parameters<typeof sharedLimit>[0][number];

  it('has one limit, or none', () => {
    expect(sharedLimit([task(60, 60), task(10, 10)])).toBeNull();
    expect(sharedLimit([task(60, 20), task(10, 10), task(100, 20)])).toBe(20);
    expect(sharedLimit([task(60, 20), task(60, 10)])).toBeUndefined();
    expect(sharedLimit([task(60, 20), task(60, 60)])).toBeUndefined();
  });

  it('names its GPU in plain words', () => {
    expect(adapterOf({ lane: 'cpu', adapter: null }, 'nvidia ampere')).toBeNull();
    expect(adapterOf({ lane: 'gpu', adapter: 'x' }, 'nvidia ampere')).toEqual({ vendor: 'nvidia', architecture: 'ampere' });
    expect(adapterOf({ lane: 'gpu', adapter: 'Mesa (TM) ' }, null)).toEqual({ vendor: 'Mesa', architecture: 'TM' });
    expect(adapterOf({ lane: 'gpu', adapter: '' }, '')).toEqual({ vendor: 'unknown', architecture: 'unknown' });
  });
});
