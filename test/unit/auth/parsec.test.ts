import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, pbkdf2Sync, verify } from 'node:crypto';
import { test } from 'node:test';
import { parsecAnswer } from '../../../src/auth/parsec.js';

const serverNonce = Buffer.alloc(32, 0x5a);
const salt = Buffer.from('eighteen byte salt');

function derivation(factor: number, mark = 'P'): Buffer {
  return Buffer.concat([Buffer.from(mark), Buffer.from([factor]), salt]);
}

/** The public key that MariaDB stores for a password. */
function publicKeyOf(password: string, iterations: number) {
  const seed = pbkdf2Sync(password, salt, iterations, 32, 'sha512');
  const encoded = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPublicKey(createPrivateKey({ key: encoded, format: 'der', type: 'pkcs8' }));
}

for (const [factor, iterations] of [
  [0, 1024],
  [3, 8192],
] as const) {
  test(`signs both nonces with the key of ${iterations} iterations`, async () => {
    const answer = await parsecAnswer(Buffer.from('größe'), serverNonce, derivation(factor));
    assert.equal(answer?.length, 32 + 64);
    const signed = Buffer.concat([serverNonce, answer.subarray(0, 32)]);
    assert.equal(verify(null, signed, publicKeyOf('größe', iterations), answer.subarray(32)), true);
    assert.equal(verify(null, signed, publicKeyOf('other', iterations), answer.subarray(32)), false);
  });
}

test('each answer has a nonce of its own', async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(() => parsecAnswer(Buffer.from('x'), serverNonce, derivation(0))),
  );
  assert.notDeepEqual(first, second);
});

test('a derivation that is not known, or would take minutes, is not made', async () => {
  for (const unusable of [derivation(0, 'Q'), derivation(9), derivation(255), Buffer.alloc(0)]) {
    assert.equal(await parsecAnswer(Buffer.from('x'), serverNonce, unusable), undefined);
  }
});
