/** What each client of the compatibility matrix is asked to do, and what can come of it. */
import type { RealServer } from '../support/servers.js';
import type { Account } from './accounts.js';
import type { CompatibilityCertificates } from './compatibility-certificates.js';
import type { Side } from './compatibility-servers.js';

export interface Task {
  readonly side: Side;
  readonly account: Account;
  readonly certificates: CompatibilityCertificates;
  /** MySQL 5.6: has the FEDERATED engine, and is the replica. */
  readonly old: RealServer;
  /** Called by the replica while it is connected. */
  readonly whileConnected?: () => Promise<void>;
}

/** What the server itself says of the connection. */
export interface SessionSeen {
  readonly user: string;
  /** Both are undefined where the server does not tell. */
  readonly sslVersion?: string;
  readonly sslCipher?: string;
}

export interface ClientRefusal {
  readonly errno: number;
  readonly message: string;
}

export type Outcome = { readonly session: SessionSeen } | { readonly refusal: ClientRefusal };
