/** What is loaded: the target, and the baseline that it is compared with. */
import type { Address } from '../config/model.js';
import { formatAddress } from '../config/model.js';

export type Role = 'target' | 'baseline';

/** As the mysql program has them. */
export type SslMode = 'DISABLED' | 'PREFERRED' | 'REQUIRED' | 'VERIFY_CA' | 'VERIFY_IDENTITY';

/** Contents, not paths. */
export interface SideTls {
  readonly sslMode: SslMode;
  /** PEM; undefined: the CAs of Node.js. */
  readonly ca: string | undefined;
  /** PEM of certificate and key. */
  readonly keyPair: { readonly cert: string; readonly key: string; readonly passphrase?: string } | undefined;
  /** As Node.js names them. */
  readonly minVersion: string;
  readonly maxVersion: string;
}

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: string | undefined;
}

export interface Side {
  readonly role: Role;
  readonly address: Address;
  readonly tls: SideTls;
  readonly login: Login;
}

/** For messages: `the target (127.0.0.1:3307)`. */
export function nameOf({ role, address }: Pick<Side, 'role' | 'address'>): string {
  return `the ${role} (${formatAddress(address)})`;
}
