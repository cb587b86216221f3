// Two runs side by side: which documents both have, and what else differs. The statistics are the engine's; what they are
// called there stays in this file.
import type { Comparison, DocumentResult, GroupCard, LaneName, OriginKind, TaskCard } from '../engine/generated';
import { isSame, valueOf, type Judge } from './documents';
import type { Run, TaskRun } from './run';

/** Below this probability a difference is called one. */
export const LEVEL = 0.05;

/** One metric of a task, or of a group's tasks together, on the documents that both runs have. */
export interface Part {
  /** Task or group. */
  about: Pick<TaskCard, 'name' | 'title' | 'title_ko'>;
  isGroup: boolean;
  metric: Judge;
  higherIsBetter: boolean;
  /** Values, document by document. */
  first: number[];
  second: number[];
}

/** What differs besides the models. */
export type Setting =
  | { kind: 'lane'; first: LaneName; second: LaneName }
  | { kind: 'form'; first: Form; second: Form }
  | { kind: 'instruction' }
  | { kind: 'seed' | 'shots'; tasks: TaskCard[]; first: number; second: number }
  | { kind: 'version'; tasks: TaskCard[]; first: string; second: string }
  | { kind: 'origin'; tasks: TaskCard[]; first: OriginKind; second: OriginKind };

export type Form = 'plain' | 'chat' | 'turns';

/** What a comparison says. */
export type Outcome = 'first' | 'second' | 'none';

export function outcome({ difference, p_value }: Comparison, { higherIsBetter }: Pick<Part, 'higherIsBetter'>): Outcome {
  if (p_value >= LEVEL || difference === 0) return 'none';
  return difference > 0 === higherIsBetter ? 'first' : 'second';
}

/** The same question: same place, same choices, same right answer; where both were asked in plain text also the same words. */
function isSameDocument(a: DocumentResult, b: DocumentResult, isPlain: boolean): boolean {
  const isEqual = a.target === b.target && a.choices.length === b.choices.length && a.choices.every((choice, index) => choice === b.choices[index]);
  return isEqual && (!isPlain || a.prompt === b.prompt);
}

/** Tasks that both runs have, with documents from the same place. */
function commonTasks(first: Run, second: Run): [TaskRun, TaskRun][] {
  return first.tasks.flatMap((task): [TaskRun, TaskRun][] => {
    const other = second.tasks.find(({ card }) => card.name === task.card.name);
    return other?.score && task.score ? [[task, other]] : [];
  });
}

function commonDocuments([first, second]: [TaskRun, TaskRun], isPlain: boolean): [DocumentResult, DocumentResult][] {
  if (first.card.origin !== second.card.origin) return [];
  const others = new Map(second.documents.map((document) => [document.doc_id, document]));
  return first.documents.flatMap((document): [DocumentResult, DocumentResult][] => {
    const other = others.get(document.doc_id);
    return other && isSameDocument(document, other, isPlain) ? [[document, other]] : [];
  });
}

/** What can be compared, groups first: two documents or more, and a value for each of them. */
export function partsOf(first: Run, second: Run, groups: readonly GroupCard[]): Part[] {
  const isPlain = formOf(first) === 'plain' && formOf(second) === 'plain';
  const parts = commonTasks(first, second).flatMap((pair): Part[] => {
    const documents = commonDocuments(pair, isPlain);
    const metrics = pair[0].score?.metrics ?? [];
    return metrics.map((metric) => {
      const values = documents.map(([a, b]) => [valueOf(a, metric), valueOf(b, metric)] as const);
      const both = values.flatMap(([a, b]) => (a === null || b === null ? [] : [[a, b] as const]));
      return {
        about: pair[0].card,
        isGroup: false,
        metric: { name: metric.name, filter: metric.filter },
        higherIsBetter: metric.higher_is_better,
        first: both.map(([a]) => a),
        second: both.map(([, b]) => b),
      };
    });
  });
  const compared = parts.filter((part) => part.first.length >= 2);
  return [...pooled(first, second, groups, compared), ...compared];
}

/** A group's documents taken together, for the metrics that the group has in both runs. */
function pooled(first: Run, second: Run, groups: readonly GroupCard[], parts: readonly Part[]): Part[] {
  return first.groups.flatMap(({ group, metrics }): Part[] => {
    const card = groups.find(({ name }) => name === group);
    const others = second.groups.find((other) => other.group === group)?.metrics ?? [];
    const shared = metrics.filter((metric) => others.some((other) => isSame(metric, other)));
    return shared.flatMap((metric) => {
      const own = parts.filter((part) => card?.tasks.includes(part.about.name) && isSame(part.metric, metric));
      const [some] = own;
      if (!card || !some || own.length < 2) return [];
      return [{ ...some, about: card, isGroup: true, first: own.flatMap((part) => part.first), second: own.flatMap((part) => part.second) }];
    });
  });
}

function formOf({ settings }: Run): Form {
  if (!settings.apply_chat_template) return 'plain';
  return settings.fewshot_as_multiturn ? 'turns' : 'chat';
}

/** Settings in which the runs differ; tasks that differ in the same way are named together. */
export function settingsThatDiffer(first: Run, second: Run): Setting[] {
  const tasks = commonTasks(first, second);
  const settings: Setting[] = [];
  if (first.lane.lane !== second.lane.lane) settings.push({ kind: 'lane', first: first.lane.lane, second: second.lane.lane });
  if (formOf(first) !== formOf(second)) settings.push({ kind: 'form', first: formOf(first), second: formOf(second) });
  if (first.settings.system_instruction !== second.settings.system_instruction) settings.push({ kind: 'instruction' });
  const withShots = tasks.filter((pair) => pair.some(({ score }) => (score?.num_fewshot ?? 0) > 0));
  const seeds = alike(withShots, (_, run) => run.settings.seed);
  const shots = alike(tasks, ({ score }) => score?.num_fewshot ?? 0);
  const versions = alike(tasks, ({ score }) => score?.version ?? '');
  const origins = alike(tasks, ({ card }) => card.origin);
  return [
    ...settings,
    ...shots.map((each): Setting => ({ kind: 'shots', ...each })),
    ...seeds.map((each): Setting => ({ kind: 'seed', ...each })),
    ...versions.map((each): Setting => ({ kind: 'version', ...each })),
    ...origins.map((each): Setting => ({ kind: 'origin', ...each })),
  ];

  /** Pairs of unequal values, each with its tasks. */
  function alike<T>(pairs: [TaskRun, TaskRun][], value: (task: TaskRun, run: Run) => T): { tasks: TaskCard[]; first: T; second: T }[] {
    const found: { tasks: TaskCard[]; first: T; second: T }[] = [];
    for (const [a, b] of pairs) {
      const [one, other] = [value(a, first), value(b, second)];
      if (one === other) continue;
      const known = found.find((each) => each.first === one && each.second === other);
      if (known) known.tasks.push(a.card);
      else found.push({ tasks: [a.card], first: one, second: other });
    }
    return found;
  }
}

/** Metrics that exist for many documents only, such as F1, and tasks without common documents. */
export function notCompared(first: Run, second: Run, parts: readonly Part[]): { card: TaskCard; metric: Judge }[] {
  return commonTasks(first, second).flatMap(([{ card, score }]) =>
    (score?.metrics ?? [])
      .filter((metric) => !parts.some((part) => part.about.name === card.name && isSame(part.metric, metric)))
      .map((metric) => ({ card, metric: { name: metric.name, filter: metric.filter } })),
  );
}
