/** What stands between client and server, as a thing that can be started. */
import type { Unavailable } from '../../test/support/programs.js';
import type { Database } from './database.js';

/** Which legs have TLS. Where nothing takes part in it, as with HAProxy in TCP mode, the client's goes through. */
export interface Legs {
  readonly client: 'plaintext' | 'TLS';
  readonly server: 'plaintext' | 'TLS';
}

export interface System {
  /** As the report names it. */
  readonly name: string;
  /** Rejects with an Error when the program does not start. */
  start(database: Database, legs: Legs): Promise<RunningSystem | Unavailable>;
}

export interface RunningSystem {
  readonly port: number;
  /** Whether clients use TLS. */
  readonly clientTls: boolean;
  /** Of all its processes; empty for a direct connection. */
  pids(): number[];
  stop(): Promise<void>;
}

export function direct(tls: 'plaintext' | 'TLS'): System {
  return {
    name: `direct, ${tls}`,
    start: async ({ port }) => ({
      port,
      clientTls: tls === 'TLS',
      pids: () => [],
      stop: async () => {},
    }),
  };
}
