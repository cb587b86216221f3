// A worker of the worker: one more thread of its engine. Says something only if it cannot start.
import { moduleScript, type ThreadedModule } from './module';
import { THREADED, type Share } from './threads';

self.onmessage = async ({ data: { module, memory } }: MessageEvent<Share>) => {
  try {
    const engine: ThreadedModule = await import(/* @vite-ignore */ moduleScript(THREADED));
    await engine.default({ module_or_path: module, memory });
    try {
      engine.help();
    } catch (reason) {
      engine.giveUp();
      throw reason;
    }
  } catch (reason) {
    self.postMessage(String(reason));
  }
};
