/** Spreads work that comes by the hundred at once: what else the event loop has to do goes on in between. */

/** Returns false where there was nothing to do any more: the next one has its turn at once. */
export type PacedWork = () => boolean;

export class Pace<Key> {
  readonly #intervalMs: number;
  readonly #work = new Map<Key, PacedWork>();
  #timer: NodeJS.Timeout | undefined;

  /** From the beginning of one piece of work to the next, in milliseconds. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Does it at once when nothing was done just before; else in its turn. Of the same key only the latest work is done. */
  add(key: Key, work: PacedWork): void {
    if (this.#timer !== undefined) this.#work.set(key, work);
    else if (work()) this.#timer = setInterval(() => this.#next(), this.#intervalMs).unref();
  }

  #next(): void {
    for (const [key, work] of this.#work) {
      this.#work.delete(key);
      if (work()) return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
