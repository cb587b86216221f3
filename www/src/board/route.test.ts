import { describe, expect, it } from 'vitest';
import { isRoom, parseBoardRoute, parseCode } from './route';

describe('addresses', () => {
  it('lead to tables, models, runs and sides', () => {
    const hash = '0'.repeat(64);
    expect(parseBoardRoute([], '')).toEqual({ view: 'table', board: null, query: '' });
    expect(parseBoardRoute(['open'], 'sort=model')).toEqual({ view: 'table', board: 'open', query: 'sort=model' });
    expect(parseBoardRoute(['open', 'model', hash], '')).toEqual({ view: 'model', board: 'open', hash });
    expect(parseBoardRoute(['open', 'run', hash], '')).toEqual({ view: 'run', board: 'open', id: hash });
    expect(parseBoardRoute(['open', 'log'], '')).toEqual({ view: 'log', board: 'open' });
    expect(parseBoardRoute(['open', 'moderation'], '')).toEqual({ view: 'moderation', board: 'open' });
  });

  it('that lead nowhere show the table, and never become part of a request', () => {
    expect(parseBoardRoute(['../../x', 'run', 'y'], '')).toEqual({ view: 'table', board: null, query: '' });
    expect(parseBoardRoute(['open', 'run', '../x'], '')).toEqual({ view: 'table', board: 'open', query: '' });
  });

  it('take codes as people type them', () => {
    expect(parseCode(' pyp0g-r0qmz ')).toBe('PYP0GR0QMZ');
    expect([isRoom('0123456789abcdef'), isRoom('open')]).toEqual([true, false]);
  });
});
