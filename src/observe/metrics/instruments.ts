/** Makes the metrics that the table of definitions describes, and registers them at prom-client, which writes them out. */
import type { Metric, Registry } from 'prom-client';
import {
  type aggregateMetrics,
  type connectionMetrics,
  labelName,
  METRIC_PREFIX,
  type MetricDefinition,
} from './definitions.js';
import { Durations, type Sample, Tally } from './series.js';

type Definitions = typeof aggregateMetrics | typeof connectionMetrics;
type NamesOf<Table, Type> = {
  [Name in keyof Table]: Table[Name] extends { type: Type } ? Name : never;
}[keyof Table];

export class Instruments<Table extends Definitions> {
  readonly #table: Table;
  readonly #registry: Registry;

  constructor(table: Table, registry: Registry) {
    this.#table = table;
    this.#registry = registry;
  }

  counter(name: NamesOf<Table, 'counter'> & string): Tally {
    return this.#tally(name);
  }

  gauge(name: NamesOf<Table, 'gauge'> & string): Tally {
    return this.#tally(name);
  }

  histogram(name: NamesOf<Table, 'histogram'> & string): Durations {
    const { labels, buckets } = this.#definition(name);
    const durations = new Durations(labels.map(labelName), buckets ?? []);
    this.collected(name, () => durations.samples(METRIC_PREFIX + name));
    return durations;
  }

  /** A metric whose values are asked for at each scrape. */
  collected(name: keyof Table & string, collect: () => readonly Sample[]): void {
    const { type, help } = this.#definition(name);
    const fullName = METRIC_PREFIX + name;
    const get = async () => ({
      name: fullName,
      help,
      type,
      aggregator: 'sum',
      values: collect().map(({ labels, value, name: part }) => ({
        labels,
        value,
        metricName: part ?? fullName,
      })),
    });
    // All that a registry asks of a metric; its type wants the class.
    this.#registry.registerMetric({ name: fullName, help, type, get } as unknown as Metric);
  }

  #tally(name: keyof Table & string): Tally {
    const tally = new Tally(this.#definition(name).labels.map(labelName));
    this.collected(name, () => tally.samples());
    return tally;
  }

  #definition(name: keyof Table & string): MetricDefinition {
    return (this.#table as Readonly<Record<string, MetricDefinition>>)[name] ?? unknown(name);
  }
}

function unknown(name: string): never {
  throw new Error(`there is no metric ${name}`);
}
