/** A password on its way through RSA: encrypted for a server, and decrypted for one. */
import { constants, createPrivateKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import { encodeClearPassword } from '../../src/auth/clear-password.js';
import { xor } from '../../src/auth/nonce.js';
import { decodePublicKey, decryptPassword, encryptPassword } from '../../src/auth/rsa-exchange.js';
import type { RsaKey } from '../../src/auth/rsa-key.js';
import { xorRotating } from './mysql2-internals.js';
import type { Subject, Variant } from './subject.js';

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };

/** Stands for one that somebody has: it is nobody's. */
const PASSWORD = Buffer.from('a password of 24 letters');

/** `nonce`: 20 bytes, of a recorded greeting. */
export function rsaSubjects(key: RsaKey, nonce: Buffer): Subject[] {
  const { publicKeyPem, privateKey } = key;
  const publicKey = decodePublicKey(publicKeyPem);
  const encrypted = encryptPassword(publicKey, PASSWORD, nonce);
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const unscrambled = (scrambled: Buffer) => {
    const clear = xor(scrambled, nonce);
    return clear.subarray(0, clear.length - 1);
  };
  const common = { group: 'RSA exchange', packets: 1, bytes: key.length };
  const encrypting = (name: string, variant: Variant, encrypt: () => Buffer): Subject => ({
    ...{ ...common, traffic: 'encrypt for a server', name, variant },
    pass: () => encrypt().length,
    // The padding is another one each time.
    outcome: () => ({ isRight: decryptPassword(key, encrypt(), nonce).equals(PASSWORD) }),
  });
  const decrypting = (name: string, variant: Variant, decrypt: () => Buffer): Subject => ({
    ...{ ...common, traffic: 'decrypt for a client', name, variant },
    pass: () => decrypt().length,
    outcome: () => ({ isRight: decrypt().equals(PASSWORD) }),
  });
  return [
    encrypting('decodePublicKey, encryptPassword', 'shipping', () =>
      encryptPassword(decodePublicKey(publicKeyPem), PASSWORD, nonce),
    ),
    encrypting('with a key that was decoded before', 'rejected', () =>
      publicEncrypt({ key: publicKey, ...OAEP }, xor(encodeClearPassword(PASSWORD), nonce)),
    ),
    encrypting("as mysql2's plugins do", 'mysql2', () =>
      publicEncrypt(
        { key: publicKeyPem.toString(), ...OAEP },
        xorRotating(Buffer.from(`${PASSWORD.toString()}\0`, 'utf8'), nonce),
      ),
    ),
    decrypting('decryptPassword', 'shipping', () => decryptPassword(key, encrypted, nonce)),
    decrypting('with a key that is decoded each time', 'rejected', () =>
      unscrambled(privateDecrypt({ key: createPrivateKey(privatePem), ...OAEP }, encrypted)),
    ),
  ];
}
