// Small settings that outlive a tab. Storage may be refused or hold anything; then the default holds.

const PREFIX = 'jeoul.';

/** The stored text, or null. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** The stored text if it is one of `allowed`, else the first of them. */
export function recallOne<T extends string>(key: string, allowed: readonly [T, ...T[]]): T {
  const stored = recall(key);
  return allowed.find((value) => value === stored) ?? allowed[0];
}

/** The stored number if it is above 0, else null. */
export function recallPositive(key: string): number | null {
  const stored = Number(recall(key) ?? Number.NaN);
  return Number.isFinite(stored) && stored > 0 ? stored : null;
}

/** Forgets a text, if the browser lets us. */
export function forget(key: string): void {
  try {
    localStorage.removeItem(PREFIX + key);
  } catch {
    // It was not stored either.
  }
}

/** Stores a text, if the browser lets us. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Private windows may refuse; the setting then lives as long as the tab.
  }
}
