/** Rates and times of the last minutes, for a page that is opened only when something is wrong already. */

import { type CommandStatistics, type CommandTimes, quantile } from '../command-statistics.js';
import type { Observer } from '../events.js';
import type { LiveConnections } from './live-connections.js';
import type { HistoryPoint } from './state.js';

export const HISTORY_STEP_SECONDS = 2;
const MOST_POINTS = 150;

/** Counts since the start. */
interface Totals {
  /** Milliseconds of a clock that is never set back. */
  readonly at: number;
  readonly opened: number;
  readonly rejected: number;
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Answers by time, as CommandTimes has them, over all commands and routes. */
  readonly buckets: readonly number[];
}

export class History {
  readonly #live: LiveConnections;
  readonly #statistics: readonly CommandStatistics[];
  readonly #points: HistoryPoint[] = [];
  readonly #timer: NodeJS.Timeout;
  #opened = 0;
  #rejected = 0;
  #latest: Totals;

  constructor(live: LiveConnections, statistics: readonly CommandStatistics[]) {
    this.#live = live;
    this.#statistics = statistics;
    this.#latest = this.#totals();
    this.#timer = setInterval(() => this.#step(), HISTORY_STEP_SECONDS * 1000);
    this.#timer.unref();
  }

  readonly observer: Observer = {
    opened: () => {
      this.#opened += 1;
    },
    refused: () => {
      this.#rejected += 1;
    },
    failed: (connection) => {
      if (!connection.isSession) this.#rejected += 1;
    },
  };

  get points(): readonly HistoryPoint[] {
    return this.#points;
  }

  get opened(): number {
    return this.#opened;
  }

  get rejected(): number {
    return this.#rejected;
  }

  get commands(): number {
    return sum(this.#commandTimes().map(({ count }) => count));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #step(): void {
    const before = this.#latest;
    const now = this.#totals();
    this.#latest = now;
    const seconds = (now.at - before.at) / 1000;
    const buckets = now.buckets.map((count, index) => count - (before.buckets[index] ?? 0));
    this.#points.push({
      at: Date.now(),
      active: this.#live.size,
      connections_per_second: (now.opened - before.opened) / seconds,
      rejected_per_second: (now.rejected - before.rejected) / seconds,
      commands_per_second: (now.commands - before.commands) / seconds,
      bytes_in_per_second: (now.bytesIn - before.bytesIn) / seconds,
      bytes_out_per_second: (now.bytesOut - before.bytesOut) / seconds,
      p50_seconds: quantile(buckets, 0.5),
      p99_seconds: quantile(buckets, 0.99),
    });
    if (this.#points.length > MOST_POINTS) this.#points.shift();
  }

  #commandTimes(): CommandTimes[] {
    return this.#statistics.flatMap((ofRoute) => ofRoute.commands());
  }

  #totals(): Totals {
    const traffic = [...this.#live.traffic().values()];
    const commands = this.#commandTimes();
    return {
      at: performance.now(),
      opened: this.#opened,
      rejected: this.#rejected,
      commands: sum(commands.map(({ count }) => count)),
      bytesIn: sum(traffic.map(({ client }) => client.in)),
      bytesOut: sum(traffic.map(({ client }) => client.out)),
      buckets: sumOfEach(commands.map(({ buckets }) => buckets)),
    };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sumOfEach(lists: readonly Float64Array[]): number[] {
  const length = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length }, (_, index) => sum(lists.map((list) => list[index] ?? 0)));
}
