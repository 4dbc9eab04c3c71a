/** First packets that no client of today sends, and the odd ones that some do; made by hand from the protocol's pages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  CLIENT_ZSTD_COMPRESSION,
} from '../../../src/wire/capabilities.js';
import {
  decodeClientFlags,
  decodeLogin,
  encodeLogin41,
  encodeLoginHead,
  sslRequestFor,
  withLoginCapabilities,
} from '../../../src/wire/login.js';
import { loadLogins, loadRecording, loginOf, sslRequestOf } from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';

function login41(flags: number, ...fields: readonly (string | readonly number[])[]): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(flags, 0);
  return Buffer.concat([
    head,
    ...fields.map((field) => (typeof field === 'string' ? Buffer.from(field, 'latin1') : Buffer.from(field))),
  ]);
}

test('recorded first packets: an SSLRequest asks for TLS, a plaintext login does not', () => {
  for (const recording of loadLogins()) {
    const sslRequest = sslRequestOf(recording);
    const first = sslRequest ?? loginOf(recording);
    assert.deepEqual(
      decodeClientFlags(first),
      { capabilities: first.readUInt32LE(0), isProtocol41: true, wantsTls: sslRequest !== undefined },
      recording.name,
    );
  }
});

test('an SSLRequest of old Connector/J has only the flags', () => {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(flags);
  assert.deepEqual(decodeClientFlags(bytes), { capabilities: flags, isProtocol41: true, wantsTls: true });
});

test('an SSLRequest from before 4.1 has 5 bytes, of which the third is no flag', () => {
  const bytes = Buffer.from([0x05, 0x08, 0xff, 0xff, 0xff]);
  assert.deepEqual(decodeClientFlags(bytes), { capabilities: 0x0805, isProtocol41: false, wantsTls: true });
});

test('flags of 32 bits are unsigned', () => {
  assert.equal(decodeClientFlags(Buffer.from([0x00, 0x02, 0x00, 0xff])).capabilities, 0xff00_0200);
});

test('a whole login with the TLS flag asks for TLS, and 32 bytes without it do not', () => {
  const recording = loadRecording('mysql2-to-mysql-9-tls-cold');
  assert.equal(decodeClientFlags(loginOf(recording)).wantsTls, true);
  assert.equal(decodeClientFlags(login41(CLIENT_PROTOCOL_41)).wantsTls, false);
});

test('a first packet too short for its flags is malformed', () => {
  for (const bytes of [[], [0x00], [0x00, 0x02], [0x00, 0x02, 0x00]]) {
    assert.throws(() => decodeClientFlags(Buffer.from(bytes)), MalformedPacketError, `${bytes.length} bytes`);
  }
});

test('32 bytes are no login', () => {
  assert.throws(() => decodeLogin(login41(CLIENT_PROTOCOL_41), CLIENT_PROTOCOL_41), {
    name: 'MalformedPacketError',
    message: 'user name has no terminating zero byte',
  });
});

test('the length of the auth response is read as the flags say', () => {
  const lenenc = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
  const counted = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
  const long = 'x'.repeat(300);
  const cases: [number, (string | readonly number[])[], string][] = [
    [lenenc, ['u\0', [0]], ''],
    [lenenc, ['u\0', [3], 'abc'], 'abc'],
    [lenenc, ['u\0', [0xfc, 3, 0], 'abc'], 'abc'],
    [lenenc, ['u\0', [0xfc, 0x2c, 0x01], long], long],
    [lenenc, ['u\0', [0xfd, 3, 0, 0], 'abc'], 'abc'],
    [lenenc, ['u\0', [0xfe, 3, 0, 0, 0, 0, 0, 0, 0], 'abc'], 'abc'],
    [counted, ['u\0', [0xfc], 'x'.repeat(0xfc)], 'x'.repeat(0xfc)],
    [counted, ['u\0', [3], 'a\0c'], 'a\0c'],
    [CLIENT_PROTOCOL_41, ['u\0', 'abc\0'], 'abc'],
    [CLIENT_PROTOCOL_41, ['u\0', 'abc'], 'abc'],
    [CLIENT_PROTOCOL_41, ['u\0'], ''],
  ];
  for (const [flags, fields, expected] of cases) {
    const login = decodeLogin(login41(flags, ...fields), flags);
    assert.equal(login.authResponse.toString('latin1'), expected);
    assert.equal(login.user, 'u');
  }
});

test('lengths that are none, or reach behind the packet, are malformed', () => {
  const lenenc = CLIENT_PROTOCOL_41 | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
  for (const length of [[0xfb], [0xff], [0xfc], [0xfc, 4, 0], [0xfe, ...Array(8).fill(0xff)]]) {
    assert.throws(() => decodeLogin(login41(lenenc, 'u\0', length, 'abc'), lenenc), MalformedPacketError);
  }
  const counted = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
  assert.throws(() => decodeLogin(login41(counted, 'u\0', [4], 'abc'), counted), MalformedPacketError);
});

test('a plugin name without its zero byte is whole', () => {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
  assert.equal(decodeLogin(login41(flags, 'u\0', [0], 'dialog'), flags).authPlugin, 'dialog');
});

test('names are UTF-8, and bytes that are not do no harm', () => {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_CONNECT_WITH_DB;
  const login = decodeLogin(login41(flags, [0xc3, 0xa4, 0], [0], [0xff, 0]), flags);
  assert.equal(login.user, 'ä');
  assert.equal(login.schema, '\ufffd');
});

test('a login from before 4.1, with a schema and without', () => {
  const head = [0x04, 0x00, 0xff, 0xff, 0xff];
  const auth = 'JNGIVCPY';
  const plain = Buffer.concat([Buffer.from(head), Buffer.from(`old\0${auth}`)]);
  assert.deepEqual(decodeLogin(plain, 0x0004), {
    payload: plain,
    isProtocol41: false,
    capabilities: 0x0004,
    user: 'old',
    userBytes: Buffer.from('old'),
    authResponse: Buffer.from(auth),
    schema: '',
    schemaBytes: Buffer.alloc(0),
    authPlugin: '',
    tail: Buffer.alloc(0),
  });
  const withSchema = Buffer.concat([
    Buffer.from([0x0c, 0, 0xff, 0xff, 0xff]),
    Buffer.from(`old\0${auth}\0shop\0`),
  ]);
  const login = decodeLogin(withSchema, 0x000c);
  assert.equal(login.user, 'old');
  assert.equal(login.authResponse.toString(), auth);
  assert.equal(login.schema, 'shop');
  assert.equal(
    decodeLogin(withSchema.subarray(0, -1), 0x000c).schema,
    'shop',
    'the last zero byte may be missing',
  );
  const noPassword = Buffer.concat([Buffer.from(head), Buffer.from('old\0')]);
  assert.equal(decodeLogin(noPassword, 0x0004).authResponse.length, 0);
  const withZero = Buffer.concat([Buffer.from(head), Buffer.from('old\0JNGI\0CPY')]);
  assert.equal(decodeLogin(withZero, 0x0004).authResponse.toString(), 'JNGI\0CPY', 'it goes to the end');
});

test('a login from before 4.1 cut in its head is malformed, later it reads as far as it goes', () => {
  const payload = Buffer.concat([
    Buffer.from([0x0c, 0, 0xff, 0xff, 0xff]),
    Buffer.from('old\0JNGIVCPY\0shop\0'),
  ]);
  for (const cut of truncations(payload)) {
    if (cut.length < 5)
      assert.throws(() => decodeLogin(cut, 0x000c), MalformedPacketError, `${cut.length} bytes`);
    else assert.ok('old'.startsWith(decodeLogin(cut, 0x000c).user), `${cut.length} bytes`);
  }
});

test('flags and SSLRequest of a login from before 4.1 have 16 bits', () => {
  const payload = Buffer.concat([Buffer.from([0x04, 0x00, 0x01, 0x02, 0x03]), Buffer.from('old\0JNGIVCPY')]);
  const login = decodeLogin(payload, 0x0004);
  assert.equal(sslRequestFor(login, 0xffff_0804).toString('hex'), '0408010203');
  const patched = withLoginCapabilities(login, 0xffff_0804);
  assert.equal(patched.subarray(0, 2).toString('hex'), '0408');
  assert.deepEqual(patched.subarray(2), payload.subarray(2));
});

test('a login too short for an SSLRequest has none', () => {
  const login = { ...decodeLogin(Buffer.from([4, 0, 1, 2, 3]), 4), payload: Buffer.from([4, 0, 1, 2]) };
  assert.throws(() => sslRequestFor(login, CLIENT_SSL), MalformedPacketError);
});

test("the proxy's own login reads back, and begins like that of a client", () => {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
  const authResponse = Buffer.from('twenty bytes of noise');
  const fields = { user: 'u', authResponse, authPlugin: 'p' };
  const payload = encodeLogin41(encodeLoginHead(flags, 255), fields);
  const login = decodeLogin(payload, flags);
  assert.equal(payload.readUInt32LE(0), flags);
  assert.equal(payload[8], 255);
  assert.deepEqual(payload.subarray(9, 32), Buffer.alloc(23));
  assert.equal(login.user, 'u');
  assert.deepEqual(login.authResponse, authResponse);
  assert.equal(login.authPlugin, 'p');
  assert.equal(sslRequestFor(login, flags | CLIENT_SSL).length, 32);
  const unnamed = encodeLogin41(encodeLoginHead(flags & ~CLIENT_PLUGIN_AUTH, 255), fields);
  assert.equal(unnamed.length, 32 + 'u\0'.length + 1 + authResponse.length);
});

test('a login of the proxy fits the SSLRequest in front of it, whatever flags a client has set there', () => {
  const fields = { user: 'u', authResponse: Buffer.alloc(20, 7), authPlugin: 'p' };
  for (const recording of loadLogins()) {
    const sslRequest = sslRequestOf(recording);
    if (sslRequest === undefined || sslRequest.length !== 32) continue;
    const payload = encodeLogin41(sslRequest, fields);
    assert.deepEqual(payload.subarray(0, 32), sslRequest);
    const login = decodeLogin(payload, sslRequest.readUInt32LE(0));
    assert.equal(login.user, 'u');
    assert.equal(login.schema, '');
    assert.equal(login.authPlugin, 'p');
  }
  const everyField =
    CLIENT_PROTOCOL_41 | CLIENT_CONNECT_WITH_DB | CLIENT_CONNECT_ATTRS | CLIENT_ZSTD_COMPRESSION;
  const payload = encodeLogin41(encodeLoginHead(everyField, 8), { ...fields, authResponse: Buffer.alloc(0) });
  assert.deepEqual(payload.subarray(32), Buffer.from('u\0\0\0\0\x03', 'latin1'));
  assert.throws(() => encodeLogin41(Buffer.from([1, 8, 0, 0, 1]), fields), MalformedPacketError);
});
