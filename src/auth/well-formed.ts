/**
 * Answers that a server would take for a broken handshake rather than for a wrong password. It counts those against the
 * host that they come from, which behind a proxy is everyone's, and refuses it after max_connect_errors of them: 100
 * logins with a scramble one byte too long would lock everyone out. Seen at MariaDB and MySQL 5.6.
 */
import { randomBytes } from 'node:crypto';
import { ED25519, ED25519_SIGNATURE_LENGTH } from './ed25519.js';
import { NATIVE_PASSWORD, NATIVE_SCRAMBLE_LENGTH } from './native-password.js';

const LENGTHS: ReadonlyMap<string, readonly number[]> = new Map([
  // Nothing stands for an empty password.
  [NATIVE_PASSWORD, [NATIVE_SCRAMBLE_LENGTH, 0]],
  [ED25519, [ED25519_SIGNATURE_LENGTH]],
]);

/** The answer itself, or in the place of one that no client makes another that is as certainly refused. */
export function wellFormed(plugin: string, answer: Buffer): Buffer {
  const lengths = LENGTHS.get(plugin);
  const [usual] = lengths ?? [];
  return usual === undefined || lengths?.includes(answer.length) ? answer : randomBytes(usual);
}
