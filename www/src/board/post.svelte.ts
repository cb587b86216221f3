// Posting one run, step by step: the form, the exact bytes, the receipt, the way back. Nothing is sent before `post`.
import type { LastEvent } from '../engine/message';
import type { Run } from '../runs/run';
import { session } from '../state/page';
import { api, problemFrom, type Problem } from './api';
import type { Receipt } from './answers';
import { browserKey, KeyError } from './key';
import { recallBoards, rememberBoards } from './memory';
import { adapterOf, firstForm, postingOf, type Form } from './post';
import { rooms } from './rooms.svelte';
import { isRoom } from './route';

export type Step = 'form' | 'preparing' | 'preview' | 'posting' | 'posted' | 'undone';

type Sealed = Extract<LastEvent, { type: 'sealed' }>;
/** Why it does not go on; our own codes beside the board's. */
type Trouble = Pick<Problem, 'code' | 'detail' | 'pointer'>;

export class PostRun {
  readonly run: Run;
  form = $state<Form>() as Form;
  boards = $state.raw(recallBoards());
  step = $state<Step>('form');
  sealed = $state.raw<Sealed | null>(null);
  receipt = $state.raw<Receipt | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** Whether something is asked of the board right now. */
  isAsking = $state(false);

  constructor(run: Run) {
    this.run = run;
    const model = session.models.find(({ id }) => id === run.registry?.id) ?? null;
    // Who has joined a room means to post there.
    const board = rooms.own[0]?.room ?? this.boards[0] ?? 'open';
    this.form = firstForm(run, model, board);
  }

  /** Asks the site which public boards it has. */
  async lookUp(): Promise<void> {
    await this.#ask(async () => {
      this.boards = await api.boards();
      rememberBoards(this.boards);
    });
  }

  /** Makes, checks and signs the record here. */
  async prepare(): Promise<void> {
    this.trouble = null;
    this.step = 'preparing';
    this.sealed = null;
    try {
      const key = await browserKey();
      const offered = session.gpu.state === 'ready' ? session.gpu.adapter : null;
      const posting = postingOf(this.form, key.publicKey, adapterOf(this.run.lane, offered));
      if (posting === null) return this.back();
      const made = await session.ask({ type: 'envelope', posting });
      if (made.type !== 'envelope') return this.#refused(made);
      const signature = await key.sign(new TextEncoder().encode(made.payload));
      const sealed = await session.ask({ type: 'seal', payload: made.payload, public_key: key.publicKey, signature });
      if (sealed.type !== 'sealed') return this.#refused(sealed);
      this.sealed = sealed;
      this.step = 'preview';
    } catch (error) {
      this.trouble = error instanceof KeyError ? { code: error.lack, detail: '', pointer: '' } : problemFrom(error);
      this.step = 'form';
    }
  }

  #refused(end: LastEvent): void {
    // A model may write what no board takes, such as U+0000: its owner can only send less.
    if (end.type === 'refused') this.trouble = /\/texts\/\d+$/.test(end.refusal.pointer) ? { ...end.refusal, code: 'output-refused' } : end.refusal;
    else this.trouble = { code: end.type, detail: end.type === 'failed' ? end.fault.detail : '', pointer: '' };
    this.step = 'form';
  }

  back(): void {
    this.step = 'form';
    this.trouble = null;
  }

  /** Sends the bytes that were shown. */
  async post(): Promise<void> {
    const { sealed, form } = this;
    if (!sealed || this.step !== 'preview') return;
    this.step = 'posting';
    const done = await this.#ask(async () => {
      const { text, key } = sealed;
      this.receipt = await (isRoom(form.board) ? rooms.post(form.board, text, key) : api.post(text, key, { board: form.board }));
    });
    this.step = done ? 'posted' : 'preview';
  }

  /** Takes it back. */
  async undo(): Promise<void> {
    const id = this.receipt?.id;
    if (id && (await this.#ask(() => api.delete(id)))) this.step = 'undone';
  }

  async restore(): Promise<void> {
    const id = this.receipt?.id;
    if (id && (await this.#ask(() => api.restore(id)))) this.step = 'posted';
  }

  async #ask(work: () => Promise<void>): Promise<boolean> {
    this.trouble = null;
    this.isAsking = true;
    try {
      await work();
      return true;
    } catch (error) {
      this.trouble = error instanceof KeyError ? { code: error.lack, detail: '', pointer: '' } : problemFrom(error);
      return false;
    } finally {
      this.isAsking = false;
    }
  }
}
