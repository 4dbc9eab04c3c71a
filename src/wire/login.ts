/**
 * The client's first packets: SSLRequest, HandshakeResponse41 and HandshakeResponse320.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html
 *
 * HandshakeResponse41: capabilities u32 | max packet u32 | character set u8 | filler 23 (MariaDB: its extended
 *   capabilities in the last 4) | user NUL | auth response | [schema NUL] | [plugin NUL] | [attributes] | [zstd level]
 * SSLRequest: the first 32 bytes of that with CLIENT_SSL set; old Connector/J sends only the first 4, clients before
 *   4.1 the first 5 of their own form.
 * HandshakeResponse320: capabilities u16 | max packet u24 | user NUL | auth response | [schema NUL]
 */
import { ByteReader, MalformedPacketError } from './bytes.js';
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  CLIENT_ZSTD_COMPRESSION,
  has,
} from './capabilities.js';

const SSL_REQUEST_LENGTH = 32;
const SSL_REQUEST_320_LENGTH = 5;
const FILLER_LENGTH = 23;
const MAX_PACKET_SIZE = 0xffffff;
const DEFAULT_ZSTD_LEVEL = 3;
const NO_BYTES = Buffer.alloc(0);
const ZERO_BYTE = Buffer.alloc(1);

export interface ClientFlags {
  /** Unsigned 32 bit; the form before 4.1 has 16. */
  readonly capabilities: number;
  readonly isProtocol41: boolean;
  /** The client asks for TLS: whatever else the packet holds, the servers ignore it, and so does the proxy. */
  readonly wantsTls: boolean;
}

/** Reads only as much as tells an SSLRequest from a login. Throws MalformedPacketError. */
export function decodeClientFlags(payload: Buffer): ClientFlags {
  const reader = new ByteReader(payload);
  const low = reader.uint16('capabilities');
  const isProtocol41 = has(low, CLIENT_PROTOCOL_41);
  const capabilities = isProtocol41 ? ((reader.uint16('capabilities') << 16) | low) >>> 0 : low;
  return { capabilities, isProtocol41, wantsTls: has(capabilities, CLIENT_SSL) };
}

export interface Login {
  /** The packet's payload as it came; holds the auth response, so it is never logged. */
  readonly payload: Buffer;
  readonly isProtocol41: boolean;
  /** The flags by which the fields were read. */
  readonly capabilities: number;
  readonly user: string;
  /** The same as it came: in the character set of the client. */
  readonly userBytes: Buffer;
  /** Where the auth response stands in the payload, without its length or terminator. */
  readonly authResponse: Buffer;
  readonly schema: string;
  /** The same as it came. */
  readonly schemaBytes: Buffer;
  /** Empty where the client names none. */
  readonly authPlugin: string;
  /** What follows the plugin: attributes, zstd level, bytes that the proxy does not know. */
  readonly tail: Buffer;
}

/** Who logs in, and how it is proved: what the proxy may put in the place of what a client said of itself. */
export interface Identity {
  readonly user: Buffer;
  /** At most 250 bytes. */
  readonly authResponse: Buffer;
  /** The plugin that the auth response is for. */
  readonly authPlugin: string;
}

/** Names no plugin that exists: a server then asks with the plugin of the account, whichever that is. */
export const NO_PLUGIN = 'mysql_tls_proxy_ask';

/**
 * `capabilities` are those that count for the layout: the client's (those of its SSLRequest, where it sent one) that
 * the proxy offered. Throws MalformedPacketError.
 */
export function decodeLogin(payload: Buffer, capabilities: number): Login {
  return has(capabilities, CLIENT_PROTOCOL_41)
    ? decodeLogin41(payload, capabilities)
    : decodeLogin320(payload, capabilities);
}

function decodeLogin41(payload: Buffer, capabilities: number): Login {
  const reader = new ByteReader(payload);
  reader.uint32('capabilities');
  reader.uint32('maximum packet size');
  reader.uint8('character set');
  reader.slice(FILLER_LENGTH, 'filler');
  const userBytes = reader.nulTerminated('user name');
  const authResponse = decodeAuthResponse(reader, capabilities);
  const schemaBytes = has(capabilities, CLIENT_CONNECT_WITH_DB) ? reader.nulTerminatedOrRest() : NO_BYTES;
  // Some clients set the flag and leave the field out.
  const authPlugin = has(capabilities, CLIENT_PLUGIN_AUTH)
    ? reader.nulTerminatedOrRest().toString('latin1')
    : '';
  return {
    payload,
    isProtocol41: true,
    capabilities,
    user: userBytes.toString('utf8'),
    userBytes,
    authResponse,
    schema: schemaBytes.toString('utf8'),
    schemaBytes,
    authPlugin,
    tail: reader.rest(),
  };
}

function decodeAuthResponse(reader: ByteReader, capabilities: number): Buffer {
  if (has(capabilities, CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA))
    return reader.lengthEncodedBytes('auth response');
  if (has(capabilities, CLIENT_SECURE_CONNECTION))
    return reader.slice(reader.uint8('auth response'), 'auth response');
  return reader.nulTerminatedOrRest();
}

function decodeLogin320(payload: Buffer, capabilities: number): Login {
  const reader = new ByteReader(payload);
  reader.uint16('capabilities');
  reader.uint24('maximum packet size');
  const userBytes = reader.nulTerminatedOrRest();
  const hasSchema = has(capabilities, CLIENT_CONNECT_WITH_DB);
  const authResponse = hasSchema ? reader.nulTerminatedOrRest() : reader.rest();
  const schemaBytes = hasSchema ? reader.nulTerminatedOrRest() : NO_BYTES;
  return {
    payload,
    isProtocol41: false,
    capabilities,
    user: userBytes.toString('utf8'),
    userBytes,
    authResponse,
    schema: schemaBytes.toString('utf8'),
    schemaBytes,
    authPlugin: '',
    tail: reader.rest(),
  };
}

/** Connection attribute `_client_name`, as length-encoded key and value. */
const NAME_OF_MARIADB_CONNECTOR_C = Buffer.from('\x0c_client_name\x0alibmariadb', 'latin1');

/**
 * Whether the client stands on MariaDB Connector/C (the mariadb CLI, and Debian's MySQLdb and DBD::mysql): it shows an
 * ERR packet with a number of 2000-2999 as "2027 Received malformed packet", without the text.
 */
export function isMariaDbConnectorC(login: Login): boolean {
  return login.payload.includes(NAME_OF_MARIADB_CONNECTOR_C);
}

/** The same attribute's key alone; the value comes behind its length. */
const CLIENT_NAME_KEY = Buffer.from('\x0c_client_name', 'latin1');

/**
 * Whether the client is of the MariaDB family. Such a client clears CLIENT_MYSQL for a MariaDB server; the flags agreed
 * on do not show it, because the server clears it, too. mysql2 does the same, and says who it is.
 */
export function isMariaDbClient(login: Login): boolean {
  if (!login.isProtocol41 || has(login.payload.readUInt32LE(0), CLIENT_MYSQL)) return false;
  const key = login.payload.indexOf(CLIENT_NAME_KEY);
  if (key === -1) return true;
  const value = key + CLIENT_NAME_KEY.length;
  const name = login.payload.subarray(value + 1, value + 1 + (login.payload[value] ?? 0));
  return /mariadb/i.test(name.toString('latin1'));
}

/** The login's payload with other capability flags, another tail, and every other byte as it was. */
export function withLoginCapabilities(login: Login, capabilities: number, tail: Buffer = login.tail): Buffer {
  const payload = withOtherTail(login, tail);
  writeCapabilities(payload, login.isProtocol41, capabilities);
  return payload;
}

/** A copy of the packet, which ends with its tail, with another one in its place. */
export function withOtherTail(packet: Pick<Login, 'payload' | 'tail'>, tail: Buffer): Buffer {
  const { payload } = packet;
  return Buffer.concat([payload.subarray(0, payload.length - packet.tail.length), tail]);
}

/**
 * The login's payload with other capability flags, another identity and another tail; everything else is as the client
 * sent it. The flags say which fields the server will read, so CLIENT_PLUGIN_AUTH among them adds the plugin's name.
 * Throws MalformedPacketError for a login from before 4.1, which has no place for one.
 */
export function withLoginIdentity(
  login: Login,
  capabilities: number,
  identity: Identity,
  tail: Buffer = login.tail,
): Buffer {
  if (!login.isProtocol41) throw new MalformedPacketError('a login from before MySQL 4.1');
  const hasSchema = has(capabilities, CLIENT_CONNECT_WITH_DB);
  return Buffer.concat([
    headOf(login, capabilities),
    identity.user,
    ZERO_BYTE,
    Buffer.from([identity.authResponse.length]),
    identity.authResponse,
    ...(hasSchema ? [login.schemaBytes, ZERO_BYTE] : []),
    ...(has(capabilities, CLIENT_PLUGIN_AUTH) ? [Buffer.from(`${identity.authPlugin}\0`, 'latin1')] : []),
    tail,
  ]);
}

/**
 * The SSLRequest that fits a login. Servers take the flags, the character set and MariaDB's extended capabilities from
 * this packet and ignore or compare those of the login, so they are the login's own.
 */
export function sslRequestFor(login: Login, capabilities: number): Buffer {
  return headOf(login, capabilities);
}

function headOf(login: Login, capabilities: number): Buffer {
  const length = login.isProtocol41 ? SSL_REQUEST_LENGTH : SSL_REQUEST_320_LENGTH;
  if (login.payload.length < length) throw new MalformedPacketError(`login of ${login.payload.length} bytes`);
  const payload = Buffer.from(login.payload.subarray(0, length));
  writeCapabilities(payload, login.isProtocol41, capabilities);
  return payload;
}

function writeCapabilities(payload: Buffer, isProtocol41: boolean, capabilities: number): void {
  if (isProtocol41) payload.writeUInt32LE(capabilities, 0);
  else payload.writeUInt16LE(capabilities & 0xffff, 0);
}

/** The fixed 32 bytes that begin a HandshakeResponse41, and are all of an SSLRequest. */
export function encodeLoginHead(capabilities: number, characterSet: number): Buffer {
  const head = Buffer.alloc(SSL_REQUEST_LENGTH);
  head.writeUInt32LE(capabilities, 0);
  head.writeUInt32LE(MAX_PACKET_SIZE, 4);
  head.writeUInt8(characterSet, 8);
  return head;
}

/**
 * A HandshakeResponse41 of the proxy's own, with an empty schema name and no attributes. `head`: its first 32 bytes, whose
 * flags say which fields follow. Behind an SSLRequest it must be that packet: servers take the flags from there, and
 * MySQL 9 refuses another character set. `authResponse`: at most 250 bytes. Throws MalformedPacketError where the head
 * is that of a client before 4.1.
 */
export function encodeLogin41(
  head: Buffer,
  { user, authResponse, authPlugin }: { user: string; authResponse: Buffer; authPlugin: string },
): Buffer {
  const { capabilities, isProtocol41 } = decodeClientFlags(head);
  if (!isProtocol41 || head.length !== SSL_REQUEST_LENGTH) {
    throw new MalformedPacketError('the head is not that of a HandshakeResponse41');
  }
  return Buffer.concat([
    head,
    Buffer.from(`${user}\0`, 'utf8'),
    Buffer.from([authResponse.length]),
    authResponse,
    Buffer.from(has(capabilities, CLIENT_CONNECT_WITH_DB) ? '\0' : '', 'latin1'),
    Buffer.from(has(capabilities, CLIENT_PLUGIN_AUTH) ? `${authPlugin}\0` : '', 'latin1'),
    Buffer.from(has(capabilities, CLIENT_CONNECT_ATTRS) ? [0] : []),
    Buffer.from(has(capabilities, CLIENT_ZSTD_COMPRESSION) ? [DEFAULT_ZSTD_LEVEL] : []),
  ]);
}
