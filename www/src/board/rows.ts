// What a board says, looked at before it is believed: everything in a row was written by somebody.
import type { ModelType, TrustLabel } from '../engine/generated';

export type { TrustLabel } from '../engine/generated';

export const TRUST: readonly TrustLabel[] = ['self-reported', 'consistent', 'reproduced', 'verified'];
export const TYPES: readonly ModelType[] = ['pretrained', 'fine-tuned', 'instruction-tuned', 'rl-tuned'];
export const PRECISIONS = ['F32', 'F16', 'BF16', '8-bit', '4-bit', 'GPTQ'] as const;
export const LANES = ['cpu', 'gpu', 'reference'] as const;

/** A metric as the board's check found it. */
export interface RowMetric {
  name: string;
  filter: string;
  value: number | null;
  stderr: number | null;
  chance: number | null;
  /** `answers` recomputed from the model's answers, `values` from what each document is said to count, `claim` the author's word. */
  source: string;
}

export interface RowTask {
  name: string;
  hash: string;
  label: TrustLabel;
  version: string;
  num_fewshot: number;
  document_count: number;
  metrics: RowMetric[];
  /** Name of the metric that tables show. */
  main: string | null;
}

export interface RowModel {
  name: string;
  /** Name of an earlier model, another file, that this one can be mistaken for. */
  looks_like: string | null;
  sha256: string;
  size_bytes: number;
  quantization: string;
  architecture: string;
  parameters: number;
  licence: string | null;
  type: string;
  precision: string;
  merged: boolean;
  on_hub: boolean;
}

/** One run. */
export interface Row {
  id: string;
  board: string;
  author: string;
  stored_ms: number;
  model: RowModel;
  lane: string;
  adapter: string | null;
  engine: string;
  /** Hash of the module or program that computed, as its author says. */
  module_sha256: string | null;
  /** The average of the run's group, or mean of the tasks' main metrics; 0 to 1. */
  average: number | null;
  tasks: RowTask[];
  trust: TrustLabel;
  disputed: boolean;
  flags: number;
  hidden: boolean;
}

export interface TablePage {
  rows: Row[];
  next: string | null;
  total: number | null;
}

/** An answer of another shape than this page knows: another version's, or no board's. */
export class ShapeError extends Error {}

type Fields = Record<string, unknown>;

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(what);
  return value as Fields;
}

/** Reads fields of an object; what is missing or of another type is named. */
export function reader(value: unknown, what: string) {
  const object = fields(value, what);
  const wrong = (name: string): never => {
    throw new ShapeError(`${what}.${name}`);
  };
  return {
    text: (name: string): string => (typeof object[name] === 'string' ? object[name] : wrong(name)),
    number: (name: string): number => (typeof object[name] === 'number' ? object[name] : wrong(name)),
    /** A flag; the database's 0 and 1 count as one. */
    truth: (name: string): boolean => (typeof object[name] === 'boolean' || typeof object[name] === 'number' ? Boolean(object[name]) : wrong(name)),
    textOrNull: (name: string): string | null => (typeof object[name] === 'string' ? object[name] : null),
    numberOrNull: (name: string): number | null => (typeof object[name] === 'number' ? object[name] : null),
    list: <T>(name: string, parse: (value: unknown) => T): T[] => (Array.isArray(object[name]) ? object[name].map(parse) : wrong(name)),
    value: (name: string): unknown => object[name],
  };
}

export function trust(text: string): TrustLabel {
  // A label that a newer board may give is worth the least until this page knows it.
  return TRUST.find((label) => label === text) ?? 'self-reported';
}

function parseMetric(value: unknown): RowMetric {
  const { text, numberOrNull } = reader(value, 'metric');
  return {
    name: text('name'), filter: text('filter'), value: numberOrNull('value'), stderr: numberOrNull('stderr'),
    chance: numberOrNull('chance'), source: text('source'),
  };
}

function parseTask(value: unknown): RowTask {
  const { text, number, textOrNull, list } = reader(value, 'task');
  return {
    name: text('name'), hash: text('hash'), label: trust(text('label')), version: text('version'), num_fewshot: number('num_fewshot'),
    document_count: number('document_count'), metrics: list('metrics', parseMetric), main: textOrNull('main'),
  };
}

function parseModel(value: unknown): RowModel {
  const { text, number, truth, textOrNull } = reader(value, 'model');
  return {
    name: text('name'), looks_like: textOrNull('looks_like'), sha256: text('sha256'), size_bytes: number('size_bytes'), quantization: text('quantization'),
    architecture: text('architecture'), parameters: number('parameters'), licence: textOrNull('licence'), type: text('type'),
    precision: text('precision'), merged: truth('merged'), on_hub: truth('on_hub'),
  };
}

export function parseRow(value: unknown): Row {
  const { text, number, truth, textOrNull, numberOrNull, list, value: raw } = reader(value, 'row');
  return {
    id: text('id'), board: text('board'), author: text('author'), stored_ms: number('stored_ms'), model: parseModel(raw('model')),
    lane: text('lane'), adapter: textOrNull('adapter'), engine: text('engine'), module_sha256: textOrNull('module_sha256'), average: numberOrNull('average'),
    tasks: list('tasks', parseTask), trust: trust(text('trust')), disputed: truth('disputed'), flags: number('flags'), hidden: truth('hidden'),
  };
}

export function parsePage(value: unknown): TablePage {
  const { list, textOrNull, numberOrNull } = reader(value, 'page');
  return { rows: list('rows', parseRow), next: textOrNull('next'), total: numberOrNull('total') };
}

/** The metric that stands for a task; null where it has none. */
export function mainMetric({ metrics, main }: RowTask): RowMetric | null {
  return metrics.find(({ name }) => name === main) ?? null;
}
