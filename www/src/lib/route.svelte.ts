// Hash routes: `#/`, `#/runs`, `#/runs/<id>`, `#/runs/compare/<id>,<id>`, `#/learn`. Anything else is the first.

export type Route = { place: 'weigh' } | { place: 'runs'; run: number | null; compare: [number, number] | null } | { place: 'learn' };

/** What a hash asks for. */
export function parseRoute(hash: string): Route {
  const [place, rest, more] = hash.replace(/^#?\/?/, '').split('/');
  if (place === 'learn') return { place };
  if (place !== 'runs') return { place: 'weigh' };
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
}

export const router = new Router();
