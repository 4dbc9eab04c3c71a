import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertAnswerIsSafe,
  assertQuestionIsSafe,
  type LegSecurity,
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
/** Both legs must be secure. */
const cleartext: Verdicts = { plaintext: 'xxx', tls: 'x..', unix: 'x..' };
/** Both secure or both not, where a unix socket is as good as TLS. */
const alike: Verdicts = { plaintext: '.xx', tls: 'x..', unix: 'x..' };
/** The same, where it is not. */
const alikeInTls: Verdicts = { plaintext: '.x.', tls: 'x.x', unix: '.x.' };

const nonce = Buffer.concat([Buffer.alloc(20, 0x61), Buffer.from([0])]);
const questions: Record<string, (plugin: string) => AuthReply> = {
  switch: (plugin) => ({ kind: 'auth-switch', plugin, data: nonce }),
  'old switch': () => ({ kind: 'old-auth-switch' }),
  factor: (plugin) => ({ kind: 'next-factor', plugin, data: nonce }),
  'plugin data': () => ({ kind: 'plugin-data' }),
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
  'a scramble': Buffer.alloc(20, 0xaa),
};
const emptyAnswers = ['nothing', 'an empty password'];

interface Expectation {
  readonly question: Verdicts;
  readonly otherQuestions?: Record<string, Verdicts>;
  readonly answer: Verdicts;
}

const plugins: Record<string, Expectation> = {
  mysql_clear_password: { question: cleartext, answer: cleartext },
  dialog: { question: cleartext, answer: cleartext },
  authentication_openid_connect_client: { question: cleartext, answer: cleartext },
  caching_sha2_password: {
    question: never,
    otherQuestions: { 'full authentication': alike },
    answer: never,
  },
  // The question goes through: what matters is how the client answers it.
  sha256_password: { question: never, answer: alikeInTls },
  mysql_native_password: { question: never, answer: never },
  mysql_old_password: { question: never, answer: never },
  client_ed25519: { question: never, answer: never },
  parsec: { question: never, answer: never },
  auth_gssapi_client: { question: never, answer: never },
  authentication_kerberos_client: { question: never, answer: never },
  authentication_webauthn_client: { question: never, answer: never },
  // Names that a careless look-up would find.
  constructor: { question: never, answer: never },
  // The client named none.
  '': { question: never, answer: never },
};

function verdictsOf(check: (legs: { client: LegSecurity; server: LegSecurity }) => void): Verdicts {
  const row = (client: LegKind) =>
    legKinds
      .map((server) => {
        try {
          check({ client: security[client], server: security[server] });
          return '.';
        } catch (error) {
          assert.ok(
            error instanceof ProxyError && error.code === 'password_exchange_unsupported',
            String(error),
          );
          return 'x';
        }
      })
      .join('');
  return { plaintext: row('plaintext'), tls: row('tls'), unix: row('unix') };
}

const entries: [string, Expectation][] = Object.entries(plugins);
// An object literal takes `__proto__` for something else.
entries.push(['__proto__', { question: never, answer: never }]);

for (const [plugin, { question, otherQuestions = {}, answer }] of entries) {
  test(`${plugin || 'no plugin'}: every question on every pair of legs`, () => {
    for (const [name, make] of Object.entries(questions)) {
      const actual = verdictsOf((legs) => assertQuestionIsSafe(plugin, make(plugin), legs));
      assert.deepEqual(actual, otherQuestions[name] ?? question, name);
    }
  });

  test(`${plugin || 'no plugin'}: every answer on every pair of legs`, () => {
    for (const [name, bytes] of Object.entries(answers)) {
      const actual = verdictsOf((legs) => assertAnswerIsSafe(plugin, bytes, legs));
      assert.deepEqual(actual, emptyAnswers.includes(name) ? never : answer, name);
    }
  });
}

test('the recorded request of full authentication is refused with one TLS leg, the fast way is not', () => {
  const legs = { client: security.tls, server: security.plaintext };
  const [full = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-cold'));
  const [fast = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-warm'));
  const plugin = 'caching_sha2_password';
  assert.throws(() => assertQuestionIsSafe(plugin, decodeAuthReply(full, false), legs), {
    code: 'password_exchange_unsupported',
  });
  assertQuestionIsSafe(plugin, decodeAuthReply(fast, false), legs);
});

test('the refusal names the plugin and not the password', () => {
  const legs = { client: security.plaintext, server: security.tls };
  assert.throws(
    () => assertAnswerIsSafe('mysql_clear_password', Buffer.from('hunter2\0'), legs),
    (error: Error) => /mysql_clear_password/.test(error.message) && !/hunter2/.test(error.message),
  );
});
