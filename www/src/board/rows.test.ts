import { describe, expect, it } from 'vitest';
import { parsePage, parseRow, ShapeError } from './rows';
import { answer, row } from './example';

describe('an answer', () => {
  it('is read, and what it leaves out is null', () => {
    const { average: mean, adapter, model, tasks } = row('x', 0.5);
    expect([mean, adapter, model.licence, tasks[0]?.main]).toEqual([0.5, null, null, 'acc']);
    expect(parsePage({ rows: [answer('x', 0.5)] })).toMatchObject({ next: null, total: null });
  });

  it('of another shape is refused with its place', () => {
    expect(() => parseRow({ ...answer('x', 0.5), model: 7 })).toThrow(new ShapeError('model'));
    expect(() => parseRow({ ...answer('x', 0.5), flags: '3' })).toThrow(new ShapeError('row.flags'));
    expect(() => parsePage([])).toThrow(ShapeError);
  });

  it('with a label of the future is trusted least', () => {
    expect(parseRow({ ...answer('x', 0.5), trust: 'sworn' }).trust).toBe('self-reported');
  });
});
