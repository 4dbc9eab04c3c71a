import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubleSha1, isNativeScramble, nativeScramble } from '../../../src/auth/native-password.js';
import { nativeAnswer, storedNativeHash } from '../../support/passwords.js';

const nonce = Buffer.from('abcdefghijklmnopqrst', 'latin1');
const passwords = ['x', 'secret', 'größe', 'p\0q', 'n'.repeat(200)];

test('the double hash is that of PASSWORD() in MySQL', () => {
  const stored = doubleSha1(Buffer.from('password')).toString('hex').toUpperCase();
  assert.equal(stored, '2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19');
});

test('a scramble is the one that a client makes', () => {
  for (const password of passwords) {
    assert.deepEqual(nativeScramble(Buffer.from(password), nonce), nativeAnswer(password, nonce));
  }
  assert.equal(nativeScramble(Buffer.alloc(0), nonce).length, 0, 'an empty password is sent as nothing');
});

test('a scramble is checked with the double hash alone', () => {
  for (const password of passwords) {
    const stored = storedNativeHash(password);
    assert.equal(isNativeScramble(nativeAnswer(password, nonce), nonce, stored), true);
    assert.equal(isNativeScramble(nativeAnswer(`${password}!`, nonce), nonce, stored), false);
    assert.equal(isNativeScramble(nativeAnswer(password, Buffer.alloc(20, 1)), nonce, stored), false);
  }
});

test('a scramble with one bit changed is wrong, whichever it is', () => {
  const right = nativeAnswer('secret', nonce);
  for (let bit = 0; bit < right.length * 8; bit++) {
    const wrong = Buffer.from(right);
    wrong.writeUInt8(wrong.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(isNativeScramble(wrong, nonce, storedNativeHash('secret')), false, `bit ${bit}`);
  }
});

test('an answer of another length is wrong and does no harm', () => {
  const right = nativeAnswer('secret', nonce);
  const stored = storedNativeHash('secret');
  for (const length of [0, 1, 19, 21, 32, 255]) {
    const answer = Buffer.concat([right, Buffer.alloc(255)]).subarray(0, length);
    assert.equal(isNativeScramble(answer, nonce, stored), false, `${length} bytes`);
  }
});
