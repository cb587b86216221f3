// The engine modules, as the server has them and as wasm-bindgen makes them.
import { sha256 } from '../lib/hash';
import type { ThreadLack } from './generated';

/** An engine module. */
export interface EngineModule {
  /** Instantiates the wasm module that is given; with the memory of another instance, beside that. */
  default(from: { module_or_path: WebAssembly.Module; memory?: WebAssembly.Memory }): Promise<{ memory: WebAssembly.Memory }>;
  /** Takes over `onmessage`. `moduleSha256` is the hash of the module's bytes, for the runs that are posted. */
  serve(lack: ThreadLack | null, moduleSha256: string | undefined): void;
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

/** A wasm module, and the hash of its bytes where the browser lets this page hash. */
export interface Compiled {
  module: WebAssembly.Module;
  sha256: string | undefined;
}

/** An engine that can serve, and the hash of its module. */
export interface Started {
  engine: EngineModule;
  sha256: string | undefined;
}

/** Fetches and compiles a module's wasm. The hash is of the very bytes that are compiled. */
export async function compile(name: string): Promise<Compiled> {
  const answer = await fetch(`/engine/${name}/jeoul_web_bg.wasm`);
  const copy = answer.clone();
  const hash = async () => (self.isSecureContext ? sha256(await copy.arrayBuffer()) : undefined);
  const [module, digest] = await Promise.all([WebAssembly.compileStreaming(answer), hash()]);
  return { module, sha256: digest };
}

/** Whether the server has a module. */
export async function moduleExists(name: string): Promise<boolean> {
  const answer = await fetch(moduleScript(name), { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  return answer?.ok === true && (answer.headers.get('content-type') ?? '').includes('javascript');
}
