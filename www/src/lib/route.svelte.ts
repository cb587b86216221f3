// Hash routes: `#/`, `#/runs`, `#/runs/<id>`, `#/runs/compare/<id>,<id>`, `#/board/…`, `#/join/…`, `#/learn`. Anything else is the first.
import { parseBoardRoute, parseCode, type BoardRoute } from '../board/route';

export type Route =
  | { place: 'weigh' }
  | { place: 'runs'; run: number | null; compare: [number, number] | null }
  | { place: 'board'; at: BoardRoute }
  | { place: 'learn' };

/** What a hash asks for. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const [place, ...parts] = path.split('/');
  if (place === 'learn') return { place };
  if (place === 'board') return { place, at: parseBoardRoute(parts, query) };
  if (place === 'join') return { place: 'board', at: { view: 'join', board: null, code: parseCode(parts[0] ?? '') } };
  if (place !== 'runs') return { place: 'weigh' };
  const [rest, more] = parts;
  const pair = rest === 'compare' ? /^(\d+),(\d+)$/.exec(more ?? '') : null;
  const run = /^\d+$/.test(rest ?? '') ? Number(rest) : null;
  return { place, run, compare: pair && [Number(pair[1]), Number(pair[2])] };
}

class Router {
  current = $state<Route>(parseRoute(location.hash));

  /** Follows the address bar; `onChange` runs after each move. */
  listen(onChange: () => void): () => void {
    const follow = () => {
      this.current = parseRoute(location.hash);
      onChange();
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }

  /** Changes the address without a move: for what a table shows, so that its link can be kept. */
  rename(hash: string): void {
    if (location.hash !== hash) history.replaceState(null, '', hash);
  }
}

export const router = new Router();
