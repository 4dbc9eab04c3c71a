/** How many there were in about the last second: what is longer ago counts the less. */
const FADING_MS = 1_000;

export class FadingCount {
  readonly #now: () => number;
  #count = 0;
  #countedAt = 0;

  /** `now`: milliseconds on a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get value(): number {
    return this.#count * Math.exp((this.#countedAt - this.#now()) / FADING_MS);
  }

  add(): void {
    this.#count = this.value + 1;
    this.#countedAt = this.#now();
  }
}
