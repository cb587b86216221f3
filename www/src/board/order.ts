// Where a row that has just come in belongs, so that a class that posts at once need not ask for the whole table each time.
import { filterCount, type Query } from './query';
import { mainMetric, TRUST, type Row } from './rows';

/** What the server sorts by; null if the row is not in this order at all. */
function keyOf(row: Row, sort: string): number | string | null {
  switch (sort) {
    case 'average': return row.average ?? -1e300; // as the server: after all others
    case 'stored': return row.stored_ms;
    case 'model': return row.model.name;
    case 'parameters': return row.model.parameters;
    case 'trust': return TRUST.indexOf(row.trust);
    default: {
      const task = row.tasks.find(({ name }) => `task:${name}` === sort);
      return (task && mainMetric(task)?.value) ?? null;
    }
  }
}

/** The rows with one more in its place; null where only the server knows, because rows are filtered. */
export function withRow(rows: readonly Row[], row: Row, query: Query): Row[] | null {
  if (filterCount(query) > 0 || query.search !== '') return null;
  const key = keyOf(row, query.sort);
  const rest = rows.filter(({ id }) => id !== row.id);
  if (key === null) return rest;
  const sign = query.order === 'asc' ? 1 : -1;
  const isBehind = (other: Row) => {
    const theirs = keyOf(other, query.sort);
    if (theirs === null) return true;
    const order = theirs === key ? (other.id < row.id ? -1 : 1) : theirs < key ? -1 : 1;
    return order * sign > 0;
  };
  const place = rest.findIndex(isBehind);
  return place < 0 ? [...rest, row] : rest.toSpliced(place, 0, row);
}
