/** Checks the servers of a route again and again, and tells its pool and the observers how they are. */
import { Cancellation, type CancelSignal } from '../cancellation.js';
import type { Observer } from '../observe/events.js';
import type { CheckOutcome } from './health-check.js';
import type { ServerAttempt, ServerPool } from './server-pool.js';

export interface HealthMonitorOptions {
  readonly route: string;
  readonly pool: ServerPool;
  /** Milliseconds. */
  readonly interval: number;
  readonly observer: Pick<Observer, 'serverChecked'>;
  /** Never rejects. */
  readonly check: (attempt: ServerAttempt, signal: CancelSignal) => Promise<CheckOutcome>;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** Proxies that were started together do not go on checking together. */
const JITTER = 0.1;

/** The first checks come within that many milliseconds. */
const START_MS = 1_000;

/**
 * Checks that the server counts against max_connect_errors (100 unless told otherwise) get rarer and rarer: one each hour in the
 * end. Only somebody who changes a configuration can help such a server.
 */
const FIRST_COUNTED_MS = 1_000;
const LONGEST_COUNTED_MS = 3_600_000;

interface Watch {
  readonly name: string;
  timer: NodeJS.Timeout | undefined;
  /** Of performance.now(); of the timer. */
  dueAt: number;
  running: Promise<void> | undefined;
  /** Checks in a row that the server counted. */
  counted: number;
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #random: () => number;
  readonly #watches: ReadonlyMap<string, Watch>;
  readonly #closing = new Cancellation();

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#watches = new Map(
      options.pool.names.map((name) => [
        name,
        { name, timer: undefined, dueAt: 0, running: undefined, counted: 0 },
      ]),
    );
  }

  start(): void {
    const { interval, pool } = this.#options;
    for (const watch of this.#watches.values()) {
      const isDown = pool.backOffLeft(watch.name) !== undefined;
      this.#schedule(watch, isDown ? 0 : this.#random() * Math.min(START_MS, interval));
    }
  }

  /** A client found the server to be down: when its back-off is over, it is checked. */
  failed(name: string): void {
    const watch = this.#watches.get(name);
    if (watch?.timer === undefined) return;
    const delay = this.#delay(watch);
    if (performance.now() + delay < watch.dueAt) this.#schedule(watch, delay);
  }

  /** Nothing is told any more. Resolves when the checks that were under way have left their servers. */
  async close(): Promise<void> {
    this.#closing.cancel(new Error('no server is checked any more'));
    for (const { timer } of this.#watches.values()) clearTimeout(timer);
    await Promise.all([...this.#watches.values()].map(({ running }) => running));
  }

  #schedule(watch: Watch, delay: number): void {
    if (this.#closing.isCancelled) return;
    clearTimeout(watch.timer);
    watch.dueAt = performance.now() + delay;
    watch.timer = setTimeout(() => {
      watch.timer = undefined;
      watch.running = this.#check(watch);
    }, delay).unref();
  }

  async #check(watch: Watch): Promise<void> {
    const { pool, check } = this.#options;
    const attempt = pool.attemptCheck(watch.name);
    const outcome = await check(attempt, this.#closing);
    watch.running = undefined;
    if (this.#closing.isCancelled) return;
    watch.counted = outcome.isCounted ? watch.counted + 1 : 0;
    this.#tell(attempt, outcome);
    void this.#goOn(watch, outcome);
  }

  async #goOn(watch: Watch, { late }: CheckOutcome): Promise<void> {
    await late;
    this.#schedule(watch, this.#delay(watch));
  }

  #tell(attempt: ServerAttempt, { result, error, greetedAfter }: CheckOutcome): void {
    const { route, observer } = this.#options;
    if (result === 'failure' && error !== undefined) attempt.failed(error);
    else attempt.succeeded();
    observer.serverChecked?.({ route, server: attempt.name, result, error, greetedAfter });
  }

  /** Milliseconds until the next check. */
  #delay({ name, counted }: Watch): number {
    const { pool, interval } = this.#options;
    if (counted > 0) return Math.min(FIRST_COUNTED_MS * 2 ** (counted - 1), LONGEST_COUNTED_MS);
    const usual = interval * (1 + JITTER * (2 * this.#random() - 1));
    const backOff = pool.backOffLeft(name);
    return backOff === undefined ? usual : Math.min(backOff, usual);
  }
}
