import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFastAuthSuccess } from '../../../src/auth/caching-sha2-password.js';
import { isServerLegExposed, type LegSecurity } from '../../../src/auth/leg-security.js';
import {
  asksForPassword,
  assertAnswerIsSafe,
  assertQuestionIsSafe,
  type ExposurePolicy,
  isUnusableForServer,
} from '../../../src/auth/password-exposure.js';
import { ProxyError } from '../../../src/errors.js';
import { type AuthReply, decodeAuthReply } from '../../../src/wire/replies.js';
import { loadRecording, repliesOf } from '../../fixtures/recordings.js';

const security: Record<'plaintext' | 'tls' | 'unix', LegSecurity> = {
  plaintext: { tls: false, unix: false },
  tls: { tls: true, unix: false },
  unix: { tls: false, unix: true },
};
type LegKind = keyof typeof security;
const legKinds = Object.keys(security) as LegKind[];

/** A row for each client leg, a column for each server leg: plaintext, TLS, unix socket. `x`: refused. */
type Verdicts = Record<LegKind, string>;

const never: Verdicts = { plaintext: '...', tls: '...', unix: '...' };
/** Only both legs secure will do. */
const cleartext: Verdicts = { plaintext: 'xxx', tls: 'x..', unix: 'x..' };
/** Not from a secure client to a plaintext server, which anyone on the wire can pose as. */
const exposed: Verdicts = { plaintext: '...', tls: 'x..', unix: 'x..' };

const nonce = Buffer.concat([Buffer.alloc(20, 0x61), Buffer.from([0])]);
const questions: Record<string, (plugin: string) => AuthReply> = {
  switch: (plugin) => ({ kind: 'auth-switch', plugin, data: nonce }),
  'old switch': () => ({ kind: 'old-auth-switch' }),
  factor: (plugin) => ({ kind: 'next-factor', plugin, data: nonce }),
  'plugin data': () => ({ kind: 'plugin-data', data: Buffer.from('data') }),
  'fast success': () => ({ kind: 'auth-more-data', data: Buffer.from([3]) }),
  'full authentication': () => ({ kind: 'auth-more-data', data: Buffer.from([4]) }),
  'public key': () => ({ kind: 'auth-more-data', data: Buffer.from('\x04-----BEGIN PUBLIC KEY-----') }),
  'no data': () => ({ kind: 'auth-more-data', data: Buffer.alloc(0) }),
};
const answers: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'an empty password': Buffer.from([0]),
  'a key request of sha256_password': Buffer.from([1]),
  'a key request of caching_sha2_password': Buffer.from([2]),
  'a password': Buffer.from('password\0'),
  'two zero bytes': Buffer.from([0, 0]),
  'a scramble of 20 bytes': Buffer.alloc(20, 0xaa),
  'a scramble of 32 bytes': Buffer.alloc(32, 0xaa),
  'a signature of 64 bytes': Buffer.alloc(64, 0xaa),
  'a nonce and a signature of 96 bytes': Buffer.alloc(96, 0xaa),
};
const emptyAnswers = ['nothing', 'an empty password'];

interface Expectation {
  readonly question: Verdicts;
  readonly otherQuestions?: Record<string, Verdicts>;
  readonly answer: Verdicts;
  readonly otherAnswers?: Record<string, Verdicts>;
}

const cleartextPlugin: Expectation = { question: cleartext, answer: cleartext };
/** A hash or a signature of known length, in answer to a switch alone. */
const scramble = (answer?: string): Expectation => ({
  question: exposed,
  otherQuestions: { switch: never, 'old switch': never, factor: never },
  answer: exposed,
  ...(answer === undefined ? {} : { otherAnswers: { [answer]: never } }),
});
/** Tickets of any length, in a dialogue of several questions. */
const tickets: Expectation = { question: never, answer: never };
/** What an unknown plugin answers may be the password. */
const unknownPlugin: Expectation = { question: exposed, answer: exposed };

const plugins: readonly (readonly [string, Expectation])[] = [
  ['mysql_clear_password', cleartextPlugin],
  ['dialog', cleartextPlugin],
  ['authentication_openid_connect_client', cleartextPlugin],
  [
    'caching_sha2_password',
    {
      // All but these may ask for more than is known.
      question: exposed,
      otherQuestions: {
        switch: never,
        'old switch': never,
        factor: never,
        'fast success': never,
        'full authentication': never,
      },
      answer: exposed,
      otherAnswers: { 'a scramble of 32 bytes': never },
    },
  ],
  [
    'sha256_password',
    { question: exposed, otherQuestions: { switch: never, factor: never }, answer: exposed },
  ],
  ['mysql_native_password', scramble('a scramble of 20 bytes')],
  // Eight bytes and a zero byte: as a password of eight characters, which no client sends to a switch to this plugin.
  ['mysql_old_password', scramble('a password')],
  ['client_ed25519', scramble('a signature of 64 bytes')],
  [
    'parsec',
    {
      question: never,
      answer: exposed,
      otherAnswers: { 'a nonce and a signature of 96 bytes': never },
    },
  ],
  ['auth_gssapi_client', tickets],
  ['authentication_kerberos_client', tickets],
  ['authentication_ldap_sasl_client', tickets],
  ['authentication_windows_client', tickets],
  ['authentication_webauthn_client', tickets],
  ['authentication_fido_client', tickets],
  ['authentication_oci_client', tickets],
  ['made_by_someone', unknownPlugin],
  // Another spelling is another plugin.
  ['MYSQL_NATIVE_PASSWORD', unknownPlugin],
  ['', unknownPlugin],
  // Names that a careless look-up would find.
  ['__proto__', unknownPlugin],
  ['constructor', unknownPlugin],
];

const refusals: readonly string[] = ['cleartext_refused', 'unknown_exchange_refused'];

function verdictsOf(check: (policy: ExposurePolicy) => void, allowCleartext = false): Verdicts {
  const row = (client: LegKind) =>
    legKinds
      .map((server) => {
        try {
          check({ legs: { client: security[client], server: security[server] }, allowCleartext });
          return '.';
        } catch (error) {
          assert.ok(error instanceof ProxyError && refusals.includes(error.code), String(error));
          return 'x';
        }
      })
      .join('');
  return { plaintext: row('plaintext'), tls: row('tls'), unix: row('unix') };
}

for (const [plugin, { question, otherQuestions, answer, otherAnswers }] of plugins) {
  test(`${plugin || 'no plugin'}: every question on every pair of legs`, () => {
    for (const [name, make] of Object.entries(questions)) {
      const actual = verdictsOf((policy) => assertQuestionIsSafe(plugin, make(plugin), policy));
      assert.deepEqual(actual, otherQuestions?.[name] ?? question, name);
    }
  });

  test(`${plugin || 'no plugin'}: every answer on every pair of legs`, () => {
    for (const [name, bytes] of Object.entries(answers)) {
      const actual = verdictsOf((policy) => assertAnswerIsSafe(plugin, bytes, policy));
      const expected = emptyAnswers.includes(name) ? never : (otherAnswers?.[name] ?? answer);
      assert.deepEqual(actual, expected, name);
    }
  });
}

test('a server leg is exposed where the client trusts its own and anyone can be the server', () => {
  const actual = verdictsOf(({ legs }) => {
    if (isServerLegExposed(legs)) throw new ProxyError('unknown_exchange_refused', 'exposed');
  });
  assert.deepEqual(actual, exposed);
});

test('only caching_sha2_password has a success that no answer follows, and it is one byte', () => {
  const reply = (...data: number[]): AuthReply => ({ kind: 'auth-more-data', data: Buffer.from(data) });
  assert.equal(isFastAuthSuccess('caching_sha2_password', reply(3)), true);
  assert.equal(isFastAuthSuccess('caching_sha2_password', reply(4)), false);
  assert.equal(isFastAuthSuccess('caching_sha2_password', reply(3, 3)), false);
  assert.equal(isFastAuthSuccess('caching_sha2_password', reply()), false);
  assert.equal(isFastAuthSuccess('sha256_password', reply(3)), false);
  assert.equal(
    isFastAuthSuccess('caching_sha2_password', { kind: 'plugin-data', data: Buffer.from([3]) }),
    false,
  );
});

test('a route may let clear text through on any legs, and only that', () => {
  for (const plugin of ['mysql_clear_password', 'dialog', 'authentication_openid_connect_client']) {
    const answer = Buffer.from('password\0');
    assert.deepEqual(
      verdictsOf((policy) => assertAnswerIsSafe(plugin, answer, policy), true),
      never,
    );
  }
  const unknown = verdictsOf(
    (policy) => assertAnswerIsSafe('made_by_someone', Buffer.from('password\0'), policy),
    true,
  );
  assert.deepEqual(unknown, exposed);
});

test('the recorded questions of caching_sha2_password: only full authentication asks for the password', () => {
  const [full = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-cold'));
  const [fast = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-warm'));
  const plugin = 'caching_sha2_password';
  const policy = { legs: { client: security.tls, server: security.plaintext }, allowCleartext: false };
  for (const [payload, asks] of [
    [full, true],
    [fast, false],
  ] as const) {
    const reply = decodeAuthReply(payload, false);
    assertQuestionIsSafe(plugin, reply, policy);
    assert.equal(asksForPassword(plugin, reply), asks);
  }
});

test('nothing that looks like another factor that was not agreed on is a question', () => {
  const data: AuthReply = { kind: 'plugin-data', data: Buffer.from('\x02mysql_old_password\0') };
  for (const plugin of ['auth_gssapi_client', 'parsec', 'caching_sha2_password', 'mysql_native_password']) {
    assert.deepEqual(
      verdictsOf((policy) => assertQuestionIsSafe(plugin, data, policy)),
      exposed,
      plugin,
    );
  }
});

test('what sha256_password sends unasked is of no use for a leg of the other kind', () => {
  const isWithheld = (client: LegKind, server: LegKind, answer: string, plugin = 'sha256_password') =>
    isUnusableForServer(plugin, Buffer.from(answer), { client: security[client], server: security[server] });
  assert.equal(isWithheld('plaintext', 'tls', '\x01'), true);
  assert.equal(isWithheld('unix', 'tls', '\x01'), true);
  assert.equal(isWithheld('tls', 'plaintext', 'password\0'), true);
  assert.equal(isWithheld('unix', 'plaintext', 'password\0'), true, 'some clients trust their socket file');
  assert.equal(isWithheld('tls', 'tls', 'password\0'), false);
  assert.equal(isWithheld('plaintext', 'plaintext', '\x01'), false);
  assert.equal(isWithheld('plaintext', 'tls', '\0'), false);
  assert.equal(isWithheld('plaintext', 'tls', 'x'.repeat(32), 'caching_sha2_password'), false);
});

test('the refusal names the plugin and the leg, and not the password', () => {
  const policy = { legs: { client: security.plaintext, server: security.tls }, allowCleartext: false };
  assert.throws(
    () => assertAnswerIsSafe('mysql_clear_password', Buffer.from('hunter2\0'), policy),
    (error: Error) =>
      /mysql_clear_password .* client leg is in plaintext/.test(error.message) &&
      !/hunter2/.test(error.message),
  );
});
