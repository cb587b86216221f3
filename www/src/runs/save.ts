// A run as a file that people keep.
import type { Run } from './run';

/** Version of the file's shape; readers refuse what they do not know. */
const FORMAT = 'jeoul-run/1';

/** A name that every file system takes. */
export function fileName(run: Run): string {
  const model = run.modelName.replace(/[^\p{L}\p{N}._-]+/gu, '-');
  const time = new Date(run.startedAt).toISOString().slice(0, 19).replaceAll(':', '');
  return `jeoul_${model}_${time}.json`;
}

/** Everything the run produced; numbers keep every bit. */
export function fileText(run: Run): string {
  const { tasks, id: _, startedAt, current: __, ...rest } = run;
  const started = new Date(startedAt).toISOString();
  const file = { format: FORMAT, started, ...rest, tasks: tasks.map(({ card: _card, ...task }) => task) };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/** Hands the file to the browser's downloads. */
export function save(run: Run): void {
  const url = URL.createObjectURL(new Blob([fileText(run)], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(run);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
