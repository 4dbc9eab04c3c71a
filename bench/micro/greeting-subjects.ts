/** Greetings of recorded servers: decoded, and passed on with other capability flags. */
import { ByteReader } from '../../src/wire/bytes.js';
import {
  CLIENT_PLUGIN_AUTH,
  CLIENT_SECURE_CONNECTION,
  has,
  offeredToClient,
} from '../../src/wire/capabilities.js';
import { encodePacket } from '../../src/wire/framing.js';
import { decodeGreeting, withGreetingTerms } from '../../src/wire/greeting.js';
import { Handshake, Packet } from './mysql2-internals.js';
import type { Subject } from './subject.js';

/** Nonces have 20 bytes of which mysql2 keeps the zero behind them, too. */
const NONCE_LENGTH = 20;

/** `payloads`: of greetings since MySQL 5.6. */
export function greetingSubjects(payloads: readonly Buffer[]): Subject[] {
  const framed = payloads.map((payload) => encodePacket(0, payload));
  const common = {
    packets: payloads.length,
    bytes: payloads.reduce((sum, { length }) => sum + length, 0),
  };
  const decoding = { ...common, group: 'greeting', traffic: 'decode' };
  const patching = { ...common, group: 'greeting', traffic: 'decode, and change the flags' };
  return [
    {
      ...decoding,
      ...{ name: 'decodeGreeting', variant: 'shipping' },
      pass: () => sumOf(payloads, (payload) => decodeGreeting(payload).threadId),
      outcome: () =>
        payloads.map((payload) => {
          const { serverVersion, threadId, capabilities, characterSet, nonce, authPlugin } =
            decodeGreeting(payload);
          return { serverVersion, threadId, capabilities, characterSet, nonce, authPlugin };
        }),
    },
    {
      ...decoding,
      ...{ name: "mysql2's Handshake.fromPacket", variant: 'mysql2' },
      pass: () => sumOf(framed, (packet) => mysql2Handshake(packet).connectionId),
      outcome: () =>
        framed.map((packet) => {
          const { serverVersion, connectionId, capabilityFlags, characterSet, authPluginName, ...nonce } =
            mysql2Handshake(packet);
          return {
            serverVersion,
            threadId: connectionId,
            capabilities: capabilityFlags >>> 0,
            characterSet,
            nonce: Buffer.concat([nonce.authPluginData1, nonce.authPluginData2]).subarray(0, NONCE_LENGTH),
            authPlugin: authPluginName,
          };
        }),
    },
    {
      ...patching,
      ...{ name: 'patched in a copy', variant: 'shipping' },
      pass: () => sumOf(payloads, (payload) => patchedGreeting(payload).length),
      outcome: () => payloads.map(patchedGreeting),
    },
    {
      ...patching,
      ...{ name: 'encoded again, field by field', variant: 'rejected' },
      pass: () => sumOf(payloads, (payload) => encodedAgain(payload).length),
      outcome: () => payloads.map(encodedAgain),
    },
  ];
}

function mysql2Handshake(packet: Buffer) {
  const read = new Packet(0, packet, 0, packet.length);
  return Handshake.fromPacket(read);
}

const offered = (capabilities: number): number =>
  offeredToClient(capabilities, { offerTls: true, offerCompression: false });

function patchedGreeting(payload: Buffer): Buffer {
  const greeting = decodeGreeting(payload);
  return withGreetingTerms(greeting, offered(greeting.capabilities), greeting.authPlugin);
}

/** Every field becomes a value, and a field again. */
function encodedAgain(payload: Buffer): Buffer {
  const reader = new ByteReader(payload);
  const protocolVersion = reader.uint8('protocol version');
  const serverVersion = reader.nulTerminated('server version').toString('latin1');
  const threadId = reader.uint32('thread id');
  const nonceStart = reader.slice(8, 'nonce');
  reader.uint8('filler');
  const low = reader.uint16('capabilities');
  const characterSet = reader.uint8('character set');
  const status = reader.uint16('status');
  const capabilities = ((reader.uint16('capabilities') << 16) | low) >>> 0;
  const nonceLength = reader.uint8('nonce length');
  const reserved = reader.slice(10, 'reserved');
  const nonceEnd = has(capabilities, CLIENT_SECURE_CONNECTION)
    ? reader.slice(Math.max(13, nonceLength - 8), 'nonce')
    : Buffer.alloc(0);
  const hasPlugin = has(capabilities, CLIENT_PLUGIN_AUTH);
  const authPlugin = hasPlugin ? reader.nulTerminated('plugin').toString('latin1') : '';

  const changed = offered(capabilities);
  const version = Buffer.from(`${serverVersion}\0`, 'latin1');
  const numbers = Buffer.alloc(8);
  numbers.writeUInt16LE(changed & 0xffff, 0);
  numbers.writeUInt8(characterSet, 2);
  numbers.writeUInt16LE(status, 3);
  numbers.writeUInt16LE(changed >>> 16, 5);
  numbers.writeUInt8(nonceLength, 7);
  const thread = Buffer.alloc(4);
  thread.writeUInt32LE(threadId);
  return Buffer.concat([
    Buffer.from([protocolVersion]),
    version,
    thread,
    nonceStart,
    Buffer.from([0]),
    numbers,
    reserved,
    nonceEnd,
    Buffer.from(hasPlugin ? `${authPlugin}\0` : '', 'latin1'),
  ]);
}

function sumOf(payloads: readonly Buffer[], numberOf: (payload: Buffer) => number): number {
  let sum = 0;
  for (const payload of payloads) sum += numberOf(payload);
  return sum;
}
