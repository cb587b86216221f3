import { expect, it, vi } from 'vitest';

vi.stubGlobal('location', { hash: '' });
const { parseRoute } = await import('./route.svelte');

it('reads the places of the page', () => {
  expect(parseRoute('')).toEqual({ place: 'weigh' });
  expect(parseRoute('#/runs')).toEqual({ place: 'runs', run: null, compare: null });
  expect(parseRoute('#/runs/12')).toEqual({ place: 'runs', run: 12, compare: null });
  expect(parseRoute('#/runs/compare/1,12')).toEqual({ place: 'runs', run: null, compare: [1, 12] });
  expect(parseRoute('#/learn')).toEqual({ place: 'learn' });
  expect(parseRoute('#/board/open?search=a/b?c')).toEqual({ place: 'board', at: { view: 'table', board: 'open', query: 'search=a/b?c' } });
  expect(parseRoute('#/join/pyp0g-r0qmz')).toEqual({ place: 'board', at: { view: 'join', board: null, code: 'PYP0GR0QMZ' } });
});

it('shows the first place for what it does not know', () => {
  expect(parseRoute('#/admin')).toEqual({ place: 'weigh' });
  for (const hash of ['#/runs/x', '#/runs/compare/1', '#/runs/compare/1,x']) {
    expect(parseRoute(hash)).toEqual({ place: 'runs', run: null, compare: null });
  }
});
