// The engine with several threads: whether this page may have them, and their start. Runs in the worker.
import type { ThreadLack } from './generated';
import script from './helper.ts?worker&url';
import { compile, moduleExists, moduleScript, type Started, type ThreadedModule } from './module';

export const THREADED = 'cpu-threads';
/** Most threads; more wait for the memory, and for each other. */
const THREADS_MAX = 8;
/** Time in which all must have started, in ms. */
const START_MS = 10_000;
/** Pause between two looks, in ms. */
const LOOK_MS = 5;

/** What a helper is given. */
export interface Share {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** How many threads to use, or why only one. */
export function planThreads(isIsolated: boolean, cores: number): number | ThreadLack {
  if (!isIsolated) return 'notIsolated';
  return cores > 1 ? Math.min(cores, THREADS_MAX) : 'oneCore';
}

/** Starts the module with all its threads; gives the reason if there can be only one. */
export async function startThreads(): Promise<Started | ThreadLack> {
  const threads = planThreads(self.crossOriginIsolated, navigator.hardwareConcurrency);
  if (typeof threads === 'string') return threads;
  if (!(await moduleExists(THREADED))) return 'noModule';
  const helpers: Worker[] = [];
  try {
    return await start(threads, helpers);
  } catch (reason) {
    console.warn('The threads did not start.', reason);
    for (const helper of helpers) helper.terminate();
    return 'failed';
  }
}

async function start(threads: number, helpers: Worker[]): Promise<Started> {
  const engine: ThreadedModule = await import(/* @vite-ignore */ moduleScript(THREADED));
  const { module, sha256 } = await compile(THREADED);
  const { memory } = await engine.default({ module_or_path: module });
  let broken: string | null = null;
  while (helpers.length + 1 < threads) {
    const helper = new Worker(script, { type: 'module' });
    helper.onerror = (event) => (broken = event.message || 'a helper ended without a word');
    helper.onmessage = ({ data }) => (broken = String(data));
    helper.postMessage({ module, memory } satisfies Share);
    helpers.push(helper);
  }
  const deadline = performance.now() + START_MS;
  // A helper that computes cannot answer, so the engine counts them.
  while (engine.threads() < threads) {
    if (broken !== null) throw new Error(broken);
    if (performance.now() > deadline) throw new Error(`${engine.threads()} of ${threads} threads in ${START_MS} ms`);
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
  return { engine, sha256 };
}
