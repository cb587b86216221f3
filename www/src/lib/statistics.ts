// What a number of documents can show. Scores and standard errors themselves come from the engine.
import type { MetricResult } from '../engine/generated';

/** Standard errors to either side of a mean that hold 95% of a normal distribution. */
const Z = 1.96;

/** A range of scores, 0 to 1. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Wilson's 95% interval for the share of right answers among `documents`; null without any. Unlike score ± 1.96 standard
 * errors it stays honest for few documents, and does not shrink to nothing where all are right.
 */
export function interval(share: number, documents: number): Interval | null {
  if (documents < 1) return null;
  const z2n = (Z * Z) / documents;
  const middle = (share + z2n / 2) / (1 + z2n);
  const half = (Z / (1 + z2n)) * Math.sqrt((share * (1 - share)) / documents + z2n / documents / 4);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** Half the width of the interval of a score of one half, the widest there is; null without documents. */
export function worstHalfWidth(documents: number): number | null {
  const range = interval(0.5, documents);
  return range && (range.high - range.low) / 2;
}

/** What an interval of this half-width is good for; the page has a sentence for each. */
export type Resolution = 'glimpse' | 'guessing' | 'coarse' | 'fine';

export function resolution(halfWidth: number): Resolution {
  if (halfWidth > 0.25) return 'glimpse';
  if (halfWidth > 0.1) return 'guessing';
  return halfWidth > 0.04 ? 'coarse' : 'fine';
}

/** Metrics that are the share of documents a model has right, 0 to 1. */
const SHARES = ['acc', 'acc_norm', 'acc_bytes', 'acc_mutual_info', 'exact_match'];

/** Whether a metric is a share of documents, for which an interval can be given. */
export function isShare({ name }: Pick<MetricResult, 'name'>): boolean {
  return SHARES.includes(name);
}

/** Where a score lies: `above` or `below` only where its whole interval does. */
export type Side = 'above' | 'below' | 'unclear';

/** Null where guessing gives nothing. */
export function sideOfChance({ value, chance }: Pick<MetricResult, 'value' | 'chance'>, documents: number): Side | null {
  if (chance === null) return null;
  const range = interval(value, documents);
  if (!range) return 'unclear';
  if (range.low > chance) return 'above';
  return range.high < chance ? 'below' : 'unclear';
}
