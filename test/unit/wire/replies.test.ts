import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import {
  decodeAuthReply,
  decodeErr,
  encodeAuthMoreData,
  encodeAuthSwitch,
  encodeErr,
  isErr,
} from '../../../src/wire/replies.js';
import { greetingOf, loadRecording, loadRecordings, repliesOf } from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';

const kindsOf = (recording: string) =>
  repliesOf(loadRecording(recording)).map((payload) => decodeAuthReply(payload, false).kind);
const denied = "Access denied for user 'app'@'127.0.0.1' (using password: YES)";

test('recorded dialogues: what the server said, in order', () => {
  const expected: Record<string, string[]> = {
    'mysql2-to-mysql-5.6': ['ok'],
    'mysql2-to-mysql-5.6-denied': ['err'],
    'mysql2-to-mysql-9-rsa': ['auth-more-data', 'auth-more-data', 'ok'],
    'mysql2-to-mysql-9-tls-cold': ['auth-more-data', 'ok'],
    'mysql2-to-mysql-9-tls-denied': ['auth-more-data', 'err'],
    'mysql-cli-to-mysql-9-tls-sha256': ['auth-switch', 'auth-more-data', 'ok'],
    'mariadb-cli-to-mariadb': ['ok'],
    'mariadb-cli-to-mariadb-denied': ['err'],
    'mariadb-cli-to-mariadb-ed25519': ['auth-switch', 'ok'],
    'federated-to-mysql-9': ['auth-switch'],
  };
  const actual = Object.keys(expected).map((name) => [name, kindsOf(name)]);
  assert.deepEqual(Object.fromEntries(actual), expected);
});

test('every recorded packet of a server after its greeting reads', () => {
  const replies = loadRecordings().flatMap(repliesOf);
  assert.ok(replies.length > 30);
  const kinds = new Set(replies.map((payload) => decodeAuthReply(payload, false).kind));
  assert.deepEqual([...kinds].sort(), ['auth-more-data', 'auth-switch', 'err', 'ok']);
});

test('caching_sha2_password: the fast way and the full way', () => {
  const [fast] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-warm'));
  const [full] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-cold'));
  assert.deepEqual(decodeAuthReply(fast ?? Buffer.alloc(0), false), {
    kind: 'auth-more-data',
    data: Buffer.from([3]),
  });
  assert.deepEqual(decodeAuthReply(full ?? Buffer.alloc(0), false), {
    kind: 'auth-more-data',
    data: Buffer.from([4]),
  });
});

test('an auth switch of MySQL brings a nonce and a zero byte, one of ed25519 32 bytes', () => {
  const [mysql = Buffer.alloc(0)] = repliesOf(loadRecording('federated-to-mysql-9'));
  const toSha2 = decodeAuthReply(mysql, false);
  assert.ok(toSha2.kind === 'auth-switch');
  assert.equal(toSha2.plugin, 'caching_sha2_password');
  assert.equal(toSha2.data.length, 21);
  assert.equal(toSha2.data.at(-1), 0);
  const [mariadb = Buffer.alloc(0)] = repliesOf(loadRecording('mariadb-cli-to-mariadb-ed25519'));
  const toEd25519 = decodeAuthReply(mariadb, false);
  assert.ok(toEd25519.kind === 'auth-switch');
  assert.equal(toEd25519.plugin, 'client_ed25519');
  assert.deepEqual(toEd25519.data, mariadb.subarray(-32));
});

test('refused logins carry a SQLSTATE, refusals in place of a greeting carry none', () => {
  for (const name of [
    'mysql2-to-mysql-5.6-denied',
    'mysql2-to-mysql-9-tls-denied',
    'mariadb-cli-to-mariadb-denied',
  ]) {
    const payload = repliesOf(loadRecording(name)).at(-1) ?? Buffer.alloc(0);
    assert.deepEqual(decodeErr(payload), { errno: 1045, sqlState: '28000', message: denied }, name);
    assert.deepEqual(decodeAuthReply(payload, false), { kind: 'err', errno: 1045, message: denied });
    assert.deepEqual(encodeErr(1045, '28000', denied), payload, 'the encoder makes the same bytes');
  }
  for (const name of ['full-mysql-5.6', 'full-mysql-9', 'full-mariadb']) {
    const payload = greetingOf(loadRecording(name));
    assert.equal(isErr(payload), true);
    assert.deepEqual(
      decodeErr(payload),
      { errno: 1040, sqlState: '', message: 'Too many connections' },
      name,
    );
    assert.deepEqual(encodeErr(1040, undefined, 'Too many connections'), payload);
  }
  assert.equal(isErr(greetingOf(loadRecording('mysql2-to-mysql-5.6'))), false);
  assert.equal(isErr(Buffer.alloc(0)), false);
});

test('packets of a server at every length: only ERR and the empty packet can be too short', () => {
  for (const payload of loadRecordings().flatMap(repliesOf)) {
    for (const cut of truncations(payload)) {
      const tooShort = cut.length === 0 || (payload[0] === 0xff && cut.length < 3);
      if (tooShort) assert.throws(() => decodeAuthReply(cut, true), MalformedPacketError);
      else if (cut.length > 1)
        assert.equal(decodeAuthReply(cut, true).kind, decodeAuthReply(payload, true).kind);
    }
  }
});

test('packets without a recording, by their first byte', () => {
  const cases: [string, boolean, unknown][] = [
    ['fe', false, { kind: 'old-auth-switch' }],
    ['fe00', false, { kind: 'auth-switch', plugin: '', data: Buffer.alloc(0) }],
    // Some servers leave the last zero byte out, and there may be no data.
    ['fe6469616c6f67', false, { kind: 'auth-switch', plugin: 'dialog', data: Buffer.alloc(0) }],
    ['fe6469616c6f6700', false, { kind: 'auth-switch', plugin: 'dialog', data: Buffer.alloc(0) }],
    ['01', false, { kind: 'auth-more-data', data: Buffer.alloc(0) }],
    ['0100', false, { kind: 'auth-more-data', data: Buffer.from([0]) }],
    // The prompt of MariaDB's dialog, unless both ends know factors.
    [
      '0250617373776f72643a20',
      false,
      { kind: 'plugin-data', data: Buffer.from('0250617373776f72643a20', 'hex') },
    ],
    ['026469616c6f6700414200', true, { kind: 'next-factor', plugin: 'dialog', data: Buffer.from('AB\0') }],
    ['0450617373776f7264', true, { kind: 'plugin-data', data: Buffer.from('0450617373776f7264', 'hex') }],
    ['50', true, { kind: 'plugin-data', data: Buffer.from('50', 'hex') }],
    ['fb', false, { kind: 'plugin-data', data: Buffer.from('fb', 'hex') }],
    // MariaDB's report of progress has the form of an error and ends nothing.
    [
      'ffffff01016400000000',
      false,
      { kind: 'plugin-data', data: Buffer.from('ffffff01016400000000', 'hex') },
    ],
    ['ff1504', false, { kind: 'err', errno: 1045, message: '' }],
    ['00', false, { kind: 'ok' }],
  ];
  for (const [hex, multiFactor, expected] of cases) {
    assert.deepEqual(
      decodeAuthReply(Buffer.from(hex, 'hex'), multiFactor),
      expected,
      `${hex} ${multiFactor}`,
    );
  }
});

test('a SQLSTATE takes all its five characters or is part of the text', () => {
  const err = (text: string) => Buffer.concat([Buffer.from([0xff, 0x15, 0x04]), Buffer.from(text)]);
  assert.deepEqual(decodeErr(err('#28000')), { errno: 1045, sqlState: '28000', message: '' });
  assert.deepEqual(decodeErr(err('#2800')), { errno: 1045, sqlState: '', message: '#2800' });
  assert.deepEqual(decodeErr(err('')), { errno: 1045, sqlState: '', message: '' });
  assert.deepEqual(decodeErr(err('Zugriff für #28000')), {
    errno: 1045,
    sqlState: '',
    message: 'Zugriff für #28000',
  });
});

test('an ERR packet holds as much text as clients keep, and never half a character', () => {
  const long = decodeErr(encodeErr(1105, 'HY000', 'x'.repeat(600)));
  assert.equal(long.message, 'x'.repeat(511));
  const wide = decodeErr(encodeErr(1105, 'HY000', `x${'ä'.repeat(300)}`));
  assert.equal(wide.message, `x${'ä'.repeat(255)}`);
  const cutInside = decodeErr(encodeErr(1105, 'HY000', '€'.repeat(300)));
  assert.equal(cutInside.message, '€'.repeat(170));
  const cutInsideEmoji = decodeErr(encodeErr(1105, 'HY000', `${'x'.repeat(509)}😀`));
  assert.equal(cutInsideEmoji.message, 'x'.repeat(509));
});

test('property: an ERR packet reads back', () => {
  const sqlState = fc.stringMatching(/^[0-9A-Z]{5}$/);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0xfffe }),
      sqlState,
      fc.string({ maxLength: 100 }),
      (errno, state, message) => {
        assert.deepEqual(decodeErr(encodeErr(errno, state, message)), { errno, sqlState: state, message });
        const stateless = encodeErr(errno, undefined, `x${message}`);
        assert.deepEqual(decodeErr(stateless), { errno, sqlState: '', message: `x${message}` });
      },
    ),
  );
});

test("the proxy's own switch has the bytes of a recorded one", () => {
  const [recorded = Buffer.alloc(0)] = repliesOf(loadRecording('federated-to-mysql-9'));
  assert.deepEqual(encodeAuthSwitch('caching_sha2_password', recorded.subarray(-21, -1)), recorded);
});

test("the proxy's own questions of caching_sha2_password have the bytes of recorded ones", () => {
  const [fast = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-warm'));
  const [full = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-tls-cold'));
  assert.deepEqual(encodeAuthMoreData(Buffer.from([3])), fast);
  assert.deepEqual(encodeAuthMoreData(Buffer.from([4])), full);
  const [, key = Buffer.alloc(0)] = repliesOf(loadRecording('mysql2-to-mysql-9-rsa'));
  assert.deepEqual(encodeAuthMoreData(key.subarray(1)), key);
});
