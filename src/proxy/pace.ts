/** Spreads work that comes by the hundred at once: what else the event loop has to do goes on in between. */
export class Pace<Key> {
  readonly #intervalMs: number;
  readonly #work = new Map<Key, () => void>();
  #timer: NodeJS.Timeout | undefined;

  /** From the beginning of one piece of work to the next, in milliseconds. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Does it at once when nothing was done just before; else in its turn. Of the same key only the latest work is done. */
  add(key: Key, work: () => void): void {
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#next(), this.#intervalMs).unref();
      work();
    } else {
      this.#work.set(key, work);
    }
  }

  #next(): void {
    const [first] = this.#work;
    if (first === undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const [key, work] = first;
    this.#work.delete(key);
    work();
  }
}
