import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import { CLIENT_PLUGIN_AUTH, CLIENT_SECURE_CONNECTION, CLIENT_SSL } from '../../../src/wire/capabilities.js';
import {
  decodeGreeting,
  type Greeting,
  versionForPeople,
  withGreetingTerms,
  writeGreetingNonce,
} from '../../../src/wire/greeting.js';
import { greetingOf, loadLogins, loadRecording } from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';

const withCapabilities = (greeting: Greeting, capabilities: number): Buffer =>
  withGreetingTerms(greeting, capabilities, greeting.authPlugin);

/** What is the same in every greeting of a server; thread id and nonce are compared with their places in the bytes. */
const servers = [
  {
    recording: 'mysql2-to-mysql-5.6',
    serverVersion: '5.6.24',
    capabilities: 0x807f_f7ff,
    characterSet: 8,
    authPlugin: 'mysql_native_password',
    isMariaDb: false,
  },
  {
    recording: 'replica-to-mysql-5.6-tls',
    serverVersion: '5.6.24',
    capabilities: 0xc07f_ffff,
    characterSet: 8,
    authPlugin: 'mysql_native_password',
    isMariaDb: false,
  },
  {
    recording: 'mysql2-to-mysql-9-rsa',
    serverVersion: '9.7.4-2',
    capabilities: 0x9fff_f7ff,
    characterSet: 255,
    authPlugin: 'caching_sha2_password',
    isMariaDb: false,
  },
  {
    recording: 'mysql2-to-mysql-9-tls-cold',
    serverVersion: '9.7.4-2',
    capabilities: 0xdfff_ffff,
    characterSet: 255,
    authPlugin: 'caching_sha2_password',
    isMariaDb: false,
  },
  {
    recording: 'mariadb-cli-to-mariadb',
    serverVersion: '5.5.5-10.11.18-MariaDB-0+deb12u1',
    capabilities: 0x81ff_f7fe,
    characterSet: 8,
    authPlugin: 'mysql_native_password',
    isMariaDb: true,
  },
  {
    recording: 'mariadb-cli-to-mariadb-tls',
    serverVersion: '5.5.5-10.11.18-MariaDB-0+deb12u1',
    capabilities: 0x81ff_fffe,
    characterSet: 8,
    authPlugin: 'mysql_native_password',
    isMariaDb: true,
  },
];

/** Offset behind the zero byte of the version, where the fields have fixed places. */
const behindVersion = (payload: Buffer): number => payload.indexOf(0) + 1;

for (const { recording, ...expected } of servers) {
  const payload = greetingOf(loadRecording(recording));
  const v = behindVersion(payload);

  test(`${recording}: every field of the greeting`, () => {
    const greeting = decodeGreeting(payload);
    assert.deepEqual(greeting, {
      ...expected,
      payload,
      threadId: payload.readUInt32LE(v),
      nonce: Buffer.concat([payload.subarray(v + 4, v + 12), payload.subarray(v + 31, v + 43)]),
      capabilitiesLowOffset: v + 13,
      capabilitiesHighOffset: v + 18,
      authPluginOffset: v + 44,
    });
    assert.equal(greeting.nonce.length, 20);
    assert.equal(greeting.payload, payload);
  });

  test(`${recording}: a greeting cut short is malformed, or ends where servers of old end theirs`, () => {
    const whole = decodeGreeting(payload);
    const behindLowFlags = v + 15;
    const behindNonce = v + 44;
    for (const cut of truncations(payload)) {
      if (cut.length === behindLowFlags) {
        assert.equal(decodeGreeting(cut).capabilities, whole.capabilities & 0xffff);
      } else if (cut.length >= behindNonce) {
        const greeting = decodeGreeting(cut);
        const name = whole.authPlugin.slice(0, cut.length - behindNonce);
        assert.deepEqual({ ...greeting, payload }, { ...whole, authPlugin: name }, `${cut.length} bytes`);
      } else {
        assert.throws(() => decodeGreeting(cut), MalformedPacketError, `${cut.length} bytes`);
      }
    }
  });

  test(`${recording}: other flags change four bytes, and not of the original`, () => {
    const original = Buffer.from(payload);
    const greeting = decodeGreeting(payload);
    const patched = withCapabilities(greeting, 0x1234_5678);
    assert.deepEqual(payload, original);
    assert.equal(decodeGreeting(patched).capabilities, 0x1234_5678);
    const flagBytes = new Set([v + 13, v + 14, v + 18, v + 19]);
    assert.equal(patched.length, payload.length);
    for (const [offset, byte] of patched.entries()) {
      if (!flagBytes.has(offset)) assert.equal(byte, payload[offset], `byte ${offset}`);
    }
    assert.deepEqual(withCapabilities(greeting, greeting.capabilities), payload);
  });
}

test('every recorded greeting reads', () => {
  for (const recording of loadLogins()) {
    assert.equal(decodeGreeting(greetingOf(recording)).nonce.includes(0), false, recording.name);
  }
});

test('a server offers TLS exactly where it was started with it', () => {
  for (const recording of loadLogins()) {
    const offersTls = (decodeGreeting(greetingOf(recording)).capabilities & CLIENT_SSL) !== 0;
    assert.equal(offersTls, recording.server.endsWith('with TLS'), recording.name);
  }
});

test("MariaDB's extended capabilities survive other flags", () => {
  const payload = greetingOf(loadRecording('mariadb-cli-to-mariadb'));
  const extended = behindVersion(payload) + 27;
  assert.notEqual(payload.readUInt32LE(extended), 0);
  const patched = withCapabilities(decodeGreeting(payload), 0);
  assert.equal(patched.readUInt32LE(extended), payload.readUInt32LE(extended));
});

test('a server from before 4.1 ends its greeting behind the low flags', () => {
  const payload = Buffer.from('0a332e32332e35380001000000414243444546474800' + '2c00', 'hex');
  const greeting = decodeGreeting(payload);
  assert.equal(greeting.serverVersion, '3.23.58');
  assert.equal(greeting.capabilities, 0x2c);
  assert.equal(greeting.characterSet, 0);
  assert.equal(greeting.nonce.toString(), 'ABCDEFGH');
  assert.equal(greeting.authPlugin, '');
  assert.equal(greeting.isMariaDb, false);
  assert.equal(greeting.capabilitiesHighOffset, undefined);
  const patched = withCapabilities(greeting, 0xffff_082c);
  assert.equal(patched.toString('hex'), payload.toString('hex').replace(/2c00$/, '2c08'));
});

test('a plugin name without its zero byte counts, and without the flag nothing is a name', () => {
  const payload = greetingOf(loadRecording('mysql2-to-mysql-5.6'));
  assert.equal(decodeGreeting(payload.subarray(0, -1)).authPlugin, 'mysql_native_password');
  const greeting = decodeGreeting(payload);
  const unnamed = withCapabilities(greeting, greeting.capabilities & ~CLIENT_PLUGIN_AUTH);
  assert.equal(decodeGreeting(unnamed).authPlugin, '');
});

test('without secure connection the nonce has eight bytes', () => {
  const greeting = decodeGreeting(greetingOf(loadRecording('mysql2-to-mysql-5.6')));
  const flags = greeting.capabilities & ~(CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH);
  const ancient = decodeGreeting(withCapabilities(greeting, flags));
  assert.deepEqual(ancient.nonce, greeting.nonce.subarray(0, 8));
});

test('a longer nonce than usual moves the plugin name, not the nonce', () => {
  const payload = greetingOf(loadRecording('mysql2-to-mysql-5.6'));
  const v = behindVersion(payload);
  const longer = Buffer.concat([
    payload.subarray(0, v + 43),
    Buffer.from('extra', 'latin1'),
    payload.subarray(v + 43),
  ]);
  longer[v + 20] = 21 + 5;
  const greeting = decodeGreeting(longer);
  assert.deepEqual(greeting.nonce, decodeGreeting(payload).nonce);
  assert.equal(greeting.authPlugin, 'mysql_native_password');
});

test('a nonce length of 0, as old servers send it, still means 13 more bytes', () => {
  const payload = Buffer.from(greetingOf(loadRecording('mysql2-to-mysql-5.6')));
  payload[behindVersion(payload) + 20] = 0;
  const greeting = decodeGreeting(payload);
  assert.equal(greeting.nonce.length, 20);
  assert.equal(greeting.authPlugin, 'mysql_native_password');
});

test('only protocol version 10 is understood', () => {
  const payload = Buffer.from(greetingOf(loadRecording('mysql2-to-mysql-5.6')));
  for (const version of [0x00, 0x09, 0x0b, 0xff]) {
    payload[0] = version;
    assert.throws(() => decodeGreeting(payload), {
      name: 'MalformedPacketError',
      message: new RegExp(`is ${version},`),
    });
  }
});

test('MariaDB is known by its name too, where it sets the flag of MySQL', () => {
  const mysql = greetingOf(loadRecording('mysql2-to-mysql-5.6'));
  const rest = mysql.subarray(behindVersion(mysql));
  const named = (version: string) => Buffer.concat([Buffer.from(`\n${version}\0`), rest]);
  assert.equal(decodeGreeting(named('5.5.68-MariaDB')).isMariaDb, true);
  assert.equal(decodeGreeting(named('8.0.36-28.1')).isMariaDb, false);
});

test('an unending version is malformed, an empty one is not', () => {
  assert.throws(() => decodeGreeting(Buffer.from('0a352e36', 'hex')), MalformedPacketError);
  const payload = greetingOf(loadRecording('mysql2-to-mysql-5.6'));
  const rest = payload.subarray(behindVersion(payload));
  assert.equal(decodeGreeting(Buffer.concat([Buffer.from('\n\0'), rest])).serverVersion, '');
});

test('another default plugin takes the place of the name, and of nothing else', () => {
  const payload = greetingOf(loadRecording('mysql2-to-mysql-9-rsa'));
  const greeting = decodeGreeting(payload);
  assert.equal(greeting.authPlugin, 'caching_sha2_password');
  const renamed = withGreetingTerms(greeting, greeting.capabilities, 'mysql_native_password');
  const expected = payload.toString('latin1').replace('caching_sha2_password', 'mysql_native_password');
  assert.equal(renamed.toString('latin1'), expected);
});

test('the name of the plugin ends with a zero byte even where the server left that out', () => {
  const payload = greetingOf(loadRecording('mysql2-to-mysql-5.6')).subarray(0, -1);
  const greeting = decodeGreeting(payload);
  const renamed = withGreetingTerms(greeting, greeting.capabilities, 'dialog');
  const expected = payload.toString('latin1').replace('mysql_native_password', 'dialog\0');
  assert.equal(renamed.toString('latin1'), expected);
  const same = withGreetingTerms(greeting, greeting.capabilities, 'mysql_native_password');
  assert.deepEqual(same, payload, 'and nothing is added to a name that stays');
});

test('where a server names no plugin, its place is the end', () => {
  const payload = greetingOf(loadRecording('mysql2-to-mysql-5.6'));
  const greeting = decodeGreeting(payload);
  const unnamed = withCapabilities(greeting, greeting.capabilities & ~CLIENT_PLUGIN_AUTH);
  const cut = unnamed.subarray(0, greeting.authPluginOffset);
  assert.equal(decodeGreeting(cut).authPluginOffset, cut.length);
  assert.deepEqual(withCapabilities(decodeGreeting(cut), decodeGreeting(cut).capabilities), cut);
});

test('the version for people is what a server calls itself, without what MariaDB 10 puts in front', () => {
  const of = (serverVersion: string, isMariaDb: boolean) =>
    versionForPeople({
      ...decodeGreeting(greetingOf(loadRecording('mariadb-cli-to-mariadb'))),
      serverVersion,
      isMariaDb,
    });
  assert.equal(of('5.5.5-10.11.18-MariaDB', true), '10.11.18-MariaDB');
  assert.equal(of('11.8.9-MariaDB', true), '11.8.9-MariaDB');
  assert.equal(of('5.5.5-m3', false), '5.5.5-m3');
});

test('another nonce takes the place of the one of the server, and of no other byte', () => {
  const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRST', 'latin1');
  for (const name of ['mysql2-to-mysql-5.6', 'mariadb-cli-to-mariadb'] as const) {
    const payload = greetingOf(loadRecording(name));
    const greeting = decodeGreeting(payload);
    const changed = withCapabilities(greeting, greeting.capabilities);
    writeGreetingNonce(changed, greeting, nonce);
    assert.deepEqual(decodeGreeting(changed).nonce, nonce);
    writeGreetingNonce(changed, greeting, greeting.nonce);
    assert.deepEqual(changed, payload);
  }
});
