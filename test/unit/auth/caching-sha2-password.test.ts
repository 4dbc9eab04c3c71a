import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cachingSha2Scramble,
  isCachingSha2Scramble,
  isFastAuthSuccess,
  isFullAuthRequest,
} from '../../../src/auth/caching-sha2-password.js';
import { decodeAuthReply } from '../../../src/wire/replies.js';
import { loadRecording, repliesOf } from '../../fixtures/recordings.js';
import { cachingSha2Answer } from '../../support/passwords.js';

const nonce = Buffer.from('abcdefghijklmnopqrst', 'latin1');
const passwords = ['x', 'secret', 'größe', 'p\0q', 'n'.repeat(200)];

test('a scramble is the one that a client makes', () => {
  for (const password of passwords) {
    const scramble = cachingSha2Scramble(Buffer.from(password), nonce);
    assert.deepEqual(scramble, cachingSha2Answer(password, nonce));
    assert.equal(scramble.length, 32);
  }
  assert.equal(cachingSha2Scramble(Buffer.alloc(0), nonce).length, 0, 'an empty password is sent as nothing');
});

test('a scramble is right for its password and nonce only', () => {
  for (const password of passwords) {
    const right = cachingSha2Answer(password, nonce);
    assert.equal(isCachingSha2Scramble(right, nonce, Buffer.from(password)), true);
    assert.equal(isCachingSha2Scramble(right, nonce, Buffer.from(`${password}!`)), false);
    assert.equal(isCachingSha2Scramble(right, Buffer.alloc(20, 1), Buffer.from(password)), false);
  }
});

test('an answer of another length, or with one bit changed, is wrong', () => {
  const right = cachingSha2Answer('secret', nonce);
  const password = Buffer.from('secret');
  for (const length of [0, 1, 20, 31, 33, 255]) {
    const answer = Buffer.concat([right, Buffer.alloc(255)]).subarray(0, length);
    assert.equal(isCachingSha2Scramble(answer, nonce, password), false, `${length} bytes`);
  }
  for (let bit = 0; bit < right.length * 8; bit++) {
    const wrong = Buffer.from(right);
    wrong.writeUInt8(wrong.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(isCachingSha2Scramble(wrong, nonce, password), false, `bit ${bit}`);
  }
});

test('an answer of zero bytes is no empty password', () => {
  for (const length of [0, 32]) {
    assert.equal(isCachingSha2Scramble(Buffer.alloc(length), nonce, Buffer.alloc(0)), false);
  }
});

test('recorded questions: the fast success and the request for the password', () => {
  const plugin = 'caching_sha2_password';
  const verdicts = (name: string) =>
    repliesOf(loadRecording(name)).map((payload) => {
      const reply = decodeAuthReply(payload, false);
      return `${isFastAuthSuccess(plugin, reply) ? 'fast' : ''}${isFullAuthRequest(plugin, reply) ? 'full' : ''}`;
    });
  assert.deepEqual(verdicts('mysql2-to-mysql-9-tls-warm'), ['fast', '']);
  assert.deepEqual(verdicts('mysql2-to-mysql-9-tls-cold'), ['full', '']);
  assert.deepEqual(verdicts('mysql2-to-mysql-9-rsa'), ['full', '', '']);
  assert.equal(
    isFullAuthRequest('sha256_password', { kind: 'auth-more-data', data: Buffer.from([4]) }),
    false,
  );
});
