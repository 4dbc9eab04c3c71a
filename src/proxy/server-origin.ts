/** What stays the same of a server connection however many clients it serves one after the other. */
import { NONCE_LENGTH } from '../auth/nonce.js';
import type { Address } from '../config/model.js';
import type { TlsDescription } from '../observe/events.js';
import type { Greeting } from '../wire/greeting.js';

export interface ServerOrigin {
  readonly address: Address;
  /** `HOST:PORT`. */
  readonly name: string;
  readonly greeting: Greeting;
  /** Flags that were agreed on with the server. */
  readonly capabilities: number;
  /** What its clients have in common: flags, the rest of the login's head, TLS and certificate of their leg. */
  readonly fit: string;
  readonly tls: TlsDescription;
  /** Every nonce that a client was asked to answer on it: none may come twice. */
  readonly nonces: Set<string>;
  /** Milliseconds of performance.now(). */
  readonly openedAt: number;
  /** Clients that it has served. */
  clients: number;
}

/** Of a nonce, as an element of `nonces`. */
export function nonceKey(nonce: Buffer): string {
  return nonce.toString('latin1', 0, NONCE_LENGTH);
}
