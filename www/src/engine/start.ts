// The only module that knows where the worker's script is.
import script from './worker.ts?worker&url';
import type { LaneName } from './generated';

/** Starts a worker for a lane. */
export function startWorker(build: LaneName): Worker {
  return new Worker(script, { type: 'module', name: build });
}
