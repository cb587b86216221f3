// Reading scored documents: which are right, how clearly, and which to show. Picks and scores are the engine's.
import type { DocumentResult, MetricResult } from '../engine/generated';

/** Which figure judges a document: a metric under one of its filters. */
export type Judge = Pick<MetricResult, 'name' | 'filter'>;
export const FILTERS = ['all', 'wrong', 'close'] as const;
export type Filter = (typeof FILTERS)[number];
export const ORDERS = ['document', 'lowest', 'highest'] as const;
export type Order = (typeof ORDERS)[number];

/** A text whose probability was asked for. */
export interface Scored {
  text: string;
  loglikelihood: number;
  tokens: number[];
  isGreedy: boolean;
}

/** Below this distance between right and best other choice a document is close, in nats and in nats per character. */
const CLOSE = { total: 0.5, perCharacter: 0.05 };
/** Metrics whose value for a document says whether it is right. */
const RIGHT = ['acc', 'acc_norm', 'acc_bytes', 'acc_mutual_info', 'exact_match'];

export const ACC: Judge = { name: 'acc', filter: 'none' };

export function isSame(a: Judge, b: Judge): boolean {
  return a.name === b.name && a.filter === b.filter;
}

/** The texts that were scored: the choices, or the one continuation; none for generations. */
export function scored({ choices, requests }: DocumentResult): Scored[] {
  return requests.slice(0, Math.max(1, choices.length)).flatMap(({ answer, continuation }, index): Scored[] => {
    if (answer.type !== 'loglikelihood') return [];
    const text = choices[index] ?? continuation ?? '';
    return [{ text, loglikelihood: answer.sum, tokens: answer.token_logprobs, isGreedy: answer.is_greedy }];
  });
}

/** What was read and scored where each choice has a text of its own before it; null where all share the prompt. */
export function ownContexts({ choices, requests, fewshot_context }: DocumentResult): { context: string; continuation: string }[] | null {
  const own = requests.slice(0, choices.length).map(({ context, continuation }) => ({
    // The examples before it are shown once, above.
    context: context?.startsWith(fewshot_context) ? context.slice(fewshot_context.length) : (context ?? ''),
    continuation: continuation ?? '',
  }));
  return requests[0]?.context != null && own.length > 0 ? own : null;
}

/** What the model wrote; null where it was not asked to. */
export function written({ requests }: DocumentResult): string[] | null {
  const answer = requests[0]?.answer;
  return answer?.type === 'texts' ? answer.texts : null;
}

export function perCharacter({ text, loglikelihood }: Pick<Scored, 'text' | 'loglikelihood'>): number {
  return loglikelihood / Math.max(1, [...text].length);
}

export function pickOf(document: DocumentResult, judge: Judge): number | null {
  return judge.name === 'acc_norm' ? document.pick_norm : document.pick;
}

/** The document's own value of the judge; null where only many documents have one. */
export function valueOf(document: DocumentResult, judge: Judge): number | null {
  return document.metrics.find((metric) => isSame(metric, judge))?.value ?? null;
}

/** Null where the judge does not say. */
export function isRight(document: DocumentResult, judge: Judge): boolean | null {
  const value = valueOf(document, judge);
  return value === null || !RIGHT.includes(judge.name) ? null : value >= 0.5;
}

/** The best right choice's log-likelihood (per character for `acc_norm`) minus the best other one's; null without either. */
export function margin(document: DocumentResult, judge: Judge): number | null {
  const measure = (choice: Scored) => (judge.name === 'acc_norm' ? perCharacter(choice) : choice.loglikelihood);
  const isGold = (index: number) => document.gold.includes(index);
  const choices = document.choices.length > 0 ? scored(document) : [];
  const right = choices.filter((_, index) => isGold(index)).map(measure);
  const others = choices.filter((_, index) => !isGold(index)).map(measure);
  return right.length > 0 && others.length > 0 ? Math.max(...right) - Math.max(...others) : null;
}

/** Each choice's share of the probability that all choices have together. */
export function shares(choices: readonly Pick<Scored, 'loglikelihood'>[]): number[] {
  const best = Math.max(...choices.map((choice) => choice.loglikelihood));
  const weights = choices.map((choice) => Math.exp(choice.loglikelihood - best));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Characters of a question that lists show: its end is what is asked. */
const GLANCE_MAX = 400;

/** The question in one line, for lists: the prompt, or the right choice where the choices are the questions. */
export function firstGlance({ prompt, choices, gold }: DocumentResult): string {
  const text = prompt.trim() === '' ? (choices[gold[0] ?? 0] ?? '') : prompt;
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > GLANCE_MAX ? `…${line.slice(-GLANCE_MAX)}` : line;
}

/** The beginning that all texts share, up to its last whole line. */
function sharedBeginning(texts: readonly string[]): string {
  const shared = texts.reduce((all, text) => {
    let length = 0;
    while (length < all.length && all[length] === text[length]) length += 1;
    return all.slice(0, length);
  });
  return shared.slice(0, shared.lastIndexOf('\n') + 1);
}

/** First glances at documents that are conversations: what the template writes around each is left out. */
export function conversationGlances(documents: readonly DocumentResult[]): Map<number, string> {
  const prompts = documents.map(({ prompt }) => prompt);
  if (new Set(prompts).size < 2) return new Map(documents.map((document) => [document.doc_id, firstGlance(document)]));
  const reversed = (text: string) => [...text].reverse().join('');
  const before = sharedBeginning(prompts).length;
  const after = sharedBeginning(prompts.map((prompt) => reversed(prompt.slice(before)))).length;
  return new Map(
    documents.map((document) => [document.doc_id, firstGlance({ ...document, prompt: document.prompt.slice(before, document.prompt.length - after) })]),
  );
}

function contains(document: DocumentResult, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [document.prompt, document.target, ...document.choices, ...(written(document) ?? [])].join('\n').toLowerCase();
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
  const close = judge.name === 'acc_norm' ? CLOSE.perCharacter : CLOSE.total;
  const fits = (document: DocumentResult) => {
    if (filter === 'wrong') return isRight(document, judge) === false;
    return filter === 'all' || Math.abs(margin(document, judge) ?? Infinity) < close;
  };
  const shown = documents.filter((document) => fits(document) && contains(document, query));
  if (order === 'document') return shown;
  const sign = order === 'lowest' ? 1 : -1;
  const rank = (document: DocumentResult) => margin(document, judge) ?? valueOf(document, judge) ?? 0;
  return shown.sort((a, b) => sign * (rank(a) - rank(b)));
}
