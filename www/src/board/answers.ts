// What a board answers beside rows: receipts, rooms, flags, spot checks, the log.
import type { Drawn } from '../engine/generated';
import { reader, trust as parseTrust, type TrustLabel } from './rows';

export interface Receipt {
  id: string;
  board: string;
  stored_ms: number;
  trust: TrustLabel;
}

export interface Opened {
  room: string;
  code: string;
  presenter: string;
  expires_ms: number;
}

export interface Membership {
  room: string;
  name: string;
  token: string;
  expires_ms: number;
}

/** A run that somebody in a room has begun. */
export interface OpenRun {
  run: string;
  author: string;
  model: string;
  tasks: string[];
  state: 'queued' | 'running' | 'done';
  done: number;
  total: number;
}

export interface RoomState {
  room: string;
  name: string;
  opened_ms: number;
  expires_ms: number;
  frozen: boolean;
  closed: boolean;
  published: boolean;
  runs: OpenRun[];
}

/** Somebody in a room, as its presenter sees them. */
export interface Member {
  author: string;
  joined_ms: number;
  revoked: boolean;
}

export interface Flag {
  author: string;
  reason: string;
  link: string;
  note: string;
  at_ms: number;
  counts: boolean;
  dismissed: boolean;
}

/** A run that waits for a moderator. */
export interface Waiting {
  id: string;
  board: string;
  author: string;
  model_name: string;
  model_hash: string;
  /** 0 shown, 1 hidden by flags, 2 hidden by a moderator. */
  hidden: number;
  flags: number;
  /** What its author says to the flags. */
  appeal: string | null;
}

/** What a comparison says: `undecided` where too few documents could be compared. */
export type Verdict = 'agrees' | 'disagrees' | 'undecided';

/** A spot check; what was drawn is for who checks, and for others once it is done. */
export interface Check {
  check: string;
  author: string;
  drawn_ms: number;
  documents: Drawn[];
  /** Null while its answers have not come. */
  verdict: Verdict | null;
  compared: number;
  differing: number;
}

/** What a board says of a check's answers. */
export interface Judged {
  verdict: Verdict;
  compared: number;
  differing: number;
  trust: TrustLabel;
}

/** An entry of the public log. */
export interface Entry {
  number: number;
  at_ms: number;
  actor: string;
  action: string;
  object: string;
  detail: string;
}

export function parseReceipt(value: unknown): Receipt {
  const { text, number } = reader(value, 'receipt');
  return { id: text('id'), board: text('board'), stored_ms: number('stored_ms'), trust: parseTrust(text('trust')) };
}

export function parseOpened(value: unknown): Opened {
  const { text, number } = reader(value, 'room');
  return { room: text('room'), code: text('code'), presenter: text('presenter'), expires_ms: number('expires_ms') };
}

export function parseMembership(value: unknown): Membership {
  const { text, number } = reader(value, 'membership');
  return { room: text('room'), name: text('name'), token: text('token'), expires_ms: number('expires_ms') };
}

export function parseOpenRun(value: unknown): OpenRun {
  const { text, number, list } = reader(value, 'run');
  const states = ['queued', 'running', 'done'] as const;
  const state = states.find((each) => each === text('state')) ?? 'running';
  return { run: text('run'), author: text('author'), model: text('model'), tasks: list('tasks', String), state, done: number('done'), total: number('total') };
}

export function parseRoom(value: unknown): RoomState {
  const { text, number, truth, list } = reader(value, 'room');
  return {
    room: text('room'), name: text('name'), opened_ms: number('opened_ms'), expires_ms: number('expires_ms'), frozen: truth('frozen'),
    closed: truth('closed'), published: truth('published'), runs: list('runs', parseOpenRun),
  };
}

export function parseMember(value: unknown): Member {
  const { text, number, truth } = reader(value, 'member');
  return { author: text('author'), joined_ms: number('joined_ms'), revoked: truth('revoked') };
}

export function parseFlag(value: unknown): Flag {
  const { text, number, truth } = reader(value, 'flag');
  return {
    author: text('author'), reason: text('reason'), link: text('link'), note: text('note'), at_ms: number('at_ms'), counts: truth('counts'),
    dismissed: truth('dismissed'),
  };
}

export function parseWaiting(value: unknown): Waiting {
  const { text, textOrNull, number } = reader(value, 'run');
  return {
    id: text('id'), board: text('board'), author: text('author'), model_name: text('model_name'), model_hash: text('model_hash'),
    hidden: number('hidden'), flags: number('flags'), appeal: textOrNull('appeal'),
  };
}

function parseDrawn(value: unknown): Drawn {
  const { number } = reader(value, 'document');
  return { task: number('task'), doc_id: number('doc_id') };
}

function parseComparison(value: unknown): Omit<Judged, 'trust'> {
  const { text, number, list } = reader(value, 'comparison');
  const verdicts = ['agrees', 'disagrees', 'undecided'] as const;
  // A verdict that a newer board may give decides nothing for this page.
  const verdict = verdicts.find((each) => each === text('verdict')) ?? 'undecided';
  return { verdict, compared: number('compared'), differing: list('differing', parseDrawn).length };
}

export function parseCheck(value: unknown): Check {
  const { text, number, list, value: raw } = reader(value, 'check');
  const result = raw('comparison') === undefined ? { verdict: null, compared: 0, differing: 0 } : parseComparison(raw('comparison'));
  const documents = raw('documents') === undefined ? [] : list('documents', parseDrawn);
  return { check: text('check'), author: text('author'), drawn_ms: number('drawn_ms'), documents, ...result };
}

export function parseJudged(value: unknown): Judged {
  const { text, value: raw } = reader(value, 'judged');
  return { ...parseComparison(raw('comparison')), trust: parseTrust(text('trust')) };
}

export function parseEntry(value: unknown): Entry {
  const { text, number } = reader(value, 'entry');
  return { number: number('number'), at_ms: number('at_ms'), actor: text('actor'), action: text('action'), object: text('object'), detail: text('detail') };
}

/** The open runs after news of one of them: newest first, one entry for each author and name. */
export function withOpenRun(runs: readonly OpenRun[], news: OpenRun): OpenRun[] {
  const rest = runs.filter(({ run, author }) => run !== news.run || author !== news.author);
  return [news, ...rest];
}
