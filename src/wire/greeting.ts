/**
 * The server's first packet, Protocol::HandshakeV10.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 *
 * Layout, v being the offset behind the version's zero byte:
 *   0     0x0a            | 1     server version, NUL-terminated
 *   v     thread id u32   | v+4   nonce, first 8 bytes | v+12 filler
 *   v+13  capabilities, low u16   | v+15 character set u8 | v+16 status u16
 *   v+18  capabilities, high u16  | v+20 nonce length u8
 *   v+21  reserved 10 (MariaDB: its extended capabilities in the last 4)
 *   v+31  nonce, second part, max(13, nonce length - 8) bytes, the last of them 0
 *   then  name of the default authentication plugin, NUL-terminated (5.5.7-5.5.9: without the NUL)
 */
import { ByteReader, MalformedPacketError } from './bytes.js';
import { CLIENT_MYSQL, CLIENT_PLUGIN_AUTH, CLIENT_SECURE_CONNECTION, has } from './capabilities.js';

const PROTOCOL_VERSION = 10;
const NONCE_LENGTH = 20;

export interface Greeting {
  /** The packet's payload as it came. */
  readonly payload: Buffer;
  readonly serverVersion: string;
  readonly threadId: number;
  /** Unsigned 32 bit. */
  readonly capabilities: number;
  /** Collation id, 0-255; 0 where the packet ends before it. */
  readonly characterSet: number;
  /** 20 bytes; 8 from servers older than 4.1. Not secret. */
  readonly nonce: Buffer;
  /** Empty where the server names none. */
  readonly authPlugin: string;
  readonly isMariaDb: boolean;
  /** Where the two halves of the capability flags stand; high is undefined where the packet ends before it. */
  readonly capabilitiesLowOffset: number;
  readonly capabilitiesHighOffset: number | undefined;
  /** Where the name of the plugin stands; at the end where there is none. */
  readonly authPluginOffset: number;
}

/**
 * The notice with which the X Protocol greets since MySQL 8.0.16, as it looks when its first five bytes (length u32,
 * type 0x0b) are taken for the header of a packet: Frame { type: SERVER_HELLO (5), ... }.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/mysqlx__notice_8proto.html
 */
export function isXProtocolNotice(payload: Buffer): boolean {
  return payload[0] === 0x0b && payload[1] === 0x08 && payload[2] === 0x05;
}

/** Throws MalformedPacketError for anything that is not a version 10 greeting. */
export function decodeGreeting(payload: Buffer): Greeting {
  const reader = new ByteReader(payload);
  const protocolVersion = reader.uint8('protocol version');
  if (protocolVersion !== PROTOCOL_VERSION) {
    throw new MalformedPacketError(`protocol version is ${protocolVersion}, only 10 is understood`);
  }
  const serverVersion = reader.nulTerminated('server version').toString('latin1');
  const threadId = reader.uint32('thread id');
  const nonceStart = reader.slice(8, 'first part of the nonce');
  reader.slice(1, 'filler');
  const capabilitiesLowOffset = reader.offset;
  const capabilitiesLow = reader.uint16('capabilities');
  if (reader.remaining === 0) {
    return {
      payload,
      serverVersion,
      threadId,
      capabilities: capabilitiesLow,
      characterSet: 0,
      nonce: nonceStart,
      authPlugin: '',
      isMariaDb: false,
      capabilitiesLowOffset,
      capabilitiesHighOffset: undefined,
      authPluginOffset: payload.length,
    };
  }
  const characterSet = reader.uint8('character set');
  reader.uint16('status');
  const capabilitiesHighOffset = reader.offset;
  const capabilities = ((reader.uint16('capabilities') << 16) | capabilitiesLow) >>> 0;
  const nonceLength = reader.uint8('nonce length');
  reader.slice(10, 'reserved bytes');
  let nonce = nonceStart;
  if (has(capabilities, CLIENT_SECURE_CONNECTION)) {
    const nonceEnd = reader.slice(Math.max(13, nonceLength - 8), 'second part of the nonce');
    // The last byte is always zero and takes no part in any hash.
    nonce = Buffer.concat([nonceStart, nonceEnd.subarray(0, NONCE_LENGTH - nonceStart.length)]);
  }
  const authPluginOffset = reader.offset;
  const authPlugin = has(capabilities, CLIENT_PLUGIN_AUTH)
    ? reader.nulTerminatedOrRest().toString('latin1')
    : '';
  return {
    payload,
    serverVersion,
    threadId,
    capabilities,
    characterSet,
    nonce,
    authPlugin,
    isMariaDb: !has(capabilities, CLIENT_MYSQL) || /mariadb/i.test(serverVersion),
    capabilitiesLowOffset,
    capabilitiesHighOffset,
    authPluginOffset,
  };
}

/**
 * The greeting's payload with other capability flags, and with another default plugin where the server names one (nothing
 * follows the name); every other byte is as it was.
 */
export function withGreetingTerms(greeting: Greeting, capabilities: number, authPlugin: string): Buffer {
  const payload =
    authPlugin === greeting.authPlugin
      ? Buffer.from(greeting.payload)
      : Buffer.concat([
          greeting.payload.subarray(0, greeting.authPluginOffset),
          Buffer.from(`${authPlugin}\0`, 'latin1'),
        ]);
  payload.writeUInt16LE(capabilities & 0xffff, greeting.capabilitiesLowOffset);
  if (greeting.capabilitiesHighOffset !== undefined) {
    payload.writeUInt16LE(capabilities >>> 16, greeting.capabilitiesHighOffset);
  }
  return payload;
}

/** Bytes of the greeting in front of the flags: the first part of the nonce and the filler. */
const NONCE_BEFORE_CAPABILITIES = 9;
/** Bytes between the high flags and the second part of the nonce: themselves, its length and the reserved ones. */
const NONCE_BEHIND_CAPABILITIES = 13;

/**
 * Writes another nonce of 20 bytes, none of them 0, into the payload of a greeting, or into a copy with other terms. Only
 * for greetings whose own nonce is as long.
 */
export function writeGreetingNonce(payload: Buffer, greeting: Greeting, nonce: Buffer): void {
  const { capabilitiesLowOffset, capabilitiesHighOffset } = greeting;
  if (capabilitiesHighOffset === undefined || nonce.length !== NONCE_LENGTH)
    throw new RangeError('a greeting without place for a nonce of 20 bytes');
  nonce.copy(payload, capabilitiesLowOffset - NONCE_BEFORE_CAPABILITIES, 0, 8);
  nonce.copy(payload, capabilitiesHighOffset + NONCE_BEHIND_CAPABILITIES, 8);
}

/** Without the `5.5.5-` that MariaDB 10 puts in front, so that replicas older than itself take it for a MySQL. */
export function versionForPeople({ isMariaDb, serverVersion }: Greeting): string {
  return isMariaDb ? serverVersion.replace(/^5\.5\.5-/, '') : serverVersion;
}
