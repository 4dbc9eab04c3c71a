/** So many in a period, evenly refilled: what was not used in time may come at once, up to the whole number of a period. */
import type { Rate } from '../config/model.js';

export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #countedAt: number;

  /** Full. `now` in milliseconds, on the clock that is used for `take`. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.count;
    this.#countedAt = now;
  }

  /** False where none is left. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  giveBack(): void {
    this.#tokens = Math.min(this.#tokens + 1, this.#rate.count);
  }

  /** A new one would be the same. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#rate.count;
  }

  #refill(now: number): void {
    const { count, periodMs } = this.#rate;
    const earned = ((now - this.#countedAt) / periodMs) * count;
    this.#tokens = Math.min(this.#tokens + Math.max(earned, 0), count);
    this.#countedAt = now;
  }
}
