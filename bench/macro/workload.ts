/** What clients do, and what is measured meanwhile. */
import type { TestCertificates } from '../../test/support/certificates.js';
import type { Database } from './database.js';
import type { Sample } from './sample.js';

export interface Workload {
  /** What throughput and CPU are counted in. */
  readonly unit: 'query' | 'connection' | 'MB' | 'idle connection';
  /** The program between client and server must be a new one in each round: memory once taken is not given back. */
  readonly needsFreshProgram?: boolean;
  run(target: Target, seconds: number): Promise<Sample>;
}

/** Where clients connect, what is asked what it took, and the server behind it. */
export interface Target {
  readonly port: number;
  readonly clientTls: boolean;
  /** Of the program between client and server; none for a direct connection. */
  pids(): number[];
  readonly database: Database;
  readonly certificates: TestCertificates;
}
