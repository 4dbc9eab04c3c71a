/** What a test did, counted in the words of the metrics: label values in the order of the definitions. */
import {
  aggregateMetrics,
  connectionMetrics,
  labelName,
  METRIC_PREFIX,
  type MetricDefinition,
} from '../../src/observe/metrics/definitions.js';
import type { RunningPrometheus, Sample } from '../support/prometheus.js';

export const definitions: Readonly<Record<string, MetricDefinition>> = {
  ...aggregateMetrics,
  ...connectionMetrics,
};

/** Values by labels, as `plain client TLSv1.3 …`. */
export type Counts = Readonly<Record<string, number>>;

export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();

  /** Of a histogram the count. */
  add(metric: string, labelValues: readonly string[], by = 1): void {
    const labels = definitions[metric]?.labels.length;
    if (labels !== labelValues.length) throw new Error(`${metric} has ${labels} labels`);
    const ofMetric = this.#counts.get(metric) ?? new Map<string, number>();
    const key = labelValues.join(' ');
    ofMetric.set(key, (ofMetric.get(key) ?? 0) + by);
    this.#counts.set(metric, ofMetric);
  }

  of(metric: string): Counts {
    return sorted(this.#counts.get(metric) ?? new Map());
  }
}

/** All that Prometheus has at one moment, by name without the prefix. */
export type Snapshot = ReadonlyMap<string, readonly Sample[]>;

/** As the next scrape finds it. */
export async function takeSnapshot(prometheus: RunningPrometheus): Promise<Snapshot> {
  await prometheus.scraped();
  const snapshot = new Map<string, readonly Sample[]>();
  for (const [name, { type }] of Object.entries(definitions)) {
    const series = `${METRIC_PREFIX}${name}${type === 'histogram' ? '_count' : ''}`;
    snapshot.set(name, await prometheus.query(series));
  }
  return snapshot;
}

/** Every time series of a metric, of a histogram the counts, with all its labels. */
export function valuesOf(snapshot: Snapshot, metric: string): Counts {
  const names = definitions[metric]?.labels.map(labelName) ?? [];
  const values = new Map<string, number>();
  for (const { labels, value } of snapshot.get(metric) ?? []) {
    const own = withoutTarget(labels);
    const unknown = Object.keys(own).filter((name) => !names.includes(name));
    if (unknown.length > 0) throw new Error(`${metric} has a label ${unknown.join(', ')}`);
    values.set(names.map((name) => own[name] ?? '').join(' '), value);
  }
  return sorted(values);
}

/** Labels of each time series. Prometheus takes a label that is empty for one that is not there. */
export function labelsOf(snapshot: Snapshot, metric: string): readonly Sample['labels'][] {
  return (snapshot.get(metric) ?? []).map(({ labels }) => withoutTarget(labels));
}

function withoutTarget({ job: _job, instance: _instance, ...own }: Sample['labels']): Sample['labels'] {
  return own;
}

/** As `valuesOf`, without those that are 0. */
export function countsOf(snapshot: Snapshot, metric: string): Counts {
  return Object.fromEntries(Object.entries(valuesOf(snapshot, metric)).filter(([, value]) => value !== 0));
}

function sorted(counts: ReadonlyMap<string, number>): Counts {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}

export function withoutLastLabel(counts: Counts): Counts {
  const merged: Record<string, number> = {};
  for (const [labels, count] of Object.entries(counts)) {
    const rest = labels.slice(0, labels.lastIndexOf(' '));
    merged[rest] = (merged[rest] ?? 0) + count;
  }
  return merged;
}

export function onlyLeg(counts: Counts, leg: string): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([labels]) => labels.split(' ')[1] === leg));
}

export function withRoute(counts: Counts, route: string): Counts {
  return Object.fromEntries(Object.entries(counts).map(([labels, count]) => [`${route} ${labels}`, count]));
}

export function onlyRoute(counts: Counts, route: string): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([labels]) => labels.startsWith(`${route} `)));
}

export function withoutRoute(counts: Counts, route: string): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([labels]) => !labels.startsWith(`${route} `)));
}
