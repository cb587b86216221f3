// Where in the board a hash leads. A board is named by its id; a room is a board whose id has 16 hexadecimal digits.
//
// `#/board`, `#/board/<board>?<query>`, `#/board/<board>/model/<hash>`, `#/board/<board>/run/<id>`,
// `#/board/<board>/about|post|log|rooms|moderation`, `#/join`, `#/join/<code>`.

export const SIDES = ['rooms', 'post', 'about', 'log', 'moderation'] as const;
export type Side = (typeof SIDES)[number];

export type BoardRoute =
  /** `board` is null for the first public one. */
  | { view: 'table'; board: string | null; query: string }
  | { view: 'model'; board: string; hash: string }
  | { view: 'run'; board: string; id: string }
  | { view: Side; board: string | null }
  | { view: 'join'; board: null; code: string };

const NAME = /^[a-z0-9-]{1,40}$/;
const HASH = /^[0-9a-f]{64}$/;

/** The part of a hash after `board`, split at slashes, and its query. */
export function parseBoardRoute(parts: readonly string[], query: string): BoardRoute {
  const [name = '', side = '', argument = ''] = parts;
  const board = NAME.test(name) ? name : null;
  if (board && side === 'model' && HASH.test(argument)) return { view: 'model', board, hash: argument };
  if (board && side === 'run' && HASH.test(argument)) return { view: 'run', board, id: argument };
  const known = SIDES.find((each) => each === side);
  return known ? { view: known, board } : { view: 'table', board, query };
}

/** A code as people type it: in either case, with dashes or spaces. What is none of it is dropped. */
export function parseCode(text: string): string {
  return text.toUpperCase().replace(/[^0-9A-Z]/g, '').slice(0, 10);
}

/** Whether a board's id is a room's. */
export function isRoom(board: string): boolean {
  return /^[0-9a-f]{16}$/.test(board);
}

/** Links within the board. */
export const links = {
  table: (board: string, query = '') => `#/board/${board}${query && `?${query}`}`,
  side: (board: string | null, side: Side) => `#/board/${board ?? 'open'}/${side}`,
  model: (board: string, hash: string) => `#/board/${board}/model/${hash}`,
  run: (board: string, id: string) => `#/board/${board}/run/${id}`,
  join: (code: string) => `#/join/${code}`,
};
