import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LegSecurity } from '../../../src/auth/leg-security.js';
import { answerWithPassword, passwordItself, scrambleOf } from '../../../src/auth/password-answer.js';
import type { AuthReply } from '../../../src/wire/replies.js';
import { cachingSha2Answer, clearAnswer, nativeAnswer } from '../../support/passwords.js';

const nonce = Buffer.from('abcdefghijklmnopqrst', 'latin1');
const switchData = Buffer.concat([nonce, Buffer.from([0])]);
const PASSWORD = 'größe';

const legs: Record<'plaintext' | 'tls' | 'unix', LegSecurity> = {
  plaintext: { tls: false, unix: false },
  tls: { tls: true, unix: false },
  unix: { tls: false, unix: true },
};
const legNames = ['plaintext', 'tls', 'unix'] as const;
type Words = readonly [plaintext: string, tls: string, unix: string];

const questions: Record<string, (plugin: string) => AuthReply> = {
  switch: (plugin) => ({ kind: 'auth-switch', plugin, data: switchData }),
  factor: (plugin) => ({ kind: 'next-factor', plugin, data: switchData }),
  'old switch': () => ({ kind: 'old-auth-switch' }),
  'plugin data': () => ({ kind: 'plugin-data', data: Buffer.from('data') }),
  'fast success': () => ({ kind: 'auth-more-data', data: Buffer.from([3]) }),
  'full authentication': () => ({ kind: 'auth-more-data', data: Buffer.from([4]) }),
  'a byte more': () => ({ kind: 'auth-more-data', data: Buffer.from([4, 0]) }),
  'no data': () => ({ kind: 'auth-more-data', data: Buffer.alloc(0) }),
};

async function wordFor(
  question: AuthReply,
  plugin: string,
  leg: LegSecurity,
  password = PASSWORD,
): Promise<string> {
  const answer = await answerWithPassword(question, plugin, Buffer.from(password), switchData, leg);
  if (answer.kind === 'key-needed') return `key ${answer.request.toString('hex')}`;
  if (answer.kind !== 'packet') return answer.kind;
  const known: Record<string, Buffer> = {
    native: nativeAnswer(password, nonce),
    sha2: cachingSha2Answer(password, nonce),
    clear: clearAnswer(password),
    nothing: Buffer.alloc(0),
  };
  return (
    Object.entries(known).find(([, bytes]) => bytes.equals(answer.payload))?.[0] ??
    `${answer.payload.length} bytes`
  );
}

const never: Words = ['impossible', 'impossible', 'impossible'];
const always = (word: string): Words => [word, word, word];

const expectations: Record<string, Record<string, Words>> = {
  mysql_native_password: { switch: always('native'), factor: always('native') },
  caching_sha2_password: {
    switch: always('sha2'),
    factor: always('sha2'),
    'fast success': always('none'),
    'full authentication': ['key 02', 'clear', 'clear'],
  },
  // A socket file does not count: the server wants it encrypted there.
  sha256_password: { switch: ['key 01', 'clear', 'key 01'], factor: ['key 01', 'clear', 'key 01'] },
  mysql_clear_password: {
    switch: ['impossible', 'clear', 'clear'],
    factor: ['impossible', 'clear', 'clear'],
  },
  client_ed25519: { switch: always('64 bytes'), factor: always('64 bytes') },
  mysql_old_password: {},
  // Asks how the key is derived.
  parsec: { switch: always('nothing'), factor: always('nothing') },
  dialog: {},
  auth_gssapi_client: {},
  '': {},
  constructor: {},
};

for (const [plugin, known] of Object.entries(expectations)) {
  test(`${plugin || 'no plugin'}: the answer to every question, by server leg`, async () => {
    for (const [name, make] of Object.entries(questions)) {
      const actual = await Promise.all(legNames.map((leg) => wordFor(make(plugin), plugin, legs[leg])));
      assert.deepEqual(actual, known[name] ?? never, name);
    }
  });
}

test('an empty password is never worth a key', async () => {
  const question = (plugin: string): AuthReply => ({ kind: 'auth-switch', plugin, data: switchData });
  const full: AuthReply = { kind: 'auth-more-data', data: Buffer.from([4]) };
  for (const name of legNames) {
    assert.equal(
      await wordFor(question('mysql_native_password'), 'mysql_native_password', legs[name], ''),
      'nothing',
    );
    assert.equal(
      await wordFor(question('caching_sha2_password'), 'caching_sha2_password', legs[name], ''),
      'nothing',
    );
    assert.equal(await wordFor(question('client_ed25519'), 'client_ed25519', legs[name], ''), 'nothing');
    assert.equal(await wordFor(question('sha256_password'), 'sha256_password', legs[name], ''), 'clear');
    assert.equal(await wordFor(full, 'caching_sha2_password', legs[name], ''), 'clear');
  }
});

test('with a login goes the scramble of a plugin that hashes, and of no other', () => {
  assert.deepEqual(
    scrambleOf('mysql_native_password', Buffer.from(PASSWORD), nonce),
    nativeAnswer(PASSWORD, nonce),
  );
  assert.deepEqual(
    scrambleOf('caching_sha2_password', Buffer.from(PASSWORD), switchData),
    cachingSha2Answer(PASSWORD, nonce),
    'the zero byte behind the nonce takes no part',
  );
  for (const plugin of ['sha256_password', 'mysql_clear_password', 'dialog', '']) {
    assert.equal(scrambleOf(plugin, Buffer.from(PASSWORD), nonce), undefined, plugin);
  }
});

test('an answer shares no memory with the password, so that either can be overwritten', () => {
  const password = Buffer.from(PASSWORD);
  const answer = passwordItself('caching_sha2_password', password, legs.tls);
  assert.ok(answer.kind === 'packet');
  answer.payload.fill(0);
  assert.equal(password.toString(), PASSWORD);
});
