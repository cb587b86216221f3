import { describe, expect, it } from 'vitest';
import { apiQuery, EMPTY, filterCount, parseQuery, queryText, sortedBy } from './query';

describe('a query', () => {
  it('survives its permalink, and leaves out what is usual', () => {
    const query = { ...EMPTY, sort: 'task:arc', order: 'asc' as const, search: 'a&b=?#', tasks: ['arc', 'copa'], trust: 'verified', parameters_max: '1000', latest: true };
    expect(parseQuery(queryText(query))).toEqual(query);
    expect(queryText(EMPTY)).toBe('');
    expect(filterCount(query)).toBe(4);
  });

  it('drops what it does not know', () => {
    expect(parseQuery('sort=constructor&order=up&type=%3Cb%3E&author=me&parameters_min=-1&merged=maybe')).toEqual(EMPTY);
  });

  it('counts weights in millions for people and in ones for the board', () => {
    expect(apiQuery({ ...EMPTY, parameters_min: '500' }, 100, 'ab')).toBe('parameters_min=500000000&limit=100&after=ab');
  });

  it('turns the order at the second press', () => {
    const once = sortedBy(EMPTY, 'model');
    expect([once.order, sortedBy(once, 'model').order, sortedBy(EMPTY, 'average').order]).toEqual(['asc', 'desc', 'asc']);
  });
});
