/** What was measured of the functions. */
import type { Spread } from './statistics.js';
import type { Variant } from './subject.js';

export interface MicroReport {
  /** Of Node. */
  readonly node: string;
  /** Of the MySQL whose traffic it is. */
  readonly server: string;
  readonly rounds: number;
  readonly rows: readonly MicroRow[];
}

export interface MicroRow {
  readonly group: string;
  /** The bytes, and how they are cut. */
  readonly traffic: string;
  readonly name: string;
  readonly variant: Variant;
  /** Per second of CPU time, over the rounds. */
  readonly packetsPerSecond: Spread;
  readonly bytesPerSecond: Spread;
  /** On V8's heap and outside of it. */
  readonly allocatedBytesPerPacket: number;
}
