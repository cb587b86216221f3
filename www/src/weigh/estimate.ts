// What a run will cost, before it begins.
import type { TaskRequest } from '../engine/generated';
import { resolution, worstHalfWidth, type Resolution } from '../lib/statistics';
import { documentsOf, type Entry } from './selection';

/** Tokens of a planned run. */
export interface Tokens {
  asked: number;
  computed: number;
  /** Most tokens that generations add. */
  generated: number;
  /** Smallest difference of two models, 0 to 1, that the task with the fewest documents can show; null if none. */
  detectable: number | null;
}

export interface Estimate {
  tasks: number;
  documents: number;
  /** Half-width of the widest 95% interval among the tasks, 0 to 1. */
  halfWidth: number;
  resolution: Resolution;
  tokens: Tokens | null;
  /** Null without tokens or without a measured speed. */
  ms: number | null;
}

/** Null if nothing is chosen. `speed` in tokens per second. */
export function estimate(
  requests: readonly TaskRequest[],
  entries: readonly Entry[],
  tokens: Tokens | null,
  speed: number | null,
): Estimate | null {
  const counts = documentsOf(requests, entries);
  const halfWidth = worstHalfWidth(Math.min(...counts));
  if (counts.length === 0 || halfWidth === null) return null;
  return {
    tasks: counts.length,
    documents: counts.reduce((all, count) => all + count, 0),
    halfWidth,
    resolution: resolution(halfWidth),
    tokens,
    ms: tokens && speed ? ((tokens.computed + tokens.generated) / speed) * 1000 : null,
  };
}
