// A run as the page keeps it: what was asked, and what the engine answered so far. Values, never changed in place.
import type {
  CheckpointCard,
  DocumentResult,
  Event,
  GroupScore,
  LaneCard,
  MetricResult,
  RunSettings,
  TaskCard,
  TaskRequest,
  TaskScore,
} from '../engine/generated';
import { perTask, type Entry } from '../weigh/selection';

export type RunState = 'running' | 'done' | 'cancelled' | 'failed';

export interface TaskRun {
  card: TaskCard;
  request: TaskRequest;
  /** Null before the first document. */
  score: TaskScore | null;
  documents: DocumentResult[];
}

export interface Run {
  id: number;
  /** Milliseconds since 1970. */
  startedAt: number;
  engineVersion: string;
  /** Registry id and sha256; null for a dropped file. */
  registry: { id: string; sha256: string } | null;
  modelName: string;
  checkpoint: CheckpointCard;
  lane: LaneCard;
  settings: RunSettings;
  tasks: TaskRun[];
  /** Groups of tasks, once all are scored. */
  groups: GroupScore[];
  /** Task at work; null before the first word. */
  current: string | null;
  state: RunState;
  /** Null where they are not known before, as those that a model writes. */
  tokensPlanned: number | null;
  tokensComputed: number;
  elapsedMs: number;
}

/** A run that has not begun. */
export function newRun(
  id: number,
  requests: readonly TaskRequest[],
  entries: readonly Entry[],
  about: Pick<Run, 'engineVersion' | 'registry' | 'modelName' | 'checkpoint' | 'lane' | 'settings' | 'tokensPlanned'>,
): Run {
  const tasks = perTask(requests, entries).map((task): TaskRun => ({ ...task, score: null, documents: [] }));
  return { id, startedAt: Date.now(), ...about, tasks, groups: [], current: null, state: 'running', tokensComputed: 0, elapsedMs: 0 };
}

/** Documents the run will score in a task. */
export function documentsTotal({ card, request, score }: TaskRun): number {
  return score?.documents_total ?? Math.min(request.limit ?? card.documents, card.documents);
}

/** The metric that stands for a task: the first of its task file. */
export function headline(score: TaskScore | null): MetricResult | null {
  return score?.metrics[0] ?? null;
}

/** The task at work, else the last that has a score, else the first. */
export function currentTask(run: Run): TaskRun | null {
  const named = run.tasks.find((task) => task.request.task === run.current);
  return named ?? run.tasks.findLast((task) => task.score !== null) ?? run.tasks[0] ?? null;
}

/** The run after one more event of the engine. */
export function advance(run: Run, event: Event): Run {
  switch (event.type) {
    case 'progress':
      return { ...run, current: event.task, tokensComputed: event.tokens_computed, elapsedMs: event.elapsed_ms };
    case 'document': {
      const { document, score } = event;
      const add = (task: TaskRun): TaskRun =>
        task.request.task === score.task ? { ...task, score, documents: [...task.documents, document] } : task;
      return { ...run, current: score.task, tasks: run.tasks.map(add) };
    }
    case 'done': {
      const { scores, groups, tokens_computed: tokensComputed, elapsed_ms: elapsedMs } = event;
      const finish = (task: TaskRun): TaskRun => {
        const score = scores.find(({ task: name }) => name === task.request.task);
        return score ? { ...task, score } : task;
      };
      return { ...run, tasks: run.tasks.map(finish), groups, state: 'done', tokensComputed, elapsedMs };
    }
    case 'cancelled':
      return { ...run, state: 'cancelled' };
    case 'failed':
      return { ...run, state: 'failed' };
    default:
      return run;
  }
}

/** Documents scored and to score, over all tasks. */
export function documentCounts(run: Run): { done: number; total: number } {
  const sum = (count: (task: TaskRun) => number) => run.tasks.reduce((all, task) => all + count(task), 0);
  return { done: sum((task) => task.documents.length), total: sum(documentsTotal) };
}

/** How far the run is, 0 to 1: by tokens where they were counted, else by documents. */
export function fraction(run: Run): number {
  if (run.state === 'done') return 1;
  const { done, total } = documentCounts(run);
  const share = run.tokensPlanned ? run.tokensComputed / run.tokensPlanned : done / Math.max(1, total);
  return Math.min(1, share);
}

/** Tokens per second so far; null before there are any. */
export function speed(run: Run): number | null {
  return run.tokensComputed > 0 && run.elapsedMs > 0 ? (run.tokensComputed / run.elapsedMs) * 1000 : null;
}

/** Milliseconds the rest will take at the speed so far; null if unknown. */
export function leftMs(run: Run): number | null {
  const done = fraction(run);
  return done > 0 && run.elapsedMs > 0 ? (run.elapsedMs / done) * (1 - done) : null;
}
