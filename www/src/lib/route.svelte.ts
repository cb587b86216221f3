// Hash routes: `#/`, `#/runs`, `#/runs/<id>`, `#/learn`. Anything else is the first.

export type Route = { place: 'weigh' } | { place: 'runs'; run: number | null } | { place: 'learn' };

/** What a hash asks for. */
export function parseRoute(hash: string): Route {
  const [place, rest] = hash.replace(/^#?\/?/, '').split('/');
  if (place === 'learn') return { place };
  if (place !== 'runs') return { place: 'weigh' };
  return { place, run: rest && /^\d+$/.test(rest) ? Number(rest) : null };
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
