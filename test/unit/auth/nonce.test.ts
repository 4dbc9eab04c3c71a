import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nonceIn, xor } from '../../../src/auth/nonce.js';

test('the nonce in a switch is its first 20 bytes', () => {
  const nonce = Buffer.from('abcdefghijklmnopqrst');
  assert.deepEqual(nonceIn(Buffer.concat([nonce, Buffer.from([0])])), nonce);
  assert.deepEqual(nonceIn(nonce), nonce);
  assert.equal(nonceIn(Buffer.alloc(0)).length, 0);
});

test('XOR repeats its mask, undoes itself, and leaves what it is given alone', () => {
  const bytes = Buffer.from('0011223344556677', 'hex');
  assert.equal(xor(bytes, Buffer.from('ff00', 'hex')).toString('hex'), 'ff11dd33bb559977');
  assert.equal(xor(bytes, Buffer.from('ffffffffffffffff00', 'hex')).toString('hex'), 'ffeeddccbbaa9988');
  assert.deepEqual(xor(xor(bytes, Buffer.from('abc')), Buffer.from('abc')), bytes);
  assert.equal(bytes.toString('hex'), '0011223344556677');
  assert.deepEqual(xor(bytes, Buffer.alloc(0)), bytes);
  assert.equal(xor(Buffer.alloc(0), bytes).length, 0);
});
