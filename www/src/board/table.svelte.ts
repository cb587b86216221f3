// The rows of one board: page by page as the server gives them, and live where somebody watches.
import { api, problemFrom, type Problem } from './api';
import { parseOpenRun, parseRoom, withOpenRun, type OpenRun, type RoomState } from './answers';
import type { ServerEvent } from './events';
import { withRow } from './order';
import { queryText, type Query } from './query';
import { parseRow, reader, type Row } from './rows';

/** Wait after the last key press before the server is asked, in ms. */
const TYPING_MS = 250;

export class Table {
  readonly board: string;
  readonly #token: string | null;
  #asked = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  query = $state.raw<Query>() as Query;
  rows = $state.raw<Row[]>([]);
  /** Where the next page begins; null on the last. */
  next = $state<string | null>(null);
  /** Rows on all pages. */
  total = $state<number | null>(null);
  isLoading = $state(true);
  problem = $state.raw<Problem | null>(null);
  /** Rows that came in while somebody read; shown when asked for, so that nothing jumps. */
  arrived = $state(0);
  /** Rows that came in a moment ago. */
  fresh = $state.raw<ReadonlySet<string>>(new Set());
  room = $state.raw<RoomState | null>(null);
  runs = $state.raw<OpenRun[]>([]);

  constructor(board: string, token: string | null, query: Query) {
    this.board = board;
    this.#token = token;
    this.query = query;
  }

  /** The first page, anew. */
  async load(): Promise<void> {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.isLoading = true;
    try {
      const page = await api.table(this.board, this.query, null, this.#token, signal);
      if (signal.aborted) return;
      this.rows = page.rows;
      this.next = page.next;
      this.total = page.total ?? page.rows.length;
      this.problem = null;
      this.arrived = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = problemFrom(error);
    }
    this.isLoading = false;
  }

  /** One more page. */
  async more(): Promise<void> {
    if (this.next === null || this.isLoading) return;
    const { signal } = this.#asked;
    this.isLoading = true;
    try {
      const page = await api.table(this.board, this.query, this.next, this.#token, signal);
      if (signal.aborted) return;
      const known = new Set(this.rows.map(({ id }) => id));
      this.rows = [...this.rows, ...page.rows.filter(({ id }) => !known.has(id))];
      this.next = page.next;
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = problemFrom(error);
    }
    this.isLoading = false;
  }

  /** Asks for other rows, once the keys rest. */
  ask(query: Query): void {
    if (queryText(query) === queryText(this.query)) return;
    this.query = query;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load(), TYPING_MS);
  }

  /** A room's state, and what its members are running. */
  async loadRoom(): Promise<void> {
    try {
      this.#takeRoom(await api.room(this.board, this.#token));
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  #takeRoom(room: RoomState): void {
    this.room = room;
    this.runs = room.runs;
  }

  async change(change: 'freeze' | 'thaw' | 'close' | 'publish', token: string): Promise<void> {
    try {
      this.room = await api.changeRoom(this.board, change, token);
      this.problem = null;
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  /**
   * Follows the board until the returned function is called. In a room rows appear by themselves. A hidden tab does not listen:
   * a browser has six connections to a server, and some people have more tabs.
   */
  watch(isRoom: boolean): () => void {
    let listening = new AbortController();
    const missed = () => {
      void this.load();
      if (isRoom) void this.loadRoom();
    };
    const heard = (event: ServerEvent) => {
      try {
        this.#hear(event, isRoom, missed);
      } catch {
        missed(); // an event that this page does not understand: the table is asked for instead
      }
    };
    const listen = () => {
      listening.abort();
      if (document.hidden) return;
      listening = new AbortController();
      void api.follow(this.board, this.#token, heard, missed, listening.signal);
    };
    const turn = () => {
      listen();
      if (!document.hidden) missed();
    };
    listen();
    document.addEventListener('visibilitychange', turn);
    return () => {
      document.removeEventListener('visibilitychange', turn);
      listening.abort();
      this.#asked.abort();
      clearTimeout(this.#timer);
    };
  }

  #hear({ name, data }: ServerEvent, isRoom: boolean, missed: () => void): void {
    if (name === 'hello') return;
    const value: unknown = JSON.parse(data);
    if (name === 'row') {
      const row = parseRow(value);
      const isKnown = this.rows.some(({ id }) => id === row.id);
      // On a public board somebody reads: nothing jumps unless they ask. A room is watched together.
      const rows = isKnown || (isRoom && this.next === null && !this.isLoading) ? withRow(this.rows, row, this.query) : null;
      if (rows === null) this.arrived += 1;
      else {
        if (!isKnown && this.total !== null) this.total += rows.length - this.rows.length;
        this.rows = rows;
        this.fresh = new Set([...this.fresh, row.id]);
      }
    } else if (name === 'gone') {
      const gone = typeof value === 'string' ? value : reader(value, 'gone').text('id');
      if (this.rows.some(({ id }) => id === gone)) {
        this.rows = this.rows.filter(({ id }) => id !== gone);
        if (this.total !== null) this.total -= 1;
      }
    } else if (name === 'run') this.runs = withOpenRun(this.runs, parseOpenRun(value));
    else if (name === 'room') this.room = { ...parseRoom(value), runs: [] };
    else if (name === 'reload') missed();
  }
}
