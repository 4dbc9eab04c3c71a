/** What clients and servers make of passwords, from the plugins' descriptions and without the proxy's own code. */
import { constants, createHash, type KeyLike, privateDecrypt, publicEncrypt } from 'node:crypto';

function digest(algorithm: string, ...parts: readonly Buffer[]): Buffer {
  return createHash(algorithm).update(Buffer.concat(parts)).digest();
}

/** The mask goes on from its beginning where it is shorter. */
export function xorRepeated(bytes: Buffer, mask: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte ^ mask.readUInt8(index % mask.length)));
}

export function nativeAnswer(password: string, nonce: Buffer): Buffer {
  const once = digest('sha1', Buffer.from(password));
  return xorRepeated(once, digest('sha1', nonce, digest('sha1', once)));
}

export function cachingSha2Answer(password: string, nonce: Buffer): Buffer {
  const once = digest('sha256', Buffer.from(password));
  return xorRepeated(once, digest('sha256', digest('sha256', once), nonce));
}

/** As mysql.user of MySQL 5.6 keeps it, without the asterisk. */
export function storedNativeHash(password: string): Buffer {
  return digest('sha1', digest('sha1', Buffer.from(password)));
}

export function clearAnswer(password: string): Buffer {
  return Buffer.from(`${password}\0`);
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };

/** What a client sends over a plaintext wire. */
export function encryptedAnswer(publicKey: KeyLike, password: string, nonce: Buffer): Buffer {
  return publicEncrypt({ key: publicKey, ...OAEP }, xorRepeated(clearAnswer(password), nonce));
}

/** What a server reads out of it: with the zero byte that must be there. */
export function decryptedAnswer(privateKey: KeyLike, answer: Buffer, nonce: Buffer): string {
  return xorRepeated(privateDecrypt({ key: privateKey, ...OAEP }, answer), nonce).toString();
}
