// The one place where data from the worker is looked at before it is believed.
import type { Event, FaultKind } from './generated';

/** Events after which nothing more follows for a command. */
export type LastEvent = Exclude<Event, { type: 'fetching' | 'loading' | 'progress' | 'document' }>;

/** What comes from the worker. `id` is null for a failure that belongs to no command. */
export type Message = { ready: true } | { id: number | null; event: Event };

const LAST: Record<Event['type'], boolean> = {
  ready: true,
  fetching: false,
  fetched: true,
  forgotten: true,
  loading: false,
  loaded: true,
  tasks: true,
  planned: true,
  progress: false,
  document: false,
  done: true,
  exported: true,
  envelope: true,
  sealed: true,
  refused: true,
  checked: true,
  uncheckable: true,
  compared: true,
  measured: true,
  cancelled: true,
  failed: true,
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isEvent(value: unknown): value is Event {
  if (!isObject(value) || typeof value['type'] !== 'string' || !Object.hasOwn(LAST, value['type'])) return false;
  return value['type'] !== 'failed' || isObject(value['fault']);
}

/** Whether `data` is a message of ours. Page and engine are built together, so the tag decides and fields are trusted. */
export function isMessage(data: unknown): data is Message {
  if (!isObject(data)) return false;
  if (data['ready'] === true) return true;
  return (typeof data['id'] === 'number' || data['id'] === null) && isEvent(data['event']);
}

/** Whether nothing more follows. */
export function isLast(event: Event): event is LastEvent {
  return LAST[event.type];
}

/** A failure in the form in which the worker would report it. */
export function failed(kind: FaultKind, detail: string): Extract<Event, { type: 'failed' }> {
  return { type: 'failed', fault: { kind, detail } };
}
