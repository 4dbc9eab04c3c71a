import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { ed25519Signature } from '../../../src/auth/ed25519.js';
import { loadRecording, repliesOf } from '../../fixtures/recordings.js';

/** What `SELECT ed25519_password('…')` of MariaDB says: the public key, in Base64 without padding. */
const stored: readonly (readonly [password: string, publicKey: string])[] = [
  ['secret', 'ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY'],
];

/** RFC 8410: the bytes in front of the key in a SubjectPublicKeyInfo. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

function isValid(publicKey: Buffer, nonce: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
  return verify(null, nonce, key, signature);
}

test('OpenSSL takes the signatures for those of the key that MariaDB stores', () => {
  for (const [password, base64] of stored) {
    const publicKey = Buffer.from(base64, 'base64');
    for (let count = 0; count < 20; count++) {
      const nonce = Buffer.alloc(32, count * 13);
      const signature = ed25519Signature(Buffer.from(password), nonce);
      assert.equal(signature.length, 64);
      assert.equal(isValid(publicKey, nonce, signature), true, `${password}, nonce ${count}`);
      assert.equal(isValid(publicKey, Buffer.alloc(32, 255), signature), false);
    }
  }
});

test('another password makes another signature, and the same one the same', () => {
  const nonce = Buffer.alloc(32, 7);
  const publicKey = Buffer.from(stored[0]?.[1] ?? '', 'base64');
  for (const password of ['secre', 'secret ', 'Secret', 'größe', 'x'.repeat(200)]) {
    const signature = ed25519Signature(Buffer.from(password), nonce);
    assert.equal(isValid(publicKey, nonce, signature), false, password);
    assert.deepEqual(ed25519Signature(Buffer.from(password), nonce), signature);
  }
});

test('the nonce of a recorded switch can be signed; an empty password is sent as nothing', () => {
  const [question = Buffer.alloc(0)] = repliesOf(loadRecording('mariadb-cli-to-mariadb-ed25519'));
  const nonce = question.subarray(-32);
  const publicKey = Buffer.from(stored[0]?.[1] ?? '', 'base64');
  assert.equal(isValid(publicKey, nonce, ed25519Signature(Buffer.from('secret'), nonce)), true);
  assert.equal(ed25519Signature(Buffer.alloc(0), nonce).length, 0);
});

test('the password is left as it was', () => {
  const password = Buffer.from('secret');
  ed25519Signature(password, Buffer.alloc(32));
  assert.equal(password.toString(), 'secret');
});
