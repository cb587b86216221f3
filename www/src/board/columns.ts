// The columns of a table, one describer each: what stands in a cell as text, and how the server sorts by it. Components draw
// those that are more than text.
import { figure, integer, megabytes, parameters } from '../lib/format';
import type { BoardTexts } from '../i18n/board.en';
import { taskScore } from './scores';
import type { Row } from './rows';

/** Columns that every board has; each task has one more, `task:NAME`. */
export const FIXED = [
  'model', 'average', 'type', 'precision', 'quantization', 'parameters', 'size', 'architecture', 'licence', 'merged', 'hash', 'hub', 'flags', 'trust',
  'lane', 'engine', 'author', 'when',
] as const;
export type FixedColumn = (typeof FIXED)[number];
export type ColumnId = FixedColumn | `task:${string}`;

/** Shown unless somebody chooses otherwise; tasks are too, as long as they are few. */
const SHOWN: readonly ColumnId[] = ['average', 'trust', 'precision', 'parameters', 'lane', 'when'];
/** Most tasks that are shown unless somebody chooses otherwise. */
const TASKS_SHOWN = 4;

/** What the server can sort by, where it is not the column's own name. */
const SORTS: Partial<Record<FixedColumn, string>> = { model: 'model', average: 'average', parameters: 'parameters', trust: 'trust', when: 'stored' };

/** How the server sorts by a column; null if it cannot. */
export function sortOf(column: ColumnId): string | null {
  return isTask(column) ? column : (SORTS[column] ?? null);
}

export function isTask(column: ColumnId): column is `task:${string}` {
  return column.startsWith('task:');
}

export function taskOf(column: `task:${string}`): string {
  return column.slice('task:'.length);
}

/** Whether a column's cells are numbers. */
export function isNumber(column: ColumnId): boolean {
  return isTask(column) || ['average', 'parameters', 'size', 'flags'].includes(column);
}

/** All columns that these rows can have; tasks by how many rows have them, then by name. */
export function columnsOf(rows: readonly Row[], asked: readonly string[]): ColumnId[] {
  const counts = new Map<string, number>(asked.map((task) => [task, rows.length + 1]));
  for (const { tasks } of rows) for (const { name } of tasks) counts.set(name, (counts.get(name) ?? 0) + 1);
  const tasks = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]): ColumnId => `task:${name}`);
  const [model, average, ...rest] = FIXED;
  return [model, average, ...tasks, ...rest];
}

/** The columns to show: those chosen, else the usual ones and the first tasks. The model is always there. */
export function shownColumns(all: readonly ColumnId[], chosen: readonly string[] | null): ColumnId[] {
  const usual = new Set<ColumnId>([...SHOWN, ...all.filter(isTask).slice(0, TASKS_SHOWN)]);
  const isShown = (column: ColumnId) => column === 'model' || (chosen ? chosen.includes(column) : usual.has(column));
  return all.filter(isShown);
}

/** The heading of a column. */
export function heading(column: ColumnId, t: BoardTexts): string {
  return isTask(column) ? taskOf(column) : t.column[column].name;
}

/** A cell as text. */
export function cellText(column: ColumnId, row: Row, t: BoardTexts, time: (ms: number) => string): string {
  const { model } = row;
  if (isTask(column)) {
    const task = row.tasks.find(({ name }) => name === taskOf(column));
    const score = task && taskScore(task);
    return score ? figure({ name: task.main ?? '' }, score.value, '') : '–';
  }
  switch (column) {
    case 'model': return model.name;
    case 'average': return row.average === null ? '–' : figure({ name: 'acc' }, row.average, '');
    case 'type': return t.types[model.type] ?? model.type;
    case 'precision': return model.precision;
    case 'quantization': return model.quantization;
    case 'parameters': return parameters(model.parameters);
    case 'size': return `${megabytes(model.size_bytes)} MB`;
    case 'architecture': return model.architecture;
    case 'licence': return model.licence ?? '–';
    case 'merged': return model.merged ? t.yes : t.no;
    case 'hash': return model.sha256.slice(0, 10);
    case 'hub': return model.on_hub ? t.yes : t.no;
    case 'flags': return integer(row.flags);
    case 'trust': return t.trust[row.trust].name;
    case 'lane': return [row.lane.toUpperCase(), row.adapter].filter(Boolean).join(', ');
    case 'engine': return `Jeoul ${row.engine}`;
    case 'author': return row.author.slice(0, 8);
    case 'when': return time(row.stored_ms);
  }
}
