// The worker: starts one of the two engine modules, named by the worker's name, and lets it answer (`crates/web`).

interface EngineModule {
  /** Fetches and instantiates the wasm module beside it. */
  default(): Promise<unknown>;
  /** Takes over `onmessage`. */
  serve(): void;
}

const build = self.name === 'gpu' ? 'gpu' : 'cpu';

function report(reason: unknown): void {
  const detail = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  self.postMessage({ id: null, event: { type: 'failed', fault: { kind: 'engine', detail } } });
}

// A panic inside a promise raises no `error` event that the page could see.
self.addEventListener('unhandledrejection', (event) => report(event.reason));

try {
  const engine: EngineModule = await import(/* @vite-ignore */ `/engine/${build}/jeoul_web.js`);
  await engine.default();
  engine.serve();
  self.postMessage({ ready: true });
} catch (reason) {
  report(reason);
}
export {}; // makes this a module, so that it may await
