// Rooms that this browser opened or joined, and boards that it has seen. Tokens live as long as their room: a day.
import { recall, remember } from '../lib/storage';

/** A room of ours. */
export interface OwnRoom {
  room: string;
  name: string;
  expires_ms: number;
  /** Of who presents it; null for others. */
  presenter: string | null;
  /** What people type to join; only its presenter knows it. */
  code: string | null;
  /** Of this browser's key as a member; null for a presenter who has not posted. */
  member: string | null;
  /** Whether those in the room see this browser's runs while they compute. */
  shares: boolean;
}

const ROOMS = 'rooms';
const BOARDS = 'boards';

function list(key: string): unknown[] {
  try {
    const value: unknown = JSON.parse(recall(key) ?? '[]');
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isRoom(value: unknown): value is OwnRoom {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  const texts = ['room', 'name'].every((name) => typeof fields[name] === 'string');
  const tokens = ['presenter', 'code', 'member'].every((name) => fields[name] === null || typeof fields[name] === 'string');
  return texts && tokens && typeof fields['expires_ms'] === 'number' && typeof fields['shares'] === 'boolean';
}

/** The rooms that have not expired, newest first. */
export function recallRooms(nowMs: number): OwnRoom[] {
  return list(ROOMS).filter(isRoom).filter(({ expires_ms }) => expires_ms > nowMs);
}

export function rememberRooms(rooms: readonly OwnRoom[]): void {
  remember(ROOMS, JSON.stringify(rooms));
}

/** The rooms with what is new about one of them. */
export function withRoom(rooms: readonly OwnRoom[], news: Pick<OwnRoom, 'room'> & Partial<OwnRoom>): OwnRoom[] {
  const known = rooms.find(({ room }) => room === news.room);
  const empty: OwnRoom = { room: news.room, name: '', expires_ms: 0, presenter: null, code: null, member: null, shares: false };
  return [{ ...(known ?? empty), ...news }, ...rooms.filter((each) => each !== known)];
}

/** Public boards as they were last seen; posting asks nobody for them. */
export function recallBoards(): string[] {
  const boards = list(BOARDS).filter((name): name is string => typeof name === 'string' && /^[a-z0-9-]{1,40}$/.test(name));
  return boards.length > 0 ? boards : ['open'];
}

export function rememberBoards(boards: readonly string[]): void {
  remember(BOARDS, JSON.stringify(boards));
}
