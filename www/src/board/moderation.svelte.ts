// Whether this page moderates. The board's cookie says who; scripts cannot read it, and what stands here ends with the page.
import { api, Problem } from './api';
import type { Waiting } from './answers';

class Moderation {
  isIn = $state(false);
  waiting = $state.raw<Waiting[]>([]);

  /** Logs in with a token from the command line. */
  async login(token: string): Promise<void> {
    await api.login(token);
    this.isIn = true;
    await this.load();
    if (!this.isIn) throw new Problem(0, 'no-cookie', '', '');
  }

  /** What waits; whose session has ended is out. */
  async load(): Promise<void> {
    try {
      this.waiting = await api.waiting();
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      this.#leave();
    }
  }

  async logout(): Promise<void> {
    await api.logout();
    this.#leave();
  }

  #leave(): void {
    api.moderates = false;
    this.isIn = false;
    this.waiting = [];
  }
}

export const moderation = new Moderation();
