/** Makes RSA keys: the yaSSL in MySQL 5.6 knows no others. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

/** PEM texts. */
export interface KeyPair {
  /** PKCS #1, because yaSSL reads no PKCS #8. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: string;
}

/** Not on the main thread, so several can be made at once. 3072 bits take 0.1 to 1 s. */
export function makeKeyPair(bits: number): Promise<KeyPair> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
}
