/**
 * caching_sha2_password, the default since MySQL 8.0.
 *
 * The client answers with `SHA256(password) ^ SHA256(SHA256(SHA256(password)) ‖ nonce)`, 32 bytes, or nothing for an
 * empty password. A server that has the account in its cache says `01 03` and OK. Otherwise it says `01 04` and wants
 * the password itself: NUL-terminated over TLS or a unix socket, else encrypted with its RSA key, for which the client
 * asks with `02`.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuthReply } from '../wire/replies.js';
import { xor } from './nonce.js';

export const CACHING_SHA2_PASSWORD = 'caching_sha2_password';

export const CACHING_SHA2_SCRAMBLE_LENGTH = 32;

/** The client's packet that asks for the RSA key. */
export const CACHING_SHA2_KEY_REQUEST = Buffer.from([0x02]);

/** Data of the server's AuthMoreData. */
export const FAST_AUTH_SUCCESS = Buffer.from([0x03]);
export const PERFORM_FULL_AUTH = Buffer.from([0x04]);

/** `nonce`: 20 bytes. */
export function cachingSha2Scramble(password: Buffer, nonce: Buffer): Buffer {
  if (password.length === 0) return Buffer.alloc(0);
  const once = sha256(password);
  return xor(once, sha256(sha256(once), nonce));
}

/** Never true for an answer without a scramble: who checks for an empty password has to do that first. */
export function isCachingSha2Scramble(answer: Buffer, nonce: Buffer, password: Buffer): boolean {
  const once = sha256(password);
  const expected = xor(once, sha256(sha256(once), nonce));
  const given = answer.length === CACHING_SHA2_SCRAMBLE_LENGTH ? answer : Buffer.alloc(expected.length);
  return timingSafeEqual(given, expected) && answer.length === CACHING_SHA2_SCRAMBLE_LENGTH;
}

/** "Your password was in my cache": the one packet that no answer follows; OK comes next. */
export function isFastAuthSuccess(plugin: string, reply: AuthReply): boolean {
  return isMoreData(plugin, reply, FAST_AUTH_SUCCESS);
}

/** "Send me the password itself." */
export function isFullAuthRequest(plugin: string, reply: AuthReply): boolean {
  return isMoreData(plugin, reply, PERFORM_FULL_AUTH);
}

function isMoreData(plugin: string, reply: AuthReply, data: Buffer): boolean {
  return plugin === CACHING_SHA2_PASSWORD && reply.kind === 'auth-more-data' && reply.data.equals(data);
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
