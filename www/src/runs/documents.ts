// Reading scored documents: which are right, how clearly, and which to show. Picks and scores are the engine's.
import type { ChoiceResult, DocumentResult } from '../engine/generated';

/** Which pick counts: by log-likelihood, or by log-likelihood per character. */
export type Judge = 'acc' | 'acc_norm';
export const FILTERS = ['all', 'wrong', 'close'] as const;
export type Filter = (typeof FILTERS)[number];
export const ORDERS = ['document', 'lowest', 'highest'] as const;
export type Order = (typeof ORDERS)[number];

/** Below this distance between right and best other choice a document is close, in nats and in nats per character. */
const CLOSE: Record<Judge, number> = { acc: 0.5, acc_norm: 0.05 };

/** The judge that a metric's name stands for. */
export function judgeOf(metric: string | undefined): Judge {
  return metric === 'acc_norm' ? 'acc_norm' : 'acc';
}

export function perCharacter({ text, loglikelihood }: ChoiceResult): number {
  return loglikelihood / Math.max(1, [...text].length);
}

export function pickOf(document: DocumentResult, judge: Judge): number {
  return judge === 'acc' ? document.pick : document.pick_norm;
}

export function isRight(document: DocumentResult, judge: Judge): boolean {
  return pickOf(document, judge) === document.gold;
}

/** The right choice's log-likelihood (per character for `acc_norm`) minus the best other one's; 0 without another. */
export function margin(document: DocumentResult, judge: Judge): number {
  const measure = (choice: ChoiceResult) => (judge === 'acc' ? choice.loglikelihood : perCharacter(choice));
  const gold = document.choices[document.gold];
  const others = document.choices.filter((_, index) => index !== document.gold);
  return gold && others.length > 0 ? measure(gold) - Math.max(...others.map(measure)) : 0;
}

/** Each choice's share of the probability that all choices have together. */
export function shares(choices: readonly Pick<ChoiceResult, 'loglikelihood'>[]): number[] {
  const best = Math.max(...choices.map((choice) => choice.loglikelihood));
  const weights = choices.map((choice) => Math.exp(choice.loglikelihood - best));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The prompt in one line, for lists. */
export function firstGlance(document: DocumentResult): string {
  return document.prompt.replace(/\s+/g, ' ').trim();
}

function contains(document: DocumentResult, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [document.prompt, ...document.choices.map((choice) => choice.text)].join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}

export interface View {
  query: string;
  filter: Filter;
  order: Order;
  judge: Judge;
}

/** The documents that a view shows, in its order. */
export function select(documents: readonly DocumentResult[], { query, filter, order, judge }: View): DocumentResult[] {
  const fits = (document: DocumentResult) => {
    if (filter === 'wrong') return !isRight(document, judge);
    return filter === 'all' || Math.abs(margin(document, judge)) < CLOSE[judge];
  };
  const shown = documents.filter((document) => fits(document) && contains(document, query));
  if (order === 'document') return shown;
  const sign = order === 'lowest' ? 1 : -1;
  return shown.sort((a, b) => sign * (margin(a, judge) - margin(b, judge)));
}
