/**
 * Throws random bytes and mutated recordings at every decoder. Whatever comes, a decoder either says that the packet is
 * malformed or returns fields that are parts of the packet.
 *
 * Runs for 10 s, with CI=true for 30 s. The seed is printed; FUZZ_SEED=<seed> runs the same inputs again.
 */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { assertAnswerIsSafe, assertQuestionIsSafe } from '../../src/auth/password-exposure.js';
import { ProxyError } from '../../src/errors.js';
import { MalformedPacketError } from '../../src/wire/bytes.js';
import { decodeChangeUser, withChangeUserIdentity } from '../../src/wire/change-user.js';
import { clientProgram, decodeAttributes, withAttributes } from '../../src/wire/connection-attributes.js';
import { decodeHeader, HEADER_LENGTH } from '../../src/wire/framing.js';
import { decodeGreeting, withGreetingTerms } from '../../src/wire/greeting.js';
import {
  decodeClientFlags,
  decodeLogin,
  sslRequestFor,
  withLoginCapabilities,
} from '../../src/wire/login.js';
import { decodeProxyHeader, MAX_V2_LENGTH } from '../../src/wire/proxy-protocol.js';
import { encodeProxyV2, encodeProxyV2WithTls } from '../../src/wire/proxy-protocol-encode.js';
import { decodeAuthReply, decodeErr } from '../../src/wire/replies.js';
import { loadRecordings } from '../fixtures/recordings.js';
import { mutated } from './mutations.js';

const totalMs = process.env['CI'] === 'true' ? 30_000 : 10_000;
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);

const recordings = loadRecordings();
const recordedPayloads = recordings.flatMap(({ packets }) => packets.map(({ payload }) => payload));
const fromServer = recordings.flatMap(({ packets }) =>
  packets.filter(({ from }) => from === 'server').map(({ payload }) => payload),
);
const fromClient = recordings.flatMap(({ packets }) =>
  packets.filter(({ from }) => from === 'client').map(({ payload }) => payload),
);

/** Written by hand: no recording holds the command. */
const changeUsers = [
  Buffer.from('\x11app\0\0shop\0\x2d\0mysql_native_password\0\0', 'latin1'),
  Buffer.from(`\x11app\0\x14${'x'.repeat(20)}\0\xff\0caching_sha2_password\0\x07\x03_os\x02ab`, 'latin1'),
  Buffer.from('\x11app\0JNGIVCPY\0shop\0', 'latin1'),
];

/** Attributes as they stand behind a login, with and without a zstd level; some of them say what only the proxy may say. */
const attributeTails = [
  ...fromClient.flatMap((payload) => {
    const at = payload.indexOf('_password\0');
    return at === -1 ? [] : [payload.subarray(at + '_password\0'.length)];
  }),
  Buffer.from('\x16\x0a_client_ip\x0a192.0.2.77\x07', 'latin1'),
  Buffer.from(`\xfc\x09\x01\x03_os\xfc\x02\x01${'x'.repeat(258)}`, 'latin1'),
  Buffer.from('\x1f\x0b_client_ip \x01x\x0cprogram_name\x03app\0\0', 'latin1'),
];

const anyFlags = fc.integer({ min: 0, max: 0xffff_ffff });
const randomBytes = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
const packets = (seeds: readonly Buffer[]) =>
  fc.oneof({ weight: 1, arbitrary: randomBytes }, { weight: 4, arbitrary: mutated(seeds) });

/**
 * The packet in the middle of other bytes, as in the socket's buffer: a field that reached outside would be seen.
 * Returns undefined where the decoder says that the packet is malformed.
 */
function decodeInside<T>(
  payload: Buffer,
  decode: (payload: Buffer) => T,
): { decoded: T; payload: Buffer } | undefined {
  const margin = 64;
  // Memory of its own: Buffer.from and Buffer.concat share theirs with unrelated bytes.
  const memory = Buffer.alloc(margin + payload.length + margin, 0x5a);
  payload.copy(memory, margin);
  const inside = memory.subarray(margin, margin + payload.length);
  const before = Buffer.from(memory);
  try {
    return { decoded: decode(inside), payload: inside };
  } catch (error) {
    if (error instanceof MalformedPacketError || error instanceof ProxyError) return undefined;
    throw error;
  } finally {
    assert.deepEqual(memory, before, 'a decoder changes nothing');
  }
}

/** A field is a part of the packet's own bytes, or a copy that is no longer than the packet. */
function assertWithin(field: Buffer, payload: Buffer): void {
  if (field.buffer === payload.buffer && field.length > 0) {
    assert.ok(field.byteOffset >= payload.byteOffset, 'begins before the packet');
    assert.ok(
      field.byteOffset + field.length <= payload.byteOffset + payload.length,
      'ends behind the packet',
    );
  }
  assert.ok(field.length <= payload.length);
}

/** The bytes of a patched packet that differ from the original are these alone. */
function assertOnlyChanged(patched: Buffer, original: Buffer, offsets: readonly number[]): void {
  assert.equal(patched.length, original.length);
  for (const [offset, byte] of patched.entries()) {
    if (!offsets.includes(offset)) assert.equal(byte, original[offset], `byte ${offset}`);
  }
}

const targets: Record<string, fc.IPropertyWithHooks<never>> = {};
const target = <Inputs extends [unknown, ...unknown[]]>(
  name: string,
  property: fc.IPropertyWithHooks<Inputs>,
): void => {
  targets[name] = property as unknown as fc.IPropertyWithHooks<never>;
};

target(
  'greeting',
  fc.property(packets(fromServer), anyFlags, (bytes, flags) => {
    const result = decodeInside(bytes, decodeGreeting);
    if (result === undefined) return;
    const { decoded: greeting, payload } = result;
    assert.equal(greeting.payload, payload);
    assertWithin(greeting.nonce, payload);
    assert.ok([8, 20].includes(greeting.nonce.length));
    assert.ok(greeting.serverVersion.length + greeting.authPlugin.length <= payload.length);
    const { capabilitiesLowOffset: low, capabilitiesHighOffset: high } = greeting;
    const offsets = high === undefined ? [low, low + 1] : [low, low + 1, high, high + 1];
    const patched = withGreetingTerms(greeting, flags, greeting.authPlugin);
    assertOnlyChanged(patched, payload, offsets);
    // Flags decide whether a nonce's second half is looked for, so other flags may make it malformed.
    const again = decodeInside(patched, decodeGreeting);
    if (again) assert.equal(again.decoded.capabilities, high === undefined ? flags & 0xffff : flags);
  }),
);

target(
  'client flags',
  fc.property(packets(fromClient), (bytes) => {
    const result = decodeInside(bytes, decodeClientFlags);
    if (result === undefined) return;
    const { capabilities, isProtocol41, wantsTls } = result.decoded;
    assert.equal(wantsTls, (capabilities & 0x800) !== 0);
    assert.equal(isProtocol41, (capabilities & 0x200) !== 0);
    assert.equal(capabilities, isProtocol41 ? bytes.readUInt32LE(0) : bytes.readUInt16LE(0));
  }),
);

target(
  'login',
  fc.property(
    packets(fromClient),
    fc.option(anyFlags, { nil: undefined }),
    anyFlags,
    (bytes, ownFlags, flags) => {
      const layout = ownFlags ?? (bytes.length >= 4 ? bytes.readUInt32LE(0) : 0);
      const result = decodeInside(bytes, (payload) => decodeLogin(payload, layout));
      if (result === undefined) return;
      const { decoded: login, payload } = result;
      assert.equal(login.payload, payload);
      assertWithin(login.authResponse, payload);
      assert.ok(login.user.length + login.authResponse.length + login.schema.length <= payload.length);
      assert.ok(login.authPlugin.length <= payload.length);
      const flagBytes = login.isProtocol41 ? [0, 1, 2, 3] : [0, 1];
      assertOnlyChanged(withLoginCapabilities(login, flags), payload, flagBytes);
      const sslRequest = decodeInside(payload, () => sslRequestFor(login, flags));
      assert.ok(sslRequest, 'what reads as a login is long enough for its SSLRequest');
      assertOnlyChanged(sslRequest.decoded, payload.subarray(0, login.isProtocol41 ? 32 : 5), flagBytes);
    },
  ),
);

target(
  'change user',
  fc.property(
    packets([...changeUsers, ...fromClient]),
    anyFlags,
    fc.constantFrom(0, 0x8000, 0x80000, 0x88000),
    (bytes, otherFlags, layoutFlags) => {
      const flags = ((otherFlags & ~0x88000) | layoutFlags) >>> 0;
      const result = decodeInside(bytes, (payload) => decodeChangeUser(payload, flags));
      if (result === undefined) return;
      const { decoded: command, payload } = result;
      assert.equal(command.payload, payload);
      const { userBytes, authResponse, schemaBytes, characterSet, tail } = command;
      const fields = [userBytes, authResponse, schemaBytes, characterSet, tail];
      for (const field of fields) assertWithin(field, payload);
      assert.ok(
        fields.reduce((sum, { length }) => sum + length, 1) <= payload.length,
        'no byte counts twice',
      );
      assert.ok(command.authPlugin.length <= payload.length);
      assert.ok([0, 2].includes(characterSet.length));
      if (authResponse.length > 255) return;
      // Another identity in it reads back by the flags of a server, which knows the length of the answer.
      const serverFlags = (flags | 0x8000) >>> 0;
      const identity = { user: Buffer.from('new'), authResponse, authPlugin: 'other' };
      const again = decodeChangeUser(withChangeUserIdentity(command, serverFlags, identity), serverFlags);
      assert.equal(again.user, 'new');
      assert.deepEqual(again.authResponse, authResponse);
      assert.deepEqual(again.schemaBytes, schemaBytes);
      assert.deepEqual(again.tail.subarray(again.tail.length - tail.length), tail);
    },
  ),
);

target(
  'connection attributes',
  fc.property(packets(attributeTails), (bytes) => {
    const result = decodeInside(bytes, decodeAttributes);
    if (result?.decoded === undefined) return;
    const { decoded: attributes, payload } = result;
    const { read, unread, rest } = attributes;
    const fields = [...read.map((attribute) => attribute.bytes), unread, rest];
    for (const field of fields) assertWithin(field, payload);
    for (const { name, value } of read) for (const part of [name, value]) assertWithin(part, payload);
    assert.ok(fields.reduce((sum, { length }) => sum + length, 1) <= payload.length, 'no byte counts twice');
    assert.ok(Array.from(clientProgram(attributes)).length <= 128);
    const again = decodeAttributes(withAttributes(attributes, ['_client_ip'], [['_client_ip', '192.0.2.1']]));
    assert.ok(again, 'with one more it is still a field');
    assert.deepEqual([again.unread, again.rest], [unread, rest]);
    const own = read.filter(({ name }) => !/^_client_ip(?![!-~])/.test(name.toString('latin1')));
    assert.deepEqual(
      again.read.map((attribute) => attribute.bytes),
      [...own.map((attribute) => attribute.bytes), Buffer.from('\x0a_client_ip\x09192.0.2.1', 'latin1')],
    );
  }),
);

target(
  'authentication reply',
  fc.property(packets(fromServer), fc.boolean(), (bytes, multiFactor) => {
    const result = decodeInside(bytes, (payload) => decodeAuthReply(payload, multiFactor));
    if (result === undefined) return;
    const { decoded: reply, payload } = result;
    if ('data' in reply) assertWithin(reply.data, payload);
    if ('plugin' in reply) assert.ok(reply.plugin.length < payload.length);
    if (!multiFactor) assert.notEqual(reply.kind, 'next-factor');
    const legs = { client: { tls: true, unix: false }, server: { tls: false, unix: false } };
    const policy = { legs, allowCleartext: false };
    decodeInside(payload, () => assertQuestionIsSafe('plugin' in reply ? reply.plugin : '', reply, policy));
    decodeInside(payload, () => assertAnswerIsSafe('dialog', payload, policy));
  }),
);

target(
  'error packet',
  fc.property(packets(fromServer), (bytes) => {
    const result = decodeInside(bytes, decodeErr);
    if (result === undefined) return;
    assert.ok(result.decoded.errno <= 0xffff);
    assert.ok([0, 5].includes(result.decoded.sqlState.length));
    assert.ok(result.decoded.message.length <= bytes.length);
  }),
);

target(
  'packet header',
  fc.property(packets(recordedPayloads), (bytes) => {
    if (bytes.length < HEADER_LENGTH) return;
    const { payloadLength, sequenceId } = decodeHeader(bytes);
    assert.ok(payloadLength >= 0 && payloadLength <= 0xffffff);
    assert.ok(sequenceId >= 0 && sequenceId <= 255);
  }),
);

/** Headers of both versions, with all that this proxy reads in them. */
const proxyHeaders = [
  Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 51234 3306\r\n'),
  Buffer.from('PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 51234 3306\r\n'),
  Buffer.from('PROXY UNKNOWN ignored\r\n'),
  ...['203.0.113.7', '2001:db8::7'].map((address) => {
    const end = { address, port: 51234 };
    const tls = { version: 'TLSv1.3', cipher: 'AES', isCertified: true, commonName: 'app' };
    return encodeProxyV2WithTls({ source: end, destination: end }, tls);
  }),
  encodeProxyV2(undefined),
];

target(
  'PROXY header',
  fc.property(packets(proxyHeaders), (bytes) => {
    const result = decodeInside(bytes, decodeProxyHeader);
    if (result?.decoded === undefined) return;
    const { length, endpoints, tls } = result.decoded;
    assert.ok(length > 0 && length <= bytes.length && length <= MAX_V2_LENGTH);
    for (const end of endpoints === undefined ? [] : [endpoints.source, endpoints.destination]) {
      assert.notEqual(isIP(end.address), 0, end.address);
      assert.ok(Number.isInteger(end.port) && end.port >= 0 && end.port <= 0xffff);
    }
    if (tls !== undefined) assert.ok(tls.commonName === '' || tls.isCertified);
    // What was taken as a whole header was none before its last byte.
    assert.equal(decodeProxyHeader(bytes.subarray(0, length - 1)), undefined);
    if (endpoints !== undefined && isIP(endpoints.source.address) === isIP(endpoints.destination.address))
      assert.deepEqual(decodeProxyHeader(encodeProxyV2(endpoints))?.endpoints, endpoints);
  }),
);

const names = Object.keys(targets);
for (const [name, property] of Object.entries(targets)) {
  test(`fuzz: ${name}`, (t) => {
    const details = fc.check(property as fc.IProperty<[unknown]>, {
      seed,
      numRuns: Number.POSITIVE_INFINITY,
      interruptAfterTimeLimit: totalMs / names.length,
    });
    t.diagnostic(`${details.numRuns} inputs, FUZZ_SEED=${seed}`);
    if (details.failed) {
      throw new Error(fc.defaultReportMessage(details) ?? 'failed', { cause: details.errorInstance });
    }
    assert.ok(details.numRuns > 100, `only ${details.numRuns} inputs were tried`);
  });
}
