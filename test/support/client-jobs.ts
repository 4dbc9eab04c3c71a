/** What a test has a MySQL client do, and what came of it: the same for every client, so that a test can loop over all. */
import type { Unavailable } from './programs.js';

export interface Credentials {
  user: string;
  password: string;
  database?: string;
}

export type ClientStep = (
  | { query: string }
  | { changeUser: Credentials }
  | { ping: true }
  /** Seconds in which it says nothing. */
  | { sleep: number }
) & {
  /** Each repetition has a result of its own. */
  repeat?: number;
};

export type ClientJob = Credentials &
  ({ host: string; port: number } | { socketPath: string }) & {
    /**
     * What the client does by itself unless told otherwise. `verify` checks chain and name, as far as the client can;
     * `ca` is the path of a PEM file.
     */
    tls?: 'off' | { ca?: string; verify: boolean };
    compress?: boolean;
    /** Instead of utf8mb4; PyMySQL and MariaDB Connector/Node.js take no heed of it. */
    charset?: 'latin1';
    /** In this order on one connection; an error does not keep the next one from being tried. */
    steps: readonly ClientStep[];
  };

export interface ClientError {
  /** 0 when the client gives its error no number; negative when it is one of the operating system. */
  errno: number;
  message: string;
  /** Not every client tells it. */
  sqlState?: string;
}

export type StepResult = { rows: string[][] } | { error: ClientError };
export type ClientResult = { results: StepResult[] } | { connectError: ClientError };

export type RunJob = (job: ClientJob) => Promise<ClientResult | Unavailable>;

export const loginDeadlineMs = 30_000;

export function unsupported(what: string): ClientError {
  return { errno: 0, message: `unsupported: ${what}` };
}
