/** What one round of a row gives, and what a row has given in the end. */

/** Units are the workload's: queries, connections or MB (of 1,000,000 bytes). */
export interface Sample {
  /** Units per second. */
  readonly throughput?: number | undefined;
  /** Microseconds on a CPU that the program between client and server took for a unit; undefined where there is none. */
  readonly cpu?: number | undefined;
  /** Milliseconds. */
  readonly p50?: number | undefined;
  readonly p95?: number | undefined;
  readonly p99?: number | undefined;
  /** The longest time that a client waited from its connect to its first answer, milliseconds. */
  readonly longestLogin?: number | undefined;
  /** Resident memory under load, MB. */
  readonly memory?: number | undefined;
  /** Resident memory for one more idle connection, KB. */
  readonly idleMemory?: number | undefined;
}

export type Measure = keyof Sample;

export interface EntryResult {
  readonly name: string;
  /** One for each round that counts. */
  readonly samples: readonly Sample[];
  /** Why there are none. */
  readonly unavailable?: string;
  /** It could be started and then broke, or was broken to begin with: something is wrong with the program or the bench. */
  readonly failed?: true;
}

export interface RowResult {
  readonly id: string;
  readonly title: string;
  /** Singular: `query`, `connection`, `MB`. */
  readonly unit: string;
  readonly rounds: number;
  /** The name of the entry that the others are compared with. */
  readonly reference: string;
  readonly entries: readonly EntryResult[];
}

/** The values of a measure, round by round; empty when the entry was not measured. */
export function valuesOf(entry: EntryResult | undefined, measure: Measure): number[] {
  return (entry?.samples ?? []).flatMap((sample) => sample[measure] ?? []);
}
