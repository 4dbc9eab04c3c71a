import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decodePublicKey, decryptPassword, encryptPassword } from '../../../src/auth/rsa-exchange.js';
import type { RsaKey } from '../../../src/auth/rsa-key.js';
import { decryptedAnswer, encryptedAnswer, xorRepeated } from '../../support/passwords.js';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicKeyPem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
const key: RsaKey = { privateKey, publicKeyPem, length: 256 };
const nonce = Buffer.from('abcdefghijklmnopqrst', 'latin1');
/** What OAEP with SHA-1 leaves of 256 bytes, without the password's zero byte. */
const LONGEST = 256 - 42 - 1;
const passwords = ['', 'x', 'secret', 'größe', '密码', '🔑', 'p'.repeat(19), 'p'.repeat(20), 'p'.repeat(200)];

test('a password comes out as a client put it in', () => {
  for (const password of passwords) {
    const encrypted = encryptedAnswer(publicKey, password, nonce);
    assert.equal(encrypted.length, 256);
    assert.equal(decryptPassword(key, encrypted, nonce).toString(), password);
  }
});

test('a server reads what the proxy encrypted, zero byte included', () => {
  for (const password of passwords) {
    const encrypted = encryptPassword(publicKey, Buffer.from(password), nonce);
    assert.equal(decryptedAnswer(privateKey, encrypted, nonce), `${password}\0`);
  }
});

test('every length of a password that the key has room for, and one more', () => {
  for (let length = 0; length <= LONGEST; length++) {
    const password = 'ü'.repeat(length >> 1) + 'x'.repeat(length & 1);
    const encrypted = encryptPassword(publicKey, Buffer.from(password), nonce);
    assert.equal(decryptPassword(key, encrypted, nonce).toString(), password, `${length} bytes`);
  }
  const tooLong = Buffer.alloc(LONGEST + 1, 0x78);
  assert.throws(
    () => encryptPassword(publicKey, tooLong, nonce),
    ({ message }: Error) =>
      /too long for a key of 2048 bits/.test(message) &&
      !message.includes('xxx') &&
      !message.includes(String(LONGEST + 1)),
  );
  assert.equal(tooLong.toString(), 'x'.repeat(LONGEST + 1), 'the password is the caller’s to overwrite');
});

test('a key that is too small for the password', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 512 });
  const fits = encryptPassword(small.publicKey, Buffer.alloc(64 - 42 - 1, 0x78), nonce);
  assert.equal(decryptedAnswer(small.privateKey, fits, nonce), `${'x'.repeat(21)}\0`);
  assert.throws(() => encryptPassword(small.publicKey, Buffer.alloc(22, 0x78), nonce), /key of 512 bits/);
});

test('what can not be decrypted is a wrong password, another one each time, and never an error', () => {
  const right = encryptedAnswer(publicKey, 'secret', nonce);
  const oddPadding = publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_PADDING },
    Buffer.from('secret\0'),
  );
  const flipped = Buffer.from(right);
  flipped.writeUInt8(flipped.readUInt8(100) ^ 1, 100);
  const blobs: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'one byte': Buffer.from([1]),
    'a byte too few': right.subarray(1),
    'a byte too many': Buffer.concat([right, Buffer.from([0])]),
    'zero bytes': Buffer.alloc(256),
    'the largest number': Buffer.alloc(256, 0xff),
    noise: randomBytes(256),
    '60 kB of noise': randomBytes(60_000),
    'a changed bit': flipped,
    'padding of PKCS #1 v1.5': oddPadding,
    'another hash': publicEncrypt(
      { key: publicKey, oaepHash: 'sha256' },
      xorRepeated(Buffer.from('secret\0'), nonce),
    ),
  };
  for (const [name, blob] of Object.entries(blobs)) {
    const password = decryptPassword(key, blob, nonce);
    assert.ok(password.length >= 16, name);
    assert.equal(password.includes(0), false, name);
    assert.notDeepEqual(decryptPassword(key, blob, nonce), password, name);
  }
});

test('a blob without its leading zero byte is as wrong as any other of the wrong length', () => {
  let right = encryptedAnswer(publicKey, 'secret', nonce);
  while (right.readUInt8(0) !== 0) right = encryptedAnswer(publicKey, 'secret', nonce);
  assert.equal(decryptPassword(key, right, nonce).toString(), 'secret');
  assert.ok(decryptPassword(key, right.subarray(1), nonce).length >= 16);
});

test('a decrypted text without its zero byte loses its last character, as it does at servers', () => {
  const bare = publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, xorRepeated(Buffer.from('secret'), nonce));
  assert.equal(decryptPassword(key, bare, nonce).toString(), 'secre');
  const empty = publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, Buffer.alloc(0));
  assert.equal(decryptPassword(key, empty, nonce).length, 0);
});

test('another nonce makes another password', () => {
  const encrypted = encryptedAnswer(publicKey, 'secret', nonce);
  assert.notEqual(decryptPassword(key, encrypted, Buffer.alloc(20, 9)).toString(), 'secret');
});

test("a server's key reads with and without what stands around it, and nothing else does", () => {
  const asSent = decodePublicKey(publicKeyPem);
  assert.ok(asSent.equals(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))));
  const [edKey, ecKey] = [
    generateKeyPairSync('ed25519').publicKey,
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  ];
  const garbage: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    text: Buffer.from('no key at all, but s3cret'),
    'an empty frame': Buffer.from('-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'),
    'half a key': publicKeyPem.subarray(0, 200),
    ed25519: Buffer.from(edKey.export({ type: 'spki', format: 'pem' })),
    ecdsa: Buffer.from(ecKey.export({ type: 'spki', format: 'pem' })),
  };
  for (const [name, pem] of Object.entries(garbage)) {
    assert.throws(
      () => decodePublicKey(pem),
      ({ message }: Error) => !message.includes('s3cret'),
      name,
    );
  }
});
