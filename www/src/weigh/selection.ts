// Which tasks and groups run with which settings.
import type { GroupCard, TaskCard, TaskRequest } from '../engine/generated';

/** Documents of a first score: under a minute on most machines. */
export const FIRST_LIMIT = 20;
/** Shots people use; a task offers those its examples allow. */
const SHOTS = [0, 1, 2, 3, 5, 10, 25];
/** Tasks of a group that are listed one by one; those of larger groups (57 subjects) are chosen together. */
const LISTED_MAX = 12;

export interface TaskChoice {
  on: boolean;
  /** Null is what the tasks themselves say. */
  shots: number | null;
  limit: number;
}

export type Choices = Record<string, TaskChoice>;

/** What can be chosen: a task, or a group of tasks. */
export interface Entry {
  name: string;
  title: string;
  title_ko: string;
  /** The task itself, or those of the group. */
  tasks: TaskCard[];
  isGroup: boolean;
  /** Parts of a large benchmark are chosen together; alone they are found by searching only. */
  isListed: boolean;
  /** Shots of its tasks unless told otherwise, each once. */
  shots: number[];
}

/** Parts of the list. */
export type SectionName = 'groups' | 'en' | 'ko';

export const PRESETS = ['taste', 'leaderboard', 'kobest', 'koreanGeneration'] as const;
export type Preset = (typeof PRESETS)[number];
const PRESET_GROUPS: Partial<Record<Preset, string>> = {
  leaderboard: 'open_llm_leaderboard', kobest: 'kobest', koreanGeneration: 'llm_kr_eval',
};

/** Everything that can be chosen, groups first. */
export function entriesOf(tasks: readonly TaskCard[], groups: readonly GroupCard[]): Entry[] {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  const members = ({ tasks: names }: GroupCard) => names.flatMap((name) => byName.get(name) ?? []);
  const hidden = new Set(groups.filter(({ tasks: names }) => names.length > LISTED_MAX).flatMap((group) => partsOf(group, groups)));
  return [
    ...groups.map((group): Entry => ({ ...group, tasks: members(group), isGroup: true, isListed: standsAlone(group, groups), shots: distinct(group.num_fewshot) })),
    ...tasks.map((task): Entry => ({ ...task, tasks: [task], isGroup: false, isListed: !hidden.has(task.name), shots: [task.num_fewshot] })),
  ].filter((entry) => entry.tasks.length > 0);
}

function distinct(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function isWithin(small: GroupCard, large: GroupCard): boolean {
  return small.tasks.length < large.tasks.length && small.tasks.every((name) => large.tasks.includes(name));
}

/** Tasks of a large group that are only chosen together: all, or where it has groups of its own, those in them. */
function partsOf(group: GroupCard, groups: readonly GroupCard[]): string[] {
  const inner = groups.filter((other) => isWithin(other, group));
  return inner.length > 0 ? inner.flatMap(({ tasks }) => tasks) : group.tasks;
}

/** Whether people know a group by its name: MMLU beside the other tasks of a leaderboard, but not a field of MMLU's. */
function standsAlone(group: GroupCard, groups: readonly GroupCard[]): boolean {
  if (!group.inner) return true;
  const around = groups.filter((other) => isWithin(group, other));
  const hasOwnTasks = (other: GroupCard) => other.tasks.length > new Set(groups.filter((each) => isWithin(each, other)).flatMap(({ tasks }) => tasks)).size;
  return around.every(({ inner }) => !inner) && around.some(hasOwnTasks);
}

/** The list in its parts; with words to find, everything that has all of them in its names. */
export function sectionsOf(entries: readonly Entry[], query: string): { name: SectionName; entries: Entry[] }[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ name, title, title_ko }: Entry) => words.every((word) => `${name} ${title} ${title_ko}`.toLowerCase().includes(word));
  const sectionOf = ({ isGroup, tasks }: Entry): SectionName => (isGroup ? 'groups' : tasks[0]?.language === 'ko' ? 'ko' : 'en');
  const shown = entries.filter((entry) => (words.length > 0 ? fits(entry) : entry.isListed));
  const names: SectionName[] = ['groups', 'en', 'ko'];
  return names
    .map((name) => ({ name, entries: shown.filter((entry) => sectionOf(entry) === name) }))
    .filter((section) => section.entries.length > 0);
}

/** Shots to choose from, the task's own default among them; of a group those that all its tasks allow. */
export function shotOptions({ tasks }: Pick<Entry, 'tasks'>): number[] {
  const most = Math.min(...tasks.map(({ max_fewshot }) => max_fewshot));
  const own = tasks.length === 1 ? tasks.map(({ num_fewshot }) => num_fewshot) : [];
  return distinct([...SHOTS, ...own].filter((shots) => shots <= most || shots === 0));
}

/** Documents of the largest task. */
export function mostDocuments({ tasks }: Pick<Entry, 'tasks'>): number {
  return Math.max(1, ...tasks.map(({ documents }) => documents));
}

/** A whole number of documents that the entry has. */
export function clampLimit(limit: number, entry: Pick<Entry, 'tasks'>): number {
  const most = mostDocuments(entry);
  return Number.isFinite(limit) ? Math.min(most, Math.max(1, Math.round(limit))) : Math.min(most, FIRST_LIMIT);
}

/** Presets that choose something. */
export function presetsFor(entries: readonly Entry[]): Preset[] {
  return PRESETS.filter((preset) => preset === 'taste' || entries.some(({ name }) => name === PRESET_GROUPS[preset]));
}

export function choicesOf(preset: Preset, entries: readonly Entry[]): Choices {
  const first = entries.find(({ name }) => name === (PRESET_GROUPS[preset] ?? 'jeoul_science')) ?? entries[0];
  const choice = (entry: Entry): TaskChoice => ({
    on: entry === first,
    shots: entry.isGroup ? null : (entry.tasks[0]?.num_fewshot ?? 0),
    limit: clampLimit(FIRST_LIMIT, entry),
  });
  return Object.fromEntries(entries.map((entry) => [entry.name, choice(entry)]));
}

/** The choices after one is switched on: others that hold one of its tasks are switched off. */
export function switchOn(choices: Choices, entry: Entry, entries: readonly Entry[]): Choices {
  const names = new Set(entry.tasks.map(({ name }) => name));
  const shares = (other: Entry) => other.name !== entry.name && other.tasks.some(({ name }) => names.has(name));
  const off = new Set(entries.filter(shares).map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(choices).map(([name, choice]) => [name, { ...choice, on: name === entry.name || (choice.on && !off.has(name)) }]),
  );
}

/** The choices after a task is new, which is then chosen, or has other documents: a limit holds as far as they reach. */
export function refit(choices: Choices, entries: readonly Entry[], changed: string): Choices {
  const fresh = choicesOf('taste', entries);
  const after = entries.flatMap((entry) => {
    const initial = fresh[entry.name];
    const choice = choices[entry.name] ?? (initial && { ...initial, on: entry.name === changed });
    return choice ? [[entry.name, { ...choice, limit: clampLimit(choice.limit, entry) }] as const] : [];
  });
  return Object.fromEntries(after);
}

/** What the engine is asked to run, in the order of the entries. */
export function requestsOf(choices: Choices, entries: readonly Entry[]): TaskRequest[] {
  return entries.flatMap((entry) => {
    const choice = choices[entry.name];
    if (!choice?.on) return [];
    const limit = choice.limit >= mostDocuments(entry) ? null : choice.limit;
    return [{ task: entry.name, num_fewshot: choice.shots, limit }];
  });
}

/** The requests task by task, groups taken apart. */
export function perTask(requests: readonly TaskRequest[], entries: readonly Entry[]): { card: TaskCard; request: TaskRequest }[] {
  return requests.flatMap((request) => {
    const tasks = entries.find(({ name }) => name === request.task)?.tasks ?? [];
    return tasks.map((card) => ({ card, request: { ...request, task: card.name } }));
  });
}

/** Documents that the requests score, per task. */
export function documentsOf(requests: readonly TaskRequest[], entries: readonly Entry[]): number[] {
  return perTask(requests, entries).map(({ card, request }) => Math.min(request.limit ?? card.documents, card.documents));
}
