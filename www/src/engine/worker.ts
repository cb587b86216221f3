// The worker: starts an engine module for the lane that its name says, and lets it answer (`crates/web`).
import type { ThreadLack } from './generated';
import { compile, moduleScript, type EngineModule, type Started } from './module';
import { startThreads } from './threads';

function report(reason: unknown): void {
  const detail = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  self.postMessage({ id: null, event: { type: 'failed', fault: { kind: 'engine', detail } } });
}

async function startSingle(name: string): Promise<Started> {
  const engine: EngineModule = await import(/* @vite-ignore */ moduleScript(name));
  const { module, sha256 } = await compile(name);
  await engine.default({ module_or_path: module });
  return { engine, sha256 };
}

/** The CPU lane, with threads if it can have them. */
async function startCpu(): Promise<[Started, ThreadLack | null]> {
  const threads = await startThreads();
  return typeof threads === 'string' ? [await startSingle('cpu'), threads] : [threads, null];
}

// A panic inside a promise raises no `error` event that the page could see.
self.addEventListener('unhandledrejection', (event) => report(event.reason));

try {
  const [{ engine, sha256 }, lack] = self.name === 'gpu' ? [await startSingle('gpu'), null] : await startCpu();
  engine.serve(lack, sha256);
  self.postMessage({ ready: true });
} catch (reason) {
  report(reason);
}
