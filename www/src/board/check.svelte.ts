// Checking somebody's run, step by step: the draw, the documents computed again, the exact bytes, the verdict. Nothing but the request
// for a draw is sent before `send`.
import type { Fault } from '../engine/generated';
import type { LastEvent } from '../engine/message';
import { session } from '../state/page';
import type { Source } from '../state/session.svelte';
import { api, problemFrom, type Problem } from './api';
import type { Check, Judged } from './answers';
import { KeyError } from './key';

export type CheckStep = 'begin' | 'computing' | 'preview' | 'sending' | 'done';

/** Why it does not go on; our own codes beside the board's. */
export type Trouble = Pick<Problem, 'code' | 'detail' | 'pointer'>;

/** The trouble that an end of the engine's command, or a fault before it, means; null where the person stopped it. */
export function troubleOf(end: LastEvent | null, fault: Fault | null): Trouble | null {
  if (end?.type === 'uncheckable') return { code: `check-${end.lack}`, detail: end.detail, pointer: '' };
  return fault && { code: 'check-failed', detail: fault.detail, pointer: '' };
}

export class CheckRun {
  readonly #id: string;
  readonly #token: () => string | null;
  step = $state<CheckStep>('begin');
  checks = $state.raw<Check[]>([]);
  /** The exact bytes, once they are computed. */
  text = $state('');
  judged = $state.raw<Omit<Judged, 'trust'> | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  #check = '';

  constructor(id: string, token: () => string | null) {
    this.#id = id;
    this.#token = token;
  }

  /** Who has checked the run. */
  async list(): Promise<void> {
    await this.#attempt(this.step, async () => {
      this.checks = await api.checks(this.#id, this.#token());
    });
  }

  /** Has documents drawn and computes them again. */
  async compute(source: Source): Promise<void> {
    this.step = 'computing';
    await this.#attempt('begin', async () => {
      const drawn = await api.draw(this.#id, this.#token());
      if (drawn.verdict !== null) {
        // This key's word was given before.
        this.judged = { verdict: drawn.verdict, compared: drawn.compared, differing: drawn.differing };
        this.step = 'done';
        return;
      }
      const end = await session.check(source, await api.log(this.#id, this.#token()), drawn.documents);
      if (end?.type !== 'checked') {
        this.trouble = troubleOf(end, session.fault);
        this.step = 'begin';
        return;
      }
      this.#check = drawn.check;
      this.text = end.text;
      this.step = 'preview';
    });
  }

  back(): void {
    this.step = 'begin';
    this.text = '';
  }

  /** Sends the bytes that were shown; gives what the run is worth now. */
  async send(): Promise<Judged | null> {
    let judged: Judged | null = null;
    this.step = 'sending';
    await this.#attempt('preview', async () => {
      judged = await api.answer(this.#check, this.text, this.#token());
      this.judged = judged;
      this.step = 'done';
    });
    if (judged) await this.list();
    return judged;
  }

  async #attempt(otherwise: CheckStep, work: () => Promise<void>): Promise<void> {
    this.trouble = null;
    try {
      await work();
    } catch (error) {
      this.trouble = error instanceof KeyError ? { code: error.lack, detail: '', pointer: '' } : problemFrom(error);
      this.step = otherwise;
    }
  }
}
