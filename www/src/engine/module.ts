// The engine modules, as the server has them and as wasm-bindgen makes them.
import type { ThreadLack } from './generated';

/** An engine module. */
export interface EngineModule {
  /** Instantiates the wasm module beside it, or the one that is given; with the memory of another instance, beside that. */
  default(from?: { module_or_path: WebAssembly.Module; memory?: WebAssembly.Memory }): Promise<{ memory: WebAssembly.Memory }>;
  /** Takes over `onmessage`. */
  serve(lack: ThreadLack | null): void;
  /** Threads that compute. */
  threads(): number;
}

/** The module with threads. */
export interface ThreadedModule extends EngineModule {
  /** Computes for the instance that serves; returns never, unless it breaks. */
  help(): void;
  /** Tells that instance that this one broke. */
  giveUp(): void;
}

/** Where a module's JavaScript is. */
export function moduleScript(name: string): string {
  return `/engine/${name}/jeoul_web.js`;
}

/** Where its wasm is. */
export function moduleWasm(name: string): string {
  return `/engine/${name}/jeoul_web_bg.wasm`;
}

/** Whether the server has a module. */
export async function moduleExists(name: string): Promise<boolean> {
  const answer = await fetch(moduleScript(name), { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  return answer?.ok === true && (answer.headers.get('content-type') ?? '').includes('javascript');
}
