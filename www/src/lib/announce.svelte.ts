// What a screen reader hears: the newest sentence, at most every 10 s, so that progress does not talk without end.

export const QUIET_MS = 10_000;

/** Keeps the newest sentence until it may be said. */
export class Announcer {
  text = $state('');
  #waiting: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    this.#waiting = text;
    if (this.#timer === undefined) this.#speak();
  }

  #speak(): void {
    this.#timer = undefined;
    if (this.#waiting === null) return;
    this.text = this.#waiting;
    this.#waiting = null;
    this.#timer = setTimeout(() => this.#speak(), QUIET_MS);
  }
}

export const announcer = new Announcer();
