import { describe, expect, it } from 'vitest';
import { parseOpenRun, withOpenRun } from './answers';
import { withRoom } from './memory';

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
