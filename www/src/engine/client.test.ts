import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CANCEL_MS, Engine, type WorkerLike } from './client';
import type { Command, LaneName } from './generated';

const settings = { seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null };

/** A worker whose words the test puts in its mouth. */
class TestWorker implements WorkerLike {
  onmessage: Worker['onmessage'] = null;
  onmessageerror: Worker['onmessageerror'] = null;
  onerror: Worker['onerror'] = null;
  readonly heard: { id: number; command: Command; file?: File }[] = [];
  isEnded = false;

  constructor(readonly build: LaneName) {}

  postMessage(message: { id: number; command: Command }): void {
    this.heard.push(message);
  }
  terminate(): void {
    this.isEnded = true;
  }
  say(data: unknown): void {
    this.onmessage?.call(this as unknown as Worker, new MessageEvent('message', { data }));
  }
  breakDown(message: string): void {
    this.onerror?.call(this as unknown as Worker, Object.assign(new Event('error'), { message }) as ErrorEvent);
  }
}

const workers: TestWorker[] = [];
const newest = () => workers.at(-1)!;

function makeEngine(): Engine {
  return new Engine((build) => {
    workers.push(new TestWorker(build));
    return newest();
  });
}

beforeEach(() => {
  workers.length = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('Engine', () => {
  it('starts no worker before it is asked something', () => {
    makeEngine();
    expect(workers).toEqual([]);
  });

  it('holds a command back until the module is ready', () => {
    void makeEngine().send({ type: 'hello' });
    expect(newest().heard).toEqual([]);
    newest().say({ ready: true });
    expect(newest().heard).toEqual([{ id: 1, command: { type: 'hello' } }]);
  });

  it('passes events on and ends with the last one', async () => {
    const events: string[] = [];
    const end = makeEngine().send({ type: 'fetch', model: 'm' }, (event) => events.push(event.type));
    newest().say({ ready: true });
    newest().say({ id: 1, event: { type: 'fetching', bytes: 1, total: 2 } });
    newest().say({ id: 1, event: { type: 'fetched' } });
    expect(await end).toEqual({ type: 'fetched' });
    expect(events).toEqual(['fetching']);
  });

  it('runs one command at a time, in order', async () => {
    const engine = makeEngine();
    const first = engine.send({ type: 'hello' });
    void engine.send({ type: 'plan', tasks: [], settings });
    newest().say({ ready: true });
    expect(newest().heard.map(({ command }) => command.type)).toEqual(['hello']);
    newest().say({ id: 1, event: { type: 'ready', version: '1', models: [], tasks: [], groups: [] } });
    await first;
    expect(newest().heard.map(({ command }) => command.type)).toEqual(['hello', 'plan']);
  });

  it('lets an engine that answers a cancel live', async () => {
    const engine = makeEngine();
    const end = engine.send({ type: 'run', tasks: [], settings });
    newest().say({ ready: true });
    engine.cancel();
    expect(newest().heard.at(-1)?.command).toEqual({ type: 'cancel' });
    newest().say({ id: 1, event: { type: 'cancelled' } });
    expect(await end).toEqual({ type: 'cancelled' });
    vi.advanceTimersByTime(CANCEL_MS * 2);
    expect(newest().isEnded).toBe(false);
  });

  it('ends a worker that does not answer a cancel, and starts a fresh one on demand', async () => {
    const engine = makeEngine();
    const end = engine.send({ type: 'run', tasks: [], settings });
    newest().say({ ready: true });
    const before = engine.generation;
    engine.cancel();
    vi.advanceTimersByTime(CANCEL_MS - 1);
    expect(newest().isEnded).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await end).toEqual({ type: 'cancelled' });
    expect(newest().isEnded).toBe(true);
    expect(engine.generation).not.toBe(before);
    void engine.send({ type: 'hello' });
    expect(workers).toHaveLength(2);
  });

  it('drops waiting commands with the running one', async () => {
    const engine = makeEngine();
    void engine.send({ type: 'run', tasks: [], settings });
    const waiting = engine.send({ type: 'plan', tasks: [], settings });
    newest().say({ ready: true });
    engine.cancel();
    expect(await waiting).toEqual({ type: 'cancelled' });
  });

  it('cancels at once while the module is still starting', async () => {
    const engine = makeEngine();
    const end = engine.send({ type: 'run', tasks: [], settings });
    engine.cancel();
    expect(await end).toEqual({ type: 'cancelled' });
  });

  it('fails every command when the worker breaks, and goes on with a fresh one', async () => {
    const engine = makeEngine();
    const running = engine.send({ type: 'run', tasks: [], settings });
    const waiting = engine.send({ type: 'hello' });
    newest().say({ ready: true });
    newest().breakDown('unreachable executed');
    const fault = { kind: 'engine', detail: 'unreachable executed' };
    expect(await running).toEqual({ type: 'failed', fault });
    expect(await waiting).toEqual({ type: 'failed', fault });
    expect(newest().isEnded).toBe(true);
    void engine.send({ type: 'hello' });
    expect(workers).toHaveLength(2);
  });

  it('fails a command when the module cannot be started', async () => {
    const end = makeEngine().send({ type: 'hello' });
    newest().say({ id: null, event: { type: 'failed', fault: { kind: 'engine', detail: 'no such file' } } });
    expect(await end).toEqual({ type: 'failed', fault: { kind: 'engine', detail: 'no such file' } });
  });

  it('tells of a break while nothing was asked', () => {
    const engine = makeEngine();
    const broken = vi.fn();
    engine.onBroken = broken;
    void engine.send({ type: 'hello' });
    newest().say({ ready: true });
    newest().say({ id: 1, event: { type: 'ready', version: '1', models: [], tasks: [], groups: [] } });
    newest().breakDown('out of memory');
    expect(broken).toHaveBeenCalledWith({ type: 'failed', fault: { kind: 'engine', detail: 'out of memory' } });
  });

  it('takes no nonsense for an answer', async () => {
    const end = makeEngine().send({ type: 'hello' });
    newest().say({ ready: true });
    newest().say({ id: 1, event: { type: 'toString' } });
    expect(await end).toMatchObject({ type: 'failed', fault: { kind: 'engine' } });
  });

  it('ignores late words of a command that ended', async () => {
    const engine = makeEngine();
    const first = engine.send({ type: 'hello' });
    newest().say({ ready: true });
    newest().say({ id: 1, event: { type: 'cancelled' } });
    await first;
    const events: string[] = [];
    void engine.send({ type: 'run', tasks: [], settings }, (event) => events.push(event.type));
    newest().say({ id: 1, event: { type: 'fetching', bytes: 1, total: 2 } });
    expect(events).toEqual([]);
  });

  it('changes the module with the lane', () => {
    const engine = makeEngine();
    void engine.send({ type: 'hello' });
    engine.use('gpu');
    expect(newest().isEnded).toBe(true);
    void engine.send({ type: 'hello' });
    expect(workers.map(({ build }) => build)).toEqual(['cpu', 'gpu']);
  });
});
