/**
 * client_ed25519 of MariaDB: an Ed25519 signature (64 bytes) of the server's nonce (32 bytes), with the password itself,
 * of any length, where RFC 8032 has a seed of 32 bytes. Node's crypto takes such seeds only, hence the curve library.
 * https://mariadb.com/kb/en/connection/#client_ed25519-plugin; MariaDB, plugin/auth_ed25519/ref10/sign.c.
 */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

export const ED25519 = 'client_ed25519';

export const ED25519_SIGNATURE_LENGTH = 64;

const { Point } = ed25519;

/** `nonce`: the data of the server's switch, 32 bytes. An empty password is sent as nothing. */
export function ed25519Signature(password: Buffer, nonce: Buffer): Buffer {
  if (password.length === 0) return Buffer.alloc(0);
  const secret = sha512(password);
  const scalar = secret.subarray(0, 32);
  scalar[0] = (scalar[0] ?? 0) & 0xf8;
  scalar[31] = ((scalar[31] ?? 0) & 0x3f) | 0x40;
  const privateScalar = modOrder(scalar);
  const publicKey = multiplyBase(privateScalar);
  const random = modOrder(sha512(secret.subarray(32), nonce));
  const commitment = multiplyBase(random);
  const challenge = modOrder(sha512(commitment, publicKey, nonce));
  secret.fill(0);
  const proof = Point.Fn.create(random + challenge * privateScalar);
  return Buffer.concat([commitment, Point.Fn.toBytes(proof)]);
}

function multiplyBase(scalar: bigint): Buffer {
  return Buffer.from(Point.BASE.multiply(scalar).toBytes());
}

/** A little-endian number of any length, modulo the order of the base point. */
function modOrder(littleEndian: Buffer): bigint {
  return Point.Fn.create(BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`));
}

function sha512(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
