// What a table is asked for: the part of a permalink after `?`, and the same as the API's query.
import { LANES, PRECISIONS, TRUST, TYPES } from './rows';

export interface Query {
  /** `average`, `stored`, `model`, `parameters`, `trust` or `task:NAME`. */
  sort: string;
  order: 'desc' | 'asc';
  search: string;
  /** Only rows with all of these tasks; the average is over them. */
  tasks: string[];
  type: string;
  precision: string;
  lane: string;
  /** Lowest label. */
  trust: string;
  architecture: string;
  licence: string;
  author: string;
  merged: '' | 'true' | 'false';
  on_hub: '' | 'true' | 'false';
  /** Millions of weights; empty for no bound. */
  parameters_min: string;
  parameters_max: string;
  /** Only the newest run of each author and model. */
  latest: boolean;
}

export const EMPTY: Query = {
  sort: 'average', order: 'desc', search: '', tasks: [], type: '', precision: '', lane: '', trust: '', architecture: '', licence: '',
  author: '', merged: '', on_hub: '', parameters_min: '', parameters_max: '', latest: false,
};

const TRUTHS = ['true', 'false'] as const;

function oneOf<T extends string>(allowed: readonly T[], text: string | null): T | '' {
  return allowed.find((each) => each === text) ?? '';
}

/** Reads a permalink; what is not understood is left out. */
export function parseQuery(text: string): Query {
  const given = new URLSearchParams(text);
  const get = (name: string) => given.get(name) ?? '';
  const sort = get('sort');
  const count = (name: string) => (/^\d{1,7}$/.test(get(name)) ? get(name) : '');
  return {
    sort: /^(stored|model|parameters|trust|task:.+)$/.test(sort) ? sort : 'average',
    order: get('order') === 'asc' ? 'asc' : 'desc',
    search: get('search'),
    tasks: get('tasks').split(',').filter(Boolean),
    type: oneOf(TYPES, get('type')),
    precision: oneOf(PRECISIONS, get('precision')),
    lane: oneOf(LANES, get('lane')),
    trust: oneOf(TRUST, get('trust')),
    architecture: get('architecture'),
    licence: get('licence'),
    author: /^[0-9a-f]{32}$/.test(get('author')) ? get('author') : '',
    merged: oneOf(TRUTHS, get('merged')),
    on_hub: oneOf(TRUTHS, get('on_hub')),
    parameters_min: count('parameters_min'),
    parameters_max: count('parameters_max'),
    latest: get('latest') === 'true',
  };
}

/** The permalink's query: only what differs from [`EMPTY`]. */
export function queryText(query: Query): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const empty: unknown = EMPTY[name as keyof Query];
    const written = Array.isArray(value) ? value.join(',') : String(value);
    if (written !== String(empty)) text.set(name, written);
  }
  return text.toString();
}

/** The API's query; `after` is `next` of the page before. */
export function apiQuery(query: Query, limit: number, after: string | null): string {
  const text = new URLSearchParams(queryText(query));
  for (const name of ['parameters_min', 'parameters_max']) {
    const millions = text.get(name);
    if (millions !== null) text.set(name, String(Number(millions) * 1e6));
  }
  text.set('limit', String(limit));
  if (after !== null) text.set('after', after);
  return text.toString();
}

/** How many filters narrow the table. */
export function filterCount(query: Query): number {
  const names = Object.keys(EMPTY).filter((name) => name !== 'sort' && name !== 'order' && name !== 'search');
  const written = new URLSearchParams(queryText(query));
  return names.filter((name) => written.has(name)).length;
}

/** The query sorted by a column: its own direction first, turned round at the second press. */
export function sortedBy(query: Query, sort: string): Query {
  const first = sort === 'model' ? 'asc' : 'desc';
  const order = query.sort === sort ? (query.order === 'desc' ? 'asc' : 'desc') : first;
  return { ...query, sort, order };
}
