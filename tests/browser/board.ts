// A real board for the journeys: `jeoul serve` of the program that JEOUL_BIN names (`cargo build --bin jeoul`), on a SQLite file of its
// own. And people with keys who post to it without a page, written from the documentation alone.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { JEOUL_BIN = '' } = process.env;

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Server {
  url: string;
  /** Token of a moderator. */
  moderator: string;
  stop: () => Promise<void>;
}

/** Starts a board that serves the built page, too. */
export async function startBoard(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'jeoul-board-'));
  const folders = ['--page', join(root, 'www/dist'), '--engine', join(root, 'www/public/engine'), '--models', join(root, 'models')];
  const database = ['--database', join(folder, 'board.sqlite')];
  const made = spawnSync(JEOUL_BIN, ['board', 'moderator', 'add', 'kim', ...database], { encoding: 'utf8' });
  const moderator = /^token (.*)$/m.exec(made.stdout)?.[1] ?? '';
  const child: ChildProcess = spawn(JEOUL_BIN, ['serve', '--port', '0', '--rates', 'off', ...database, ...folders], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the board ended with ${code}`)));
    child.stdout?.once('data', (text: Buffer) => resolve(text.toString().trim()));
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
    await rm(folder, { recursive: true });
  };
  return { url, moderator, stop };
}

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

/** JSON in the form of RFC 8785, for texts, whole numbers and short fractions. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`;
}

/** What a run without a page says of itself; the rest is the same for all. */
export interface Posted {
  name: string;
  licence?: string;
  /** Share right of 200 documents, and the task. */
  score?: number;
  task?: string;
  type?: string;
  sha256?: string;
}

/** Somebody with a key of their own. */
export class Person {
  readonly #secret: KeyObject;
  readonly publicKey: string;
  readonly author: string;

  constructor(readonly server: Server) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.#secret = privateKey;
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    this.publicKey = raw.toString('hex');
    this.author = sha256(raw).slice(0, 32);
  }

  #sign(text: string): string {
    return sign(null, Buffer.from(text), this.#secret).toString('hex');
  }

  /** A signed request. */
  async send(method: string, path: string, body?: unknown, token?: string): Promise<Response> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const time = Date.now();
    const message = `jeoul-request/1\n${method}\n${path}\n${time}\n${sha256(text)}\n`;
    const headers: Record<string, string> = { 'jeoul-signature': `${this.publicKey} ${time} ${this.#sign(message)}` };
    if (text) headers['content-type'] = 'application/json';
    if (token) headers['authorization'] = `Bearer ${token}`;
    return fetch(this.server.url + path, { method, headers, ...(text && { body: text }) });
  }

  /** Posts scores alone of a task that no board knows; gives the run's id. */
  async post(board: string, { name, licence, score = 0.5, task = 'colours', type = 'pretrained', sha256: hash }: Posted, token?: string): Promise<string> {
    const documents = 200;
    const stderr = Math.sqrt((score * (1 - score)) / (documents - 1));
    const envelope = {
      author: this.author, board, created: `${new Date().toISOString().slice(0, 19)}Z`, engine: { version: '0.1.0' }, lane: { kind: 'cpu' },
      model: {
        architecture: 'llama', licence, merged: false, name, on_hub: false, parameters: 134_515_008, precision: '4-bit', quantization: 'Q4_0',
        sha256: hash ?? sha256(name), size_bytes: 98_000_000, tokenizer_sha256: 'ab'.repeat(32), type,
      },
      nonce: randomBytes(16).toString('hex'), schema: 'jeoul-record/1',
      settings: { apply_chat_template: false, fewshot_as_multiturn: false, fewshot_seed: 1234, max_length: 2048 },
      tasks: [
        {
          document_count: documents, elapsed_ms: 12_000, hash: 'cd'.repeat(32), level: 'scores',
          metrics: [{ filter: 'none', name: 'acc', value: score, stderr }], name: task, num_fewshot: 0, tokens: 6_400, version: '1.0',
        },
      ],
    };
    const payload = canonical(envelope);
    const body = `{"envelope":${payload},"public_key":"${this.publicKey}","signature":"${this.#sign(payload)}"}`;
    const query = token ? '' : `?board=${board}`;
    const headers: Record<string, string> = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${this.server.url}/api/submissions${query}`, { method: 'POST', headers, body });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return sha256(payload);
  }
}
