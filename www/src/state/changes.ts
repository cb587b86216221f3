// What the visitor changed about tasks. Only the worker holds it, so a fresh worker is told it again.
import type { Command } from '../engine/generated';

/** A command that changes a task, with its file. */
export interface Change {
  command: Extract<Command, { type: 'addTask' | 'useFile' | 'useHub' }>;
  file: File | null;
}

function taskOf({ command }: Change): string | null {
  return command.type === 'addTask' ? null : command.task;
}

/** Whether two changes give the same thing, so that only the later one counts. */
function replaces(later: Change, earlier: Change): boolean {
  const { command } = later;
  if (command.type !== earlier.command.type) return false;
  if (command.type === 'addTask') return later.file?.name === earlier.file?.name;
  const role = (change: Change) => (change.command.type === 'useFile' ? change.command.role : null);
  return taskOf(later) === taskOf(earlier) && role(later) === role(earlier);
}

/** The changes after one more, in the order in which a fresh worker takes them. Files and hub exclude each other. */
export function withChange(changes: readonly Change[], change: Change): Change[] {
  const { type } = change.command;
  const rest = changes.filter((each) => type === 'addTask' || taskOf(each) !== taskOf(change) || each.command.type === type);
  const place = rest.findIndex((each) => replaces(change, each));
  return place < 0 ? [...rest, change] : rest.with(place, change);
}

/** The changes after a task has its samples back. */
export function withSamples(changes: readonly Change[], task: string): Change[] {
  return changes.filter((each) => taskOf(each) !== task);
}
