// Which tasks run with which settings.
import type { TaskCard, TaskRequest } from '../engine/generated';

/** Documents of a first score: under a minute on most machines. */
export const FIRST_LIMIT = 20;
/** Shots people use; a task offers those its examples allow. */
const SHOTS = [0, 1, 2, 3, 5];

export interface TaskChoice {
  on: boolean;
  shots: number;
  limit: number;
}

export type Choices = Record<string, TaskChoice>;

export const PRESETS = ['taste', 'all', 'korean'] as const;
export type Preset = (typeof PRESETS)[number];

/** Shots to choose from, the task's own default among them. */
export function shotOptions({ num_fewshot, max_fewshot }: TaskCard): number[] {
  const allowed = [...SHOTS, num_fewshot].filter((shots) => shots <= max_fewshot || shots === 0);
  return [...new Set(allowed)].sort((a, b) => a - b);
}

/** A whole number of documents that the task has. */
export function clampLimit(limit: number, { documents }: TaskCard): number {
  return Number.isFinite(limit) ? Math.min(documents, Math.max(1, Math.round(limit))) : Math.min(documents, FIRST_LIMIT);
}

/** Presets that choose something with these tasks. */
export function presetsFor(tasks: readonly TaskCard[]): Preset[] {
  return PRESETS.filter((preset) => preset !== 'korean' || tasks.some((task) => task.language === 'ko'));
}

export function choicesOf(preset: Preset, tasks: readonly TaskCard[]): Choices {
  const choice = (task: TaskCard, index: number): TaskChoice => {
    const on = preset === 'all' || (preset === 'taste' ? index === 0 : task.language === 'ko');
    const limit = preset === 'taste' ? clampLimit(FIRST_LIMIT, task) : task.documents;
    return { on, shots: 0, limit };
  };
  return Object.fromEntries(tasks.map((task, index) => [task.name, choice(task, index)]));
}

/** What the engine is asked to run, in the order of the tasks. */
export function requestsOf(choices: Choices, tasks: readonly TaskCard[]): TaskRequest[] {
  return tasks.flatMap((task) => {
    const choice = choices[task.name];
    if (!choice?.on) return [];
    const limit = choice.limit >= task.documents ? null : choice.limit;
    return [{ task: task.name, num_fewshot: choice.shots, limit }];
  });
}

/** Documents that the requests score, per task. */
export function documentsOf(requests: readonly TaskRequest[], tasks: readonly TaskCard[]): number[] {
  const held = (name: string) => tasks.find((task) => task.name === name)?.documents ?? 0;
  return requests.map(({ task, limit }) => Math.min(limit ?? held(task), held(task)));
}
