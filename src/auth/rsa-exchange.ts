/**
 * The password over a plaintext wire: `RSA(password ‖ 00, XORed with the nonce of the last switch)`, padded with
 * RSAES-OAEP, SHA-1, MGF1-SHA1, empty label (RFC 8017 §7.1), for the key that the server's side handed out.
 * MySQL, sql-common/client_authentication.cc and sql/auth/sha2_password.cc.
 */
import {
  constants,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { decodeClearPassword, encodeClearPassword } from './clear-password.js';
import { xor } from './nonce.js';
import type { RsaKey } from './rsa-key.js';

const PADDING = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };

/** What OAEP with SHA-1 takes of a key's length, in bytes. */
const PADDING_LENGTH = 42;

/**
 * The password that a client encrypted for `key`. What can not be decrypted comes out as a password that is certainly
 * wrong: the server then says no in its own words and time, as to any other wrong password, and whoever sends crafted
 * blobs learns nothing about the padding. To be overwritten by the caller after use.
 */
export function decryptPassword(key: RsaKey, encrypted: Buffer, nonce: Buffer): Buffer {
  const substitute = Buffer.from(randomBytes(16).toString('hex'), 'latin1');
  // OpenSSL takes a number whose leading zero bytes were left out; RFC 8017 §7.1.2 wants the key's whole length.
  if (encrypted.length !== keyLengthBytes(key.privateKey)) return substitute;
  let scrambled: Buffer;
  try {
    scrambled = privateDecrypt({ key: key.privateKey, ...PADDING }, encrypted);
  } catch {
    return substitute;
  }
  const clear = xor(scrambled, nonce);
  scrambled.fill(0);
  return decodeClearPassword(clear);
}

/** Reads a server's public key. Throws an Error that does not quote it. */
export function decodePublicKey(pem: Buffer): KeyObject {
  const key = createPublicKey({ key: pem.toString('latin1'), format: 'pem' });
  if (key.asymmetricKeyType !== 'rsa')
    throw new Error(`it is a key for ${key.asymmetricKeyType}, not for RSA`);
  return key;
}

/** Throws an Error for a password of more bytes than the key has less 43. */
export function encryptPassword(publicKey: KeyObject, password: Buffer, nonce: Buffer): Buffer {
  const keyLength = keyLengthBytes(publicKey);
  const clear = encodeClearPassword(password);
  if (clear.length > keyLength - PADDING_LENGTH) {
    clear.fill(0);
    throw new Error(`the password is too long for a key of ${keyLength * 8} bits`);
  }
  const scrambled = xor(clear, nonce);
  clear.fill(0);
  const encrypted = publicEncrypt({ key: publicKey, ...PADDING }, scrambled);
  scrambled.fill(0);
  return encrypted;
}

/** Of the key, and of everything that is encrypted with it. */
export function keyLengthBytes(key: KeyObject): number {
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
}
