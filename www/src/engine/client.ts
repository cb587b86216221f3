// The page's side of the worker: one command at a time, a certain cancel, and a fresh worker after a broken one.
import type { Command, Event, FaultKind, LaneName } from './generated';
import { failed, isLast, isMessage, type LastEvent } from './message';

/** Time in which the engine may stop by itself before its worker is ended, in ms. */
export const CANCEL_MS = 900;

/** Failures after which a fresh worker must take over. */
const ENDS_WORKER: FaultKind[] = ['engine', 'gpu'];

/** What of `Worker` is used; tests bring their own. */
export type WorkerLike = Pick<Worker, 'onmessage' | 'onmessageerror' | 'onerror' | 'postMessage' | 'terminate'>;

interface Call {
  id: number;
  command: Command;
  file: File | null;
  onEvent: (event: Event) => void;
  end: (event: LastEvent) => void;
}

export class Engine {
  /** Which lane the next worker is for; the GPU's module holds both. */
  #build: LaneName = 'cpu';
  #worker: WorkerLike | null = null;
  #ready = false;
  #calls: Call[] = [];
  #sent: number | null = null;
  #lastId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #start: (build: LaneName) => WorkerLike;

  /** Changes whenever a worker begins or ends: what was loaded under another number is gone. */
  generation = 0;
  /** Called when a worker breaks while nothing is asked of it. */
  onBroken: (event: Extract<Event, { type: 'failed' }>) => void = () => {};

  constructor(start: (build: LaneName) => WorkerLike) {
    this.#start = start;
  }

  /** Makes the next command run in this module; ends the worker of the other one. */
  use(build: LaneName): void {
    if (build === this.#build) return;
    this.#build = build;
    this.#stop(null);
  }

  /** Runs a command after those before it. Resolves with its last event, failures included; never rejects. */
  send(command: Command, onEvent: (event: Event) => void = () => {}, file: File | null = null): Promise<LastEvent> {
    return new Promise((end) => {
      this.#calls.push({ id: ++this.#lastId, command, file, onEvent, end });
      this.#next();
    });
  }

  /** Stops the running command and drops the waiting ones; each ends with `cancelled` within `CANCEL_MS`. */
  cancel(): void {
    const [running, ...waiting] = this.#calls;
    if (!running) return;
    this.#calls = [running];
    for (const call of waiting) call.end({ type: 'cancelled' });
    if (this.#sent !== running.id) return this.#stop({ type: 'cancelled' });
    this.#worker?.postMessage({ id: ++this.#lastId, command: { type: 'cancel' } satisfies Command });
    this.#timer ??= setTimeout(() => this.#stop({ type: 'cancelled' }), CANCEL_MS);
  }

  #next(): void {
    const call = this.#calls[0];
    if (!call || this.#sent !== null) return;
    if (!this.#worker) this.#begin();
    if (!this.#ready) return;
    this.#sent = call.id;
    const { id, command, file } = call;
    this.#worker?.postMessage(file ? { id, command, file } : { id, command });
  }

  #begin(): void {
    const worker = this.#start(this.#build);
    this.generation += 1;
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onmessageerror = () => this.#break('a message from the worker could not be read');
    worker.onerror = (event) => this.#break(event.message || 'the worker ended without a word');
  }

  #receive(data: unknown): void {
    if (!isMessage(data)) return this.#break('the worker sent something that is no message of this page');
    if ('ready' in data) {
      this.#ready = true;
      return this.#next();
    }
    if (data.id === null) return this.#break(data.event.type === 'failed' ? data.event.fault.detail : data.event.type);
    const call = this.#calls[0];
    if (call?.id !== data.id) return; // the answer to a cancel, or a late word of a command that ended
    if (!isLast(data.event)) return call.onEvent(data.event);
    // A broken engine cannot be trusted with the next command, and a lost GPU cannot be had again in the same worker.
    if (data.event.type === 'failed' && ENDS_WORKER.includes(data.event.fault.kind)) return this.#stop(data.event);
    this.#end(data.event);
  }

  #end(event: LastEvent): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sent = null;
    this.#calls.shift()?.end(event);
    this.#next();
  }

  #break(detail: string): void {
    const event = failed('engine', detail);
    if (this.#calls.length === 0) this.onBroken(event);
    this.#stop(event);
  }

  /** Ends the worker; the next command starts a fresh one. Every command at work or waiting ends with `event`. */
  #stop(event: LastEvent | null): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#worker) this.generation += 1;
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    this.#sent = null;
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) call.end(event ?? { type: 'cancelled' });
  }
}
