/** Makes the metrics of prom-client that the table of definitions describes. */
import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client';
import {
  type aggregateMetrics,
  type connectionMetrics,
  labelName,
  METRIC_PREFIX,
  type MetricDefinition,
} from './definitions.js';

type Definitions = typeof aggregateMetrics | typeof connectionMetrics;
type NamesOf<Table, Type> = {
  [Name in keyof Table]: Table[Name] extends { type: Type } ? Name : never;
}[keyof Table];

/** A value of a metric that is counted elsewhere; `name` where it is not that of the metric, as of a histogram's parts. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly name?: string;
}

export class Instruments<Table extends Definitions> {
  readonly #table: Table;
  readonly #registry: Registry;

  constructor(table: Table, registry: Registry) {
    this.#table = table;
    this.#registry = registry;
  }

  counter(name: NamesOf<Table, 'counter'> & string): Counter {
    return new Counter(this.#configuration(name));
  }

  gauge(name: NamesOf<Table, 'gauge'> & string): Gauge {
    return new Gauge(this.#configuration(name));
  }

  histogram(name: NamesOf<Table, 'histogram'> & string): Histogram {
    const { buckets } = this.#definition(name);
    return new Histogram({ ...this.#configuration(name), buckets: [...(buckets ?? [])] });
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

  #configuration(name: keyof Table & string): {
    name: string;
    help: string;
    labelNames: string[];
    registers: Registry[];
  } {
    const { help, labels } = this.#definition(name);
    return {
      name: METRIC_PREFIX + name,
      help,
      labelNames: labels.map(labelName),
      registers: [this.#registry],
    };
  }

  #definition(name: keyof Table & string): MetricDefinition {
    return (this.#table as Readonly<Record<string, MetricDefinition>>)[name] ?? unknown(name);
  }
}

function unknown(name: string): never {
  throw new Error(`there is no metric ${name}`);
}
