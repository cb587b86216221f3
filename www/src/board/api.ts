// The one module that talks to a board. Every request is signed, carries a room's token or a moderator's cookie, or says nothing of
// who asks.
import { follow, type ServerEvent } from './events';
import { browserKey, signature, type Signer } from './key';
import {
  parseCheck, parseEntry, parseFlag, parseJudged, parseMember, parseMembership, parseOpened, parseReceipt, parseRoom, parseWaiting,
  type Check, type Entry, type Flag, type Judged, type Member, type Membership, type Opened, type Receipt, type RoomState, type Waiting,
} from './answers';
import { apiQuery, type Query } from './query';
import { parsePage, parseRow, reader, ShapeError, type Row, type TablePage } from './rows';

/** What an answer says is wrong; `code` is stable, `detail` English. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly pointer: string,
    readonly detail: string,
    readonly retryAfterS: number | null = null,
  ) {
    super(detail || code);
  }
}

/** News of a run for those in a room. */
export interface RunNews {
  model: string;
  tasks: string[];
  state: 'queued' | 'running' | 'done';
  done: number;
  total: number;
}

interface Options {
  body?: Uint8Array<ArrayBuffer>;
  signed?: boolean;
  token?: string | null;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Rows of a page: what a person scrolls through before asking for more. */
const PAGE = 100;

const json = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const { text, number, numberOrNull } = reader(await answer.json(), 'problem');
    return new Problem(number('status'), text('code'), text('pointer'), text('detail'), numberOrNull('retry_after_s'));
  } catch {
    // Whatever answered is no board: a plain file server, or a proxy.
    return new Problem(answer.status, answer.status === 404 || answer.status === 405 ? 'no-board' : 'bad-answer', '', '');
  }
}

/** Any failure of a request as a problem. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ShapeError) return new Problem(0, 'bad-answer', '', error.message);
  return new Problem(0, error instanceof TypeError ? 'unreachable' : 'failed', '', error instanceof Error ? error.message : String(error));
}

export class BoardApi {
  readonly #key: () => Promise<Signer>;
  /** Whether requests carry the cookie of a moderator's session. */
  moderates = false;

  constructor(key: () => Promise<Signer> = browserKey) {
    this.#key = key;
  }

  async #send(method: string, path: string, { body, signed, token, headers = {}, signal }: Options = {}): Promise<Response> {
    const sent: Record<string, string> = { ...headers };
    if (body) sent['content-type'] = 'application/json';
    // The board hears one of the two, and a moderator sees whatever a member does.
    if (token && !(this.moderates && method === 'GET')) sent['authorization'] = `Bearer ${token}`;
    if (signed) sent['jeoul-signature'] = await signature(await this.#key(), method, path, Date.now(), body ?? new Uint8Array());
    const credentials = this.moderates ? 'same-origin' : 'omit';
    const answer = await fetch(path, { method, headers: sent, credentials, redirect: 'error', ...(body && { body }), ...(signal && { signal }) });
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }

  async #json<T>(parse: (value: unknown) => T, method: string, path: string, options?: Options): Promise<T> {
    const answer = await this.#send(method, path, options);
    if (!(answer.headers.get('content-type') ?? '').startsWith('application/json')) throw new Problem(answer.status, 'no-board', '', '');
    return parse(await answer.json());
  }

  /** Ids of the public boards, the first of them the usual one. */
  boards(): Promise<string[]> {
    return this.#json((value) => reader(value, 'boards').list('boards', String), 'GET', '/api/boards');
  }

  table(board: string, query: Query, after: string | null, token: string | null, signal?: AbortSignal): Promise<TablePage> {
    return this.#json(parsePage, 'GET', `/api/boards/${board}?${apiQuery(query, PAGE, after)}`, { token, ...(signal && { signal }) });
  }

  model(hash: string, token: string | null): Promise<TablePage> {
    return this.#json(parsePage, 'GET', `/api/models/${hash}`, { token });
  }

  /** A run; its author, who signs, sees a hidden one. */
  run(id: string, token: string | null, signed = false): Promise<Row> {
    return this.#json(parseRow, 'GET', `/api/submissions/${id}`, { token, signed });
  }

  /** The signed envelope, byte for byte. */
  async log(id: string, token: string | null): Promise<string> {
    return (await this.#send('GET', `/api/submissions/${id}/log`, { token })).text();
  }

  /** A table as a file. */
  async export(board: string, format: string, token: string | null): Promise<Blob> {
    return (await this.#send('GET', `/api/boards/${board}/export?format=${format}`, { token })).blob();
  }

  /** Posts exactly this text; `key` is its run's id, so that sending it twice stores it once. */
  post(text: string, key: string, to: { board: string } | { token: string }): Promise<Receipt> {
    const query = 'board' in to ? `?board=${to.board}` : '';
    return this.#json(parseReceipt, 'POST', `/api/submissions${query}`, {
      body: new TextEncoder().encode(text), token: 'token' in to ? to.token : null, headers: { 'idempotency-key': key },
    });
  }

  async delete(id: string): Promise<void> {
    await this.#send('DELETE', `/api/submissions/${id}`, { signed: true });
  }

  async restore(id: string): Promise<void> {
    await this.#send('POST', `/api/submissions/${id}/restore`, { signed: !this.moderates });
  }

  flags(id: string, token: string | null, signed = false): Promise<Flag[]> {
    return this.#json((value) => reader(value, 'flags').list('flags', parseFlag), 'GET', `/api/submissions/${id}/flags`, { token, signed });
  }

  async flag(id: string, flag: { reason: string; link: string; note: string }, token: string | null): Promise<void> {
    await this.#send('POST', `/api/submissions/${id}/flags`, { body: json(flag), signed: true, token });
  }

  async appeal(id: string, note: string): Promise<void> {
    await this.#send('POST', `/api/submissions/${id}/appeal`, { body: json({ note }), signed: true });
  }

  /** Begins a moderator's session; the browser keeps its cookie, and this object sends it from now on. */
  async login(token: string): Promise<void> {
    this.moderates = true;
    try {
      await this.#send('POST', '/api/moderator/session', { body: json({ token }) });
    } catch (error) {
      this.moderates = false;
      throw error;
    }
  }

  async logout(): Promise<void> {
    await this.#send('DELETE', '/api/moderator/session');
  }

  waiting(): Promise<Waiting[]> {
    return this.#json((value) => reader(value, 'queue').list('waiting', parseWaiting), 'GET', '/api/moderation');
  }

  async decide(id: string, action: 'hide' | 'show' | 'delete', reason: string): Promise<void> {
    const [method, path] = action === 'delete' ? ['DELETE', ''] : ['POST', `/${action}`];
    await this.#send(method, `/api/submissions/${id}${path}`, { body: json({ reason }) });
  }

  /** Decides about all runs of a key, a room or a file; gives how many changed. */
  decideAll(bulk: { action: 'hide' | 'delete'; by: 'key' | 'room' | 'model'; value: string; reason: string }): Promise<number> {
    return this.#json((value) => reader(value, 'done').number('runs'), 'POST', '/api/moderation/bulk', { body: json(bulk) });
  }

  checks(id: string, token: string | null): Promise<Check[]> {
    return this.#json((value) => reader(value, 'checks').list('checks', parseCheck), 'GET', `/api/submissions/${id}/checks`, { token });
  }

  /** Documents of a run for this browser's key to compute again; the same ones however often it is asked. */
  draw(id: string, token: string | null): Promise<Check> {
    return this.#json(parseCheck, 'POST', `/api/submissions/${id}/checks`, { signed: true, token });
  }

  /** Sends exactly this text as the answers of a check. */
  answer(check: string, text: string, token: string | null): Promise<Judged> {
    return this.#json(parseJudged, 'POST', `/api/checks/${check}`, { body: new TextEncoder().encode(text), signed: true, token });
  }

  audit(after: number): Promise<Entry[]> {
    return this.#json((value) => reader(value, 'entries').list('entries', parseEntry), 'GET', `/api/audit?after=${after}`);
  }

  openRoom(name: string): Promise<Opened> {
    return this.#json(parseOpened, 'POST', '/api/rooms', { body: json({ name }), signed: true });
  }

  join(code: string): Promise<Membership> {
    return this.#json(parseMembership, 'POST', '/api/rooms/join', { body: json({ code }), signed: true });
  }

  room(room: string, token: string | null): Promise<RoomState> {
    return this.#json(parseRoom, 'GET', `/api/rooms/${room}`, { token });
  }

  changeRoom(room: string, change: 'freeze' | 'thaw' | 'close' | 'publish', token: string): Promise<RoomState> {
    return this.#json(parseRoom, 'POST', `/api/rooms/${room}/${change}`, { token });
  }

  members(room: string, token: string): Promise<Member[]> {
    return this.#json((value) => reader(value, 'members').list('members', parseMember), 'GET', `/api/rooms/${room}/members`, { token });
  }

  async removeMember(room: string, author: string, token: string): Promise<void> {
    await this.#send('DELETE', `/api/rooms/${room}/members/${author}`, { token });
  }

  async tell(room: string, run: string, news: RunNews, token: string): Promise<void> {
    await this.#send('PUT', `/api/rooms/${room}/runs/${run}`, { body: json(news), token });
  }

  /** What happens on a board, until `signal` aborts. */
  follow(board: string, token: string | null, onEvent: (event: ServerEvent) => void, onMissed: () => void, signal: AbortSignal): Promise<void> {
    const open = async () => {
      try {
        return await this.#send('GET', `/api/boards/${board}/events`, { token, signal });
      } catch (error) {
        // Gone, or not ours to see any more: no use to ask again.
        if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return null;
        throw error;
      }
    };
    return follow(open, onEvent, onMissed, signal);
  }
}

export const api = new BoardApi();
