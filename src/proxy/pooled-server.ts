/** What a pool knows of one server: whether it is up, for how long it is left out after a failure, and how it was used. */
import { type Address, formatAddress } from '../config/model.js';

/** A server that fails once is left out for that long, in milliseconds; each further failure doubles it. */
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 60_000;
/** Back-off is up to that much shorter, so that several proxies do not come back all at once. */
const JITTER = 0.25;

/** An attempt to reach a server. */
export interface Attempt {
  /** `trial`: of a client, after a back-off, to see whether the server is back. */
  readonly kind: 'client' | 'trial' | 'check';
  readonly startedAt: number;
}

/** It outlives reloads: connections from before one are still open. Times are milliseconds of the pool's clock. */
export class PooledServer {
  readonly address: Address;
  /** `HOST:PORT`. */
  readonly name: string;
  /** Open ones, from the choice until the socket is closed. */
  connections = 0;
  /** Place in the order in which servers were chosen; 0: never. */
  chosen = 0;
  #state: 'unknown' | 'up' | 'down' = 'unknown';
  /** Those of attempts that were under way together count once. Forgotten when the server has been up for a while. */
  #failures = 0;
  #upSince = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Until then it is left out. */
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(address: Address) {
    this.address = address;
    this.name = formatAddress(address);
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** When it failed last. */
  get failedAt(): number {
    return this.#failedAt;
  }

  /** Milliseconds until it is to be tried again, 0 where that is due; undefined where it is not down. */
  backOffLeft(now: number): number | undefined {
    return this.isDown ? Math.max(0, this.#retryAt - now) : undefined;
  }

  /** Nobody waits for the end of its back-off any more. */
  endBackOff(now: number): void {
    this.#retryAt = Math.min(this.#retryAt, now);
  }

  /** Leaves it out from now on. `random`: from 0 to 1. */
  backOff(now: number, random: number): void {
    const full = Math.min(FIRST_BACK_OFF_MS * 2 ** (this.#failures - 1), LONGEST_BACK_OFF_MS);
    this.#retryAt = now + full * (1 - JITTER * random);
  }

  /** What comes after the greeting may still fail, so it does not bring back who is down. Returns whether the state has changed. */
  greeted(now: number): boolean {
    if (this.#state !== 'unknown') return false;
    this.#becomeUp(now);
    return true;
  }

  /** An attempt found that it can be used. Returns whether the state has changed. */
  succeeded({ startedAt }: Attempt, now: number): boolean {
    // An old connection that still made it says nothing of those to come.
    if (this.#state === 'up' || startedAt < this.#failedAt) return false;
    this.#becomeUp(now);
    return true;
  }

  /** Returns whether the state has changed; undefined where the failure is known already. `random`: from 0 to 1. */
  failed({ kind, startedAt }: Attempt, now: number, random: number): boolean | undefined {
    const changed = !this.isDown;
    // The same fall as seen by another connection.
    if (changed && startedAt < this.#failedAt) return undefined;
    // Connections that try it for want of another do not make it stay out longer.
    if (changed || kind !== 'client') {
      // One that falls as often as it rises, being full for one, comes back ever more slowly.
      const isForgotten = this.#state === 'up' && now - this.#upSince >= LONGEST_BACK_OFF_MS;
      this.#failures = isForgotten ? 1 : this.#failures + 1;
      this.backOff(now, random);
    }
    this.#state = 'down';
    this.#failedAt = now;
    return changed;
  }

  #becomeUp(now: number): void {
    this.#state = 'up';
    this.#upSince = now;
  }
}
