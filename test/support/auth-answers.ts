/**
 * What a client answers with each authentication plugin, from the protocol's pages and Node's crypto alone: it shares no
 * code with the proxy.
 */
import { constants, createHash, createPrivateKey, publicEncrypt, sign } from 'node:crypto';

export type ClientPlugin =
  | 'mysql_native_password'
  | 'caching_sha2_password'
  | 'sha256_password'
  | 'mysql_clear_password'
  | 'client_ed25519';

/** For any password that is not empty. */
export function nativeScramble(password: string, nonce: Buffer): Buffer {
  const once = hash('sha1', password);
  return xor(once, hash('sha1', nonce, hash('sha1', once)));
}

/** For any password that is not empty. */
export function cachingSha2Scramble(password: string, nonce: Buffer): Buffer {
  const once = hash('sha256', password);
  return xor(once, hash('sha256', hash('sha256', once), nonce));
}

/** MariaDB takes the password, of any length, for the seed of the key; Node's crypto knows seeds of 32 bytes only. */
export function ed25519Signature(password: string, nonce: Buffer): Buffer {
  const seed = Buffer.from(password);
  if (seed.length !== 32) throw new Error('this test client signs with passwords of 32 bytes only');
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return sign(null, nonce, createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
}

export function clearPassword(password: string): Buffer {
  return Buffer.from(`${password}\0`);
}

export function encryptedPassword(password: string, nonce: Buffer, publicKey: Buffer): Buffer {
  const scrambled = xor(clearPassword(password), nonce);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key: publicKey.toString(), padding, oaepHash: 'sha1' }, scrambled);
}

function xor(bytes: Buffer, mask: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte ^ (mask[index % mask.length] ?? 0)));
}

function hash(algorithm: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const result = createHash(algorithm);
  for (const part of parts) result.update(part);
  return result.digest();
}
