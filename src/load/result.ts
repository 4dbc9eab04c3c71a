/** What a load test found, as `--json` prints it. Times are in milliseconds. */
import type { FailureCount } from './failure-counts.js';
import type { LatencyBucket, LatencySummary } from './latencies.js';
import type { ServerIdentity } from './server-view.js';
import type { Role, SslMode } from './side.js';
import type { Spread } from './spread.js';
import type { TlsCount } from './tls-counts.js';

/** Of queries, or of connections. The spreads are over rounds that ran to their end. */
export interface Measurement {
  /** Undefined where nothing succeeded. */
  readonly latency: LatencySummary | undefined;
  readonly histogram: readonly LatencyBucket[];
  readonly perSecond: Spread | undefined;
  readonly p50: Spread | undefined;
  readonly p99: Spread | undefined;
}

export interface SideResult {
  readonly role: Role;
  readonly address: string;
  readonly sslMode: SslMode;
  /** Undefined where the server did not say. */
  readonly server: ServerIdentity | undefined;
  readonly tls: {
    /** From here to the address. */
    readonly client: readonly TlsCount[];
    /** As the server saw it: behind a proxy this is the connection of the proxy. With --reconnect a sample. */
    readonly server: readonly TlsCount[];
  };
  readonly queries: Measurement;
  /** With --reconnect alone. */
  readonly connects: Measurement | undefined;
  readonly failures: readonly FailureCount[];
}

export type ComparedFigure =
  | 'queriesPerSecond'
  | 'queryP50'
  | 'queryP99'
  | 'connectionsPerSecond'
  | 'connectP50'
  | 'connectP99';

export interface Comparison {
  readonly figure: ComparedFigure;
  readonly target: Spread;
  readonly baseline: Spread;
  /** Of the medians, target less baseline; undefined where the ranges overlap, or the rounds are too few. */
  readonly difference: { readonly absolute: number; readonly percent: number } | undefined;
}

export interface LoadResult {
  readonly mix: string;
  readonly statementsPerPass: number;
  readonly connections: number;
  readonly reconnect: boolean;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly sliceMs: number;
  /** That ran to their end, of those that were planned. */
  readonly rounds: number;
  readonly plannedRounds: number;
  readonly interrupted: boolean;
  /** Share of the measured time in which this program itself was at work, 0 to 1. */
  readonly generatorBusy: number;
  /** The target first. */
  readonly sides: readonly SideResult[];
  /** Empty without a baseline. */
  readonly comparisons: readonly Comparison[];
  /** Statements that remove what could not be removed. */
  readonly leftBehind: readonly string[];
}
