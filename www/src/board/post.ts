// What the owner of a run says about posting it: what is known beforehand, and what can go together.
import type { Adapter, LaneCard, ModelCard, ModelType, Posting, PrivacyLevel } from '../engine/generated';
import { headline, type Run, type TaskRun } from '../runs/run';
import { TYPES } from './rows';

export const LEVELS: readonly PrivacyLevel[] = ['scores', 'outcomes', 'outputs'];

/** What is asked of the owner. */
export interface Form {
  /** A public board's name, or a room's id. */
  board: string;
  level: PrivacyLevel;
  localTexts: boolean;
  tasks: string[];
  name: string;
  licence: string;
  /** Empty until its owner says it. */
  type: ModelType | '';
  merged: boolean;
  onHub: boolean;
}

/** Whether a run can be posted, and if not, why. */
export function postable(run: Run, exportable: number | null): 'yes' | 'unfinished' | 'onlyLast' {
  if (run.state !== 'done' || run.tasks.some(({ score }) => headline(score) === null)) return 'unfinished';
  return run.id === exportable ? 'yes' : 'onlyLast';
}

/**
 * The one limit under which all these tasks were run: `null` for all documents; `undefined` if there were several, which one record
 * cannot say. As `from_run::limit` in `crates/record`, which has the last word.
 */
export function sharedLimit(tasks: readonly Pick<TaskRun, 'card' | 'score'>[]): number | null | undefined {
  const counts = tasks.map(({ card, score }) => ({ all: card.documents, scored: score?.documents ?? 0 }));
  const cut = counts.filter(({ all, scored }) => scored < all).map(({ scored }) => scored);
  const limit = cut.length > 0 ? Math.max(...cut) : null;
  return counts.every(({ all, scored }) => scored === Math.min(all, limit ?? all)) ? limit : undefined;
}

/** The first tasks that can go together. */
function together(tasks: readonly TaskRun[]): TaskRun[] {
  return tasks.reduce<TaskRun[]>((chosen, task) => (sharedLimit([...chosen, task]) === undefined ? chosen : [...chosen, task]), []);
}

/** A form filled with what is known: all of it of a checkpoint of the registry, little of a file. */
export function firstForm(run: Run, model: ModelCard | null, board: string): Form {
  return {
    board,
    level: 'outcomes',
    localTexts: false,
    tasks: together(run.tasks).map(({ card }) => card.name),
    name: run.modelName,
    licence: model?.license ?? '',
    type: TYPES.find((type) => type === model?.type) ?? '',
    merged: false,
    onHub: model?.homepage.startsWith('https://huggingface.co/') ?? false,
  };
}

/** Tasks whose documents are the owner's. */
export function localTasks(run: Run): TaskRun[] {
  return run.tasks.filter(({ card }) => card.origin === 'local');
}

/** Vendor and architecture of a GPU in the words that a record takes; null on the CPU. */
export function adapterOf({ lane, adapter }: Pick<LaneCard, 'lane' | 'adapter'>, offered: string | null): Adapter | null {
  if (lane !== 'gpu') return null;
  const words = (offered ?? adapter ?? '').replace(/[^A-Za-z0-9._+:/-]+/g, ' ').trim();
  const [vendor = '', ...rest] = words.split(' ');
  return { vendor: vendor.slice(0, 80) || 'unknown', architecture: rest.join(' ').slice(0, 80).trim() || 'unknown' };
}

/** The form as the engine takes it; null while it does not say how the model was trained. */
export function postingOf(form: Form, publicKey: string, adapter: Adapter | null): Posting | null {
  if (form.type === '') return null;
  return {
    board: form.board,
    public_key: publicKey,
    tasks: [...form.tasks], // a copy: what a form watches cannot be sent to a worker
    level: form.level,
    local_texts: form.localTexts,
    name: form.name.trim(),
    licence: form.licence.trim() || null,
    kind: form.type,
    merged: form.merged,
    on_hub: form.onHub,
    adapter,
  };
}
