import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClearPassword, encodeClearPassword } from '../../../src/auth/clear-password.js';

test('a password in clear ends with a zero byte, and is a copy', () => {
  const password = Buffer.from('größe');
  const encoded = encodeClearPassword(password);
  assert.deepEqual(encoded, Buffer.from('größe\0'));
  encoded.fill(0);
  assert.equal(password.toString(), 'größe');
  assert.deepEqual(encodeClearPassword(Buffer.alloc(0)), Buffer.from([0]));
});

test('the password goes up to the first zero byte', () => {
  const cases: [answer: string, password: string][] = [
    ['secret\0', 'secret'],
    ['secret\0more\0', 'secret'],
    ['\0', ''],
    ['\0secret\0', ''],
    // Servers cut the last byte off, whatever it is.
    ['secret', 'secre'],
    ['s', ''],
    ['', ''],
  ];
  for (const [answer, password] of cases) {
    assert.equal(decodeClearPassword(Buffer.from(answer)).toString(), password, JSON.stringify(answer));
  }
});

test('what comes back is the part of the answer itself, so that overwriting it leaves no copy', () => {
  const answer = Buffer.from('secret\0');
  decodeClearPassword(answer).fill(0x78);
  assert.equal(answer.toString(), 'xxxxxx\0');
});
