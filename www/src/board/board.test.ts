import { describe, expect, it } from 'vitest';
import { parseOpenRun, withOpenRun } from './answers';
import { cellText, columnsOf, shownColumns, sortOf } from './columns';
import { EventReader, follow } from './events';
import { hex, requestText, signature } from './key';
import { withRoom } from './memory';
import { withRow } from './order';
import { adapterOf, sharedLimit } from './post';
import { apiQuery, EMPTY, filterCount, parseQuery, queryText, sortedBy } from './query';
import { isRoom, parseBoardRoute, parseCode } from './route';
import { parsePage, parseRow, ShapeError, type Row } from './rows';
import { average, ranks, scoreFor, taskScore } from './scores';
import { board as t } from '../i18n/board.en';

/** A row as the board writes it. */
function answer(id: string, score: number, documents = 200): Record<string, unknown> {
  const stderr = Math.sqrt((score * (1 - score)) / (documents - 1));
  const metric = { name: 'acc', filter: 'none', value: score, stderr, higher_is_better: true, chance: 0.25, source: 'answers' };
  return {
    id, board: 'open', author: 'a'.repeat(32), stored_ms: 1, lane: 'cpu', engine: '0.1.0', average: score, trust: 'consistent', disputed: false, flags: 0, hidden: false,
    model: {
      name: id, sha256: 'f'.repeat(64), size_bytes: 98e6, quantization: 'Q4_0', architecture: 'llama', parameters: 135e6, type: 'pretrained', precision: '4-bit', merged: false, on_hub: true,
    },
    tasks: [{ name: 'arc', hash: 'h', label: 'consistent', version: '1', num_fewshot: 0, document_count: documents, metrics: [metric], main: 'acc' }],
  };
}
const row = (id: string, score: number, documents?: number): Row => parseRow(answer(id, score, documents));

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

describe('ranks', () => {
  it('count only who is clearly better', () => {
    // Of 200 documents: 0.57 and 0.55 overlap, 0.31 lies below both. Of 10 documents nothing is told apart from 0.57.
    const scores = [row('a', 0.57), row('b', 0.55), row('d', 0.4, 10), row('c', 0.31)].map((each) => scoreFor(each, 'average', []));
    expect(ranks(scores)).toEqual([1, 1, 1, 3]);
    expect(ranks([null, ...scores])).toEqual([null, 1, 1, 1, 3]);
  });

  it('take a score without an interval as a point', () => {
    expect(ranks([{ value: 0.6, stderr: null, range: null }, { value: 0.5, stderr: null, range: null }])).toEqual([1, 2]);
  });
});

describe('an average', () => {
  it('has the standard error of a mean, and needs every task that is named', () => {
    const two = parseRow({ ...answer('x', 0.5), tasks: [...(answer('x', 0.5)['tasks'] as object[]), { ...(answer('x', 0.7)['tasks'] as object[])[0], name: 'copa' }], average: 0.6 });
    const errors = two.tasks.map((task) => taskScore(task)?.stderr ?? 0);
    expect(average(two)?.stderr).toBeCloseTo(Math.hypot(...errors) / 2);
    expect(average(two, ['copa'])?.value).toBe(0.7);
    expect(average(two, ['copa', 'mmlu'])).toBeNull();
  });
});

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

describe('columns', () => {
  const rows = [row('a', 0.5), parseRow({ ...answer('b', 0.5), tasks: (['x', 'arc', 'b', 'c', 'd', 'e'] as const).map((name) => ({ ...(answer('b', 0.5)['tasks'] as object[])[0], name })) })];

  it('name the most common tasks first, and show a few of them', () => {
    const all = columnsOf(rows, []);
    expect(all.slice(0, 4)).toEqual(['model', 'average', 'task:arc', 'task:b']);
    expect(shownColumns(all, null).filter((column) => column.startsWith('task:'))).toHaveLength(4);
    expect(shownColumns(all, ['licence', 'gone'])).toEqual(['model', 'licence']);
    expect(columnsOf([], ['zzz'])).toContain('task:zzz');
  });

  it('know what the server can sort by', () => {
    expect([sortOf('when'), sortOf('task:arc'), sortOf('licence')]).toEqual(['stored', 'task:arc', null]);
  });

  it('say what stands in a cell', () => {
    const texts = columnsOf(rows, []).map((column) => cellText(column, rows[0]!, t, String));
    expect(texts).toEqual(['a', '50.0', '50.0', '–', '–', '–', '–', '–', 'pretrained', '4-bit', 'Q4_0', '135M', '98 MB', 'llama', '–', 'no', 'ffffffffff', 'yes', '0', 'consistent', 'CPU', 'Jeoul 0.1.0', 'aaaaaaaa', '1']);
  });
});

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

describe('addresses', () => {
  it('lead to tables, models, runs and sides', () => {
    const hash = '0'.repeat(64);
    expect(parseBoardRoute([], '')).toEqual({ view: 'table', board: null, query: '' });
    expect(parseBoardRoute(['open'], 'sort=model')).toEqual({ view: 'table', board: 'open', query: 'sort=model' });
    expect(parseBoardRoute(['open', 'model', hash], '')).toEqual({ view: 'model', board: 'open', hash });
    expect(parseBoardRoute(['open', 'run', hash], '')).toEqual({ view: 'run', board: 'open', id: hash });
    expect(parseBoardRoute(['open', 'log'], '')).toEqual({ view: 'log', board: 'open' });
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

describe('server-sent events', () => {
  it('are read from any pieces', () => {
    const reader = new EventReader();
    const text = 'retry: 2500\nevent: hello\ndata: {}\n\n: alive\n\nevent: row\ndata: {"a":\ndata: 1}\n\n';
    const events = [...text].flatMap((letter) => reader.push(letter));
    expect(events).toEqual([{ name: 'hello', data: '{}' }, { name: 'row', data: '{"a":\n1}' }]);
    expect(reader.retryMs).toBe(2500);
  });

  it('are asked for again when a stream ends, and whoever listens is told of the gap', async () => {
    const streams = [new Response('retry: 1\nevent: a\ndata: 1\n\n'), new Response('event: b\ndata: 2\n\n'), null];
    const heard: string[] = [];
    await follow(async () => streams.shift() ?? null, ({ name }) => heard.push(name), () => heard.push('missed'), new AbortController().signal);
    expect(heard).toEqual(['a', 'missed', 'b']);
  });
});

describe('signing', () => {
  it('covers method, path, time and body, as the board reads it', async () => {
    // SHA-256 of nothing: FIPS 180-2.
    expect(await requestText('DELETE', '/api/submissions/3f', 1764111547000, new Uint8Array())).toBe(
      'jeoul-request/1\nDELETE\n/api/submissions/3f\n1764111547000\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n',
    );
    const key = { publicKey: 'ab', author: 'c', sign: async (bytes: Uint8Array) => `${bytes.length}` };
    expect(await signature(key, 'GET', '/', 5, new Uint8Array())).toBe('ab 5 89');
    expect(hex(new Uint8Array([0, 255]))).toBe('00ff');
  });
});

describe('rooms', () => {
  it('keep what is known of them', () => {
    const opened = withRoom([], { room: 'r', name: 'Class', presenter: 'p', code: 'C', expires_ms: 9 });
    expect(withRoom(opened, { room: 'r', member: 'm' })).toEqual([{ room: 'r', name: 'Class', presenter: 'p', code: 'C', member: 'm', expires_ms: 9, shares: false }]);
    expect(withRoom(opened, { room: 's' }).map(({ room }) => room)).toEqual(['s', 'r']);
  });

  it('show the newest word of each open run', () => {
    const run = (author: string, done: number) => parseOpenRun({ run: 'x', author, model: 'm', tasks: ['t'], state: 'running', done, total: 9, at_ms: 1 });
    const runs = withOpenRun(withOpenRun([run('a', 1)], run('b', 2)), run('a', 3));
    expect(runs.map(({ author, done }) => [author, done])).toEqual([['a', 3], ['b', 2]]);
  });
});

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
