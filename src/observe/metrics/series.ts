/**
 * Counters, gauges and histograms by label values. Those of prom-client build and intern a text of all labels each time, which
 * for the twenty counts of a connection came to a tenth of what a connection on a kept server connection costs
 * (docs/decisions/0019). Here each label is one look into a map.
 */
import { bucketOf } from '../buckets.js';

export type Labels = Readonly<Record<string, string>>;

/** A value as it is served; `name` where it is not that of the metric, as of a histogram's parts. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly name?: string;
}

/** Of counters and of gauges. */
export class Tally {
  readonly #series: Series<{ value: number }>;

  constructor(labelNames: readonly string[]) {
    this.#series = new Series(labelNames, () => ({ value: 0 }));
  }

  /** With an `amount` of 0 the labels are served from now on. */
  inc(labels: Labels, amount = 1): void {
    this.#series.at(labels).value += amount;
  }

  dec(labels: Labels): void {
    this.inc(labels, -1);
  }

  remove(labels: Labels): void {
    this.#series.remove(labels);
  }

  samples(): Sample[] {
    return this.#series.entries().map(([labels, { value }]) => ({ labels, value }));
  }
}

export class Durations {
  readonly #bounds: readonly number[];
  readonly #series: Series<{ buckets: Float64Array; seconds: number }>;

  constructor(labelNames: readonly string[], bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#series = new Series(labelNames, () => ({
      buckets: new Float64Array(bounds.length + 1),
      seconds: 0,
    }));
  }

  observe(labels: Labels, seconds: number): void {
    const series = this.#series.at(labels);
    const bucket = bucketOf(this.#bounds, seconds);
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.seconds += seconds;
  }

  /** The labels are served from now on. */
  zero(labels: Labels): void {
    this.#series.at(labels);
  }

  remove(labels: Labels): void {
    this.#series.remove(labels);
  }

  /** `name`: of the metric, whole. */
  samples(name: string): Sample[] {
    return this.#series
      .entries()
      .flatMap(([labels, { buckets, seconds }]) =>
        histogramSamples(name, labels, this.#bounds, buckets, seconds),
      );
  }
}

/** As Prometheus counts a histogram: each bucket holds those below it, too. */
export function histogramSamples(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  buckets: ArrayLike<number>,
  seconds: number,
): Sample[] {
  let count = 0;
  const samples: Sample[] = [];
  for (const [index, bound] of [...bounds, '+Inf'].entries()) {
    count += buckets[index] ?? 0;
    samples.push({ labels: { le: bound, ...labels }, value: count, name: `${name}_bucket` });
  }
  samples.push({ labels, value: seconds, name: `${name}_sum` });
  samples.push({ labels, value: count, name: `${name}_count` });
  return samples;
}

interface Branch<Value> {
  readonly next: Map<string, Branch<Value>>;
  /** At the last label; undefined where nothing is served. */
  leaf: readonly [labels: Labels, value: Value] | undefined;
}

/** A value for each combination of label values: a tree with a level for each label. */
class Series<Value> {
  readonly #labelNames: readonly string[];
  readonly #create: () => Value;
  readonly #root: Branch<Value> = newBranch();
  readonly #leaves = new Set<readonly [labels: Labels, value: Value]>();

  constructor(labelNames: readonly string[], create: () => Value) {
    this.#labelNames = labelNames;
    this.#create = create;
  }

  at(labels: Labels): Value {
    const branch = this.#branch(labels);
    if (branch.leaf === undefined) {
      branch.leaf = [labels, this.#create()];
      this.#leaves.add(branch.leaf);
    }
    return branch.leaf[1];
  }

  remove(labels: Labels): void {
    const branch = this.#branch(labels);
    if (branch.leaf !== undefined) this.#leaves.delete(branch.leaf);
    branch.leaf = undefined;
  }

  /** In the order in which they came. */
  entries(): (readonly [labels: Labels, value: Value])[] {
    return [...this.#leaves];
  }

  #branch(labels: Labels): Branch<Value> {
    let branch = this.#root;
    for (const name of this.#labelNames) {
      const value = labels[name];
      if (value === undefined) throw new Error(`the label ${name} is missing`);
      let next = branch.next.get(value);
      if (next === undefined) {
        next = newBranch();
        branch.next.set(value, next);
      }
      branch = next;
    }
    return branch;
  }
}

function newBranch<Value>(): Branch<Value> {
  return { next: new Map(), leaf: undefined };
}
