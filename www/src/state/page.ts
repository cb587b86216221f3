// The one session of this tab.
import { Engine } from '../engine/client';
import { startWorker } from '../engine/start';
import { Session } from './session.svelte';

export const session = new Session(new Engine(startWorker));
