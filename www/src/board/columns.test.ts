import { describe, expect, it } from 'vitest';
import { board as t } from '../i18n/board.en';
import { cellText, columnsOf, shownColumns, sortOf } from './columns';
import { parseRow } from './rows';
import { answer, row } from './example';

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
