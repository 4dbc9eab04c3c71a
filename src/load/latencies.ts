/** Latencies in an HdrHistogram: every value is kept to three digits, however many there are. */
import { Int32Histogram } from 'hdr-histogram-js';

/** All in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** How many took at most `upTo` milliseconds, and more than the bucket before. */
export interface LatencyBucket {
  readonly upTo: number;
  readonly count: number;
}

/** The histogram counts whole microseconds. */
const PER_MILLISECOND = 1000;
const DIGITS = 3;

export class Latencies {
  readonly #histogram = new Int32Histogram(1, PER_MILLISECOND * 1000, DIGITS);

  constructor() {
    this.#histogram.autoResize = true;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(milliseconds: number): void {
    this.#histogram.recordValue(Math.max(1, Math.round(milliseconds * PER_MILLISECOND)));
  }

  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
  }

  /** Milliseconds. @param percent above 0, up to 100. */
  percentile(percent: number): number {
    return this.#histogram.getValueAtPercentile(percent) / PER_MILLISECOND;
  }

  /** Undefined when nothing was recorded. */
  summary(): LatencySummary | undefined {
    if (this.count === 0) return undefined;
    return {
      count: this.count,
      mean: Math.round(this.#histogram.mean) / PER_MILLISECOND,
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: this.percentile(100),
    };
  }

  /** In steps of 1, 2 and 5, from the first bucket that has any to the last. */
  buckets(): readonly LatencyBucket[] {
    const counts = new Map<number, number>();
    const histogram = this.#histogram;
    const last = this.count === 0 ? -1 : histogram.countsArrayIndex(histogram.maxValue);
    for (let index = 0; index <= last; index++) {
      const count = histogram.getCountAtIndex(index);
      if (count === 0) continue;
      const upTo = bucketOf(histogram.valueFromIndex(index));
      counts.set(upTo, (counts.get(upTo) ?? 0) + count);
    }
    const used = [...counts.keys()];
    const [first, end] = [Math.min(...used), Math.max(...used)];
    const buckets: LatencyBucket[] = [];
    for (let upTo = first; upTo <= end; upTo = bucketOf(upTo + 1)) {
      buckets.push({ upTo: upTo / PER_MILLISECOND, count: counts.get(upTo) ?? 0 });
    }
    return buckets;
  }
}

/** The least of 1, 2, 5, 10, 20, 50 … that is not below it. In microseconds. */
function bucketOf(microseconds: number): number {
  for (let step = 1; ; step *= 10) {
    const found = [1, 2, 5].find((factor) => microseconds <= factor * step);
    if (found !== undefined) return found * step;
  }
}
