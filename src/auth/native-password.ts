/**
 * mysql_native_password: `SHA1(password) ^ SHA1(nonce ‖ SHA1(SHA1(password)))`, 20 bytes; nothing for an empty password.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { xor } from './nonce.js';

export const NATIVE_PASSWORD = 'mysql_native_password';

export const NATIVE_SCRAMBLE_LENGTH = 20;

/** `nonce`: 20 bytes. */
export function nativeScramble(password: Buffer, nonce: Buffer): Buffer {
  if (password.length === 0) return Buffer.alloc(0);
  const once = sha1(password);
  return xor(once, sha1(nonce, sha1(once)));
}

/** What servers store of a password, and `*HEX` spells: `SHA1(SHA1(password))`, 20 bytes. */
export function doubleSha1(password: Buffer): Buffer {
  return sha1(sha1(password));
}

/**
 * Whether the answer was made with the password of which only `stored` (see `doubleSha1`) is known. Never true for an
 * answer without a scramble: who checks for an empty password has to do that first.
 */
export function isNativeScramble(answer: Buffer, nonce: Buffer, stored: Buffer): boolean {
  const scramble = answer.length === NATIVE_SCRAMBLE_LENGTH ? answer : Buffer.alloc(NATIVE_SCRAMBLE_LENGTH);
  const once = xor(scramble, sha1(nonce, stored));
  return timingSafeEqual(sha1(once), stored) && answer.length === NATIVE_SCRAMBLE_LENGTH;
}

function sha1(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
