// A run as a file that people keep.
import type { ExportFile } from '../engine/generated';
import { download } from '../lib/download';
import type { Run } from './run';

/** Version of the file's shape; readers refuse what they do not know. */
const FORMAT = 'jeoul-run/2';

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
  const file = { format: FORMAT, started, ...rest, tasks: tasks.map(({ card, ...task }) => ({ ...task, origin: card.origin })) };
  return `${JSON.stringify(file, null, 1)}\n`;
}

export function save(run: Run): void {
  download(fileName(run), fileText(run), 'application/json');
}

/** Saves files one after the other: browsers drop downloads that begin at once. */
export async function saveAll(files: readonly ExportFile[]): Promise<void> {
  for (const { name, text } of files) {
    download(name, text, name.endsWith('.json') ? 'application/json' : 'text/plain');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
