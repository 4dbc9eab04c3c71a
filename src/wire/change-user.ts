/**
 * COM_CHANGE_USER, which begins another authentication inside a session.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html
 *
 * 0x11 | user NUL | auth response (u8 length and bytes; before 4.1 NUL) | schema NUL | [character set u16 |
 *   [plugin NUL] | [attributes]]
 */
import { ByteReader, MalformedPacketError } from './bytes.js';
import { CLIENT_CONNECT_ATTRS, CLIENT_PLUGIN_AUTH, CLIENT_SECURE_CONNECTION, has } from './capabilities.js';
import type { Identity, Login } from './login.js';

export const COM_CHANGE_USER = 0x11;

export interface ChangeUser {
  /** The packet's payload as it came; holds the auth response, so it is never logged. */
  readonly payload: Buffer;
  readonly user: string;
  /** The same as it came: in the character set of the client. */
  readonly userBytes: Buffer;
  readonly authResponse: Buffer;
  readonly schemaBytes: Buffer;
  /** Two bytes; none where the packet ends before it. */
  readonly characterSet: Buffer;
  /** Empty where the client names none. */
  readonly authPlugin: string;
  /** What follows the plugin: attributes, bytes that the proxy does not know. */
  readonly tail: Buffer;
}

/** `capabilities`: those that client and server agreed on. Throws MalformedPacketError. */
export function decodeChangeUser(payload: Buffer, capabilities: number): ChangeUser {
  const reader = new ByteReader(payload);
  const command = reader.uint8('command');
  if (command !== COM_CHANGE_USER) throw new MalformedPacketError(`command ${command} is no COM_CHANGE_USER`);
  const userBytes = reader.nulTerminated('user name');
  const authResponse = has(capabilities, CLIENT_SECURE_CONNECTION)
    ? reader.slice(reader.uint8('auth response'), 'auth response')
    : reader.nulTerminatedOrRest();
  const schemaBytes = reader.nulTerminatedOrRest();
  const characterSet = reader.slice(reader.remaining >= 2 ? 2 : 0, 'character set');
  const authPlugin = has(capabilities, CLIENT_PLUGIN_AUTH)
    ? reader.nulTerminatedOrRest().toString('latin1')
    : '';
  return {
    payload,
    user: userBytes.toString('utf8'),
    userBytes,
    authResponse,
    schemaBytes,
    characterSet,
    authPlugin,
    tail: reader.rest(),
  };
}

/**
 * The packet with another identity and another tail, and everything else as the client sent it. `capabilities`: the
 * server's view.
 */
export function withChangeUserIdentity(
  command: ChangeUser,
  capabilities: number,
  { user, authResponse, authPlugin }: Identity,
  tail: Buffer = command.tail,
): Buffer {
  const { schemaBytes, characterSet } = command;
  // MySQL reads a plugin only behind a character set; 0 is none, for which it takes its own default.
  const hasPlugin = has(capabilities, CLIENT_PLUGIN_AUTH);
  const set = hasPlugin && characterSet.length === 0 ? Buffer.alloc(2) : characterSet;
  return Buffer.concat([
    Buffer.from([COM_CHANGE_USER]),
    user,
    Buffer.from([0, authResponse.length]),
    authResponse,
    schemaBytes,
    Buffer.from([0]),
    set,
    Buffer.from(hasPlugin ? `${authPlugin}\0` : '', 'latin1'),
    tail,
  ]);
}

const COMMAND = Buffer.from([COM_CHANGE_USER]);
const NO_BYTES = Buffer.alloc(0);
const NO_ATTRIBUTES = Buffer.alloc(1);
/** Of a HandshakeResponse41. */
const CHARACTER_SET_OFFSET = 8;

/**
 * The command that asks of a session what a login asks of a new connection: the same schema, character set and attributes.
 * For servers with which plugins are agreed on; `tail` as the server is to get it. Throws MalformedPacketError for a login
 * from before 4.1.
 */
export function changeUserForLogin(login: Login, identity: Identity, tail: Buffer): Buffer {
  if (!login.isProtocol41) throw new MalformedPacketError('a login from before MySQL 4.1');
  const { capabilities, schemaBytes, payload } = login;
  const attributes = has(capabilities, CLIENT_CONNECT_ATTRS) ? tail : NO_BYTES;
  return encodeChangeUser(identity, capabilities, payload.readUInt8(CHARACTER_SET_OFFSET), {
    schemaBytes,
    attributes,
  });
}

/**
 * For servers with which plugins are agreed on. `capabilities` say whether they expect attributes, if only an empty field;
 * `characterSet`: 0-255.
 */
export function encodeChangeUser(
  { user, authResponse, authPlugin }: Identity,
  capabilities: number,
  characterSet: number,
  { schemaBytes = NO_BYTES, attributes = NO_BYTES }: { schemaBytes?: Buffer; attributes?: Buffer } = {},
): Buffer {
  const needsField = attributes.length === 0 && has(capabilities, CLIENT_CONNECT_ATTRS);
  return Buffer.concat([
    COMMAND,
    user,
    Buffer.from([0, authResponse.length]),
    authResponse,
    schemaBytes,
    Buffer.from([0, characterSet, 0]),
    Buffer.from(`${authPlugin}\0`, 'latin1'),
    needsField ? NO_ATTRIBUTES : attributes,
  ]);
}
