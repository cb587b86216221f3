// How far scores of a table can be told apart: an interval for each, and a rank that only counts who is clearly better.
import { interval, isShare, type Interval } from '../lib/statistics';
import { mainMetric, type Row, type RowTask } from './rows';

/** Standard errors to either side of a mean that hold 95% of a normal distribution. */
const Z = 1.96;

export interface Score {
  /** 0 to 1. */
  value: number;
  stderr: number | null;
  /** 95%; null where nothing is known of it. */
  range: Interval | null;
}

/** A task's score; Wilson's interval where it is a share of documents, else value ± 1.96 standard errors. */
export function taskScore(task: RowTask): Score | null {
  const metric = mainMetric(task);
  if (metric === null || metric.value === null) return null;
  const { value, stderr } = metric;
  const range = isShare(metric) ? interval(value, task.document_count) : around(value, stderr);
  return { value, stderr, range };
}

function around(value: number, stderr: number | null): Interval | null {
  return stderr === null ? null : { low: value - Z * stderr, high: value + Z * stderr };
}

/**
 * The mean over the main metrics of `names`, or of all tasks if there are none; its standard error is that of a mean of
 * independent figures, unknown where the board weighted them as their group says. Null if a named task is missing.
 */
export function average(row: Row, names: readonly string[] = []): Score | null {
  const chosen = names.length === 0 ? row.tasks : names.flatMap((name) => row.tasks.find((task) => task.name === name) ?? []);
  const scores = chosen.map(taskScore).filter((score) => score !== null);
  if (scores.length === 0 || scores.length < names.length) return null;
  const plain = mean(scores.map(({ value }) => value));
  const value = row.average !== null && names.length === 0 ? row.average : plain;
  if (Math.abs(value - plain) > 1e-9) return { value, stderr: null, range: null };
  const only = scores.length === 1 ? scores[0] : undefined;
  if (only) return { ...only, value };
  const errors = scores.map(({ stderr }) => stderr);
  const known = errors.filter((error) => error !== null);
  if (known.length < errors.length) return { value, stderr: null, range: null };
  const stderr = Math.sqrt(known.reduce((sum, error) => sum + error * error, 0)) / known.length;
  return { value, stderr, range: around(value, stderr) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What a row of a sorted table is ranked by; null for orders that are no ranking. */
export function scoreFor(row: Row, sort: string, tasks: readonly string[]): Score | null {
  if (sort === 'average') return average(row, tasks);
  const task = sort.startsWith('task:') ? row.tasks.find(({ name }) => `task:${name}` === sort) : undefined;
  return task ? taskScore(task) : null;
}

/**
 * Ranks of scores that are sorted from the best: 1 + how many are clearly better, which is to say that their whole interval lies
 * above. Rows with the same rank have not been told apart from the best of them. A score without an interval counts as a point.
 * Null where there is no score.
 */
export function ranks(scores: readonly (Score | null)[]): (number | null)[] {
  const ends = (score: Score) => score.range ?? { low: score.value, high: score.value };
  const lows = scores.flatMap((score) => (score ? [ends(score).low] : [])).sort((a, b) => b - a);
  return scores.map((score) => {
    if (!score) return null;
    const { high } = ends(score);
    let [from, to] = [0, lows.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (lows[middle]! > high) from = middle + 1;
      else to = middle;
    }
    return from + 1;
  });
}
