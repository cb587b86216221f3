import { describe, expect, it } from 'vitest';
import { withRow } from './order';
import { EMPTY } from './query';
import type { Row } from './rows';
import { row } from './example';

describe('a row that comes in', () => {
  const rows = [row('a', 0.6), row('b', 0.4)];
  const ids = (all: readonly Row[] | null) => all?.map(({ id }) => id);

  it('goes where the server would put it', () => {
    expect(ids(withRow(rows, row('c', 0.5), EMPTY))).toEqual(['a', 'c', 'b']);
    expect(ids(withRow(rows, row('c', 0.1), EMPTY))).toEqual(['a', 'b', 'c']);
    // Of equal scores the higher id comes first, as in the server's order.
    expect(ids(withRow(rows, row('c', 0.4), EMPTY))).toEqual(['a', 'c', 'b']);
    expect(ids(withRow(rows.toReversed(), row('c', 0.5), { ...EMPTY, order: 'asc' }))).toEqual(['b', 'c', 'a']);
    expect(ids(withRow(rows, row('b', 0.9), EMPTY))).toEqual(['b', 'a']);
  });

  it('is left to the server where rows are filtered', () => {
    expect(withRow(rows, row('c', 0.5), { ...EMPTY, search: 'c' })).toBeNull();
    expect(ids(withRow(rows, row('c', 0.5), { ...EMPTY, sort: 'task:other' }))).toEqual(['a', 'b']);
  });
});
