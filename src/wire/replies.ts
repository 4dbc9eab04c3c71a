/**
 * What a server sends until the login is decided: OK, ERR, AuthSwitchRequest, AuthMoreData, AuthNextFactor.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets.html
 */
import { ByteReader, MalformedPacketError } from './bytes.js';

export const OK_HEADER = 0x00;
const AUTH_MORE_DATA_HEADER = 0x01;
export const AUTH_NEXT_FACTOR_HEADER = 0x02;
const AUTH_SWITCH_HEADER = 0xfe;
export const ERR_HEADER = 0xff;

/** MariaDB reports progress in the form of an ERR packet with this number; it ends nothing. */
export const PROGRESS_REPORT_ERRNO = 0xffff;

export type AuthReply =
  | { readonly kind: 'ok' }
  | { readonly kind: 'err'; readonly errno: number; readonly message: string }
  /** The data may be empty; 20 bytes of nonce and a zero byte for most plugins. */
  | { readonly kind: 'auth-switch'; readonly plugin: string; readonly data: Buffer }
  /** One byte 0xfe: switch to mysql_old_password with the greeting's nonce. */
  | { readonly kind: 'old-auth-switch' }
  | { readonly kind: 'auth-more-data'; readonly data: Buffer }
  | { readonly kind: 'next-factor'; readonly plugin: string; readonly data: Buffer }
  /** MariaDB sends its plugins' data without a header byte: anything else is such data, all of the packet. */
  | { readonly kind: 'plugin-data'; readonly data: Buffer };

/**
 * `multiFactor`: both ends set CLIENT_MULTI_FACTOR; without it 0x02 begins a plugin's own data (dialog, for one).
 * Throws MalformedPacketError.
 */
export function decodeAuthReply(payload: Buffer, multiFactor: boolean): AuthReply {
  const header = payload[0];
  if (header === undefined) throw new MalformedPacketError('empty packet');
  if (header === OK_HEADER) return { kind: 'ok' };
  if (header === ERR_HEADER) {
    const { errno, message } = decodeErr(payload);
    return errno === PROGRESS_REPORT_ERRNO
      ? { kind: 'plugin-data', data: payload }
      : { kind: 'err', errno, message };
  }
  if (header === AUTH_SWITCH_HEADER) {
    if (payload.length === 1) return { kind: 'old-auth-switch' };
    return { kind: 'auth-switch', ...decodePluginAndData(payload) };
  }
  if (header === AUTH_MORE_DATA_HEADER) return { kind: 'auth-more-data', data: payload.subarray(1) };
  if (header === AUTH_NEXT_FACTOR_HEADER && multiFactor) {
    return { kind: 'next-factor', ...decodePluginAndData(payload) };
  }
  return { kind: 'plugin-data', data: payload };
}

/** The server names the plugin that the dialogue goes on with. */
export function startsPlugin(
  reply: AuthReply,
): reply is Extract<AuthReply, { kind: 'auth-switch' | 'next-factor' }> {
  return reply.kind === 'auth-switch' || reply.kind === 'next-factor';
}

function decodePluginAndData(payload: Buffer): { plugin: string; data: Buffer } {
  const reader = new ByteReader(payload, 1);
  const plugin = reader.nulTerminatedOrRest().toString('latin1');
  return { plugin, data: reader.rest() };
}

/** Payload of an AuthSwitchRequest for a plugin whose nonce, unlike that of MariaDB's own, has a zero byte behind it. */
export function encodeAuthSwitch(plugin: string, nonce: Buffer): Buffer {
  const head = Buffer.from([AUTH_SWITCH_HEADER]);
  return Buffer.concat([head, Buffer.from(`${plugin}\0`, 'latin1'), nonce, Buffer.from([0])]);
}

export function encodeAuthMoreData(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([AUTH_MORE_DATA_HEADER]), data]);
}

export interface ErrPacket {
  readonly errno: number;
  /** Empty where the packet has none. */
  readonly sqlState: string;
  readonly message: string;
}

export function isErr(payload: Buffer): boolean {
  return payload[0] === ERR_HEADER;
}

/** Throws MalformedPacketError. */
export function decodeErr(payload: Buffer): ErrPacket {
  const reader = new ByteReader(payload, 1);
  const errno = reader.uint16('error number');
  const text = reader.rest().toString('utf8');
  return text.startsWith('#') && text.length >= 6
    ? { errno, sqlState: text.slice(1, 6), message: text.slice(6) }
    : { errno, sqlState: '', message: text };
}

/** Clients keep the first 512 bytes of an error's text, terminator included. */
const MAX_ERR_MESSAGE_BYTES = 511;

/**
 * Payload of an ERR packet. `sqlState` is left out where the client has not sent its login yet, or speaks the
 * protocol before 4.1: it would be shown as part of the text.
 */
export function encodeErr(errno: number, sqlState: string | undefined, message: string): Buffer {
  const text = cutToWholeCharacters(Buffer.from(message, 'utf8'), MAX_ERR_MESSAGE_BYTES);
  const head = Buffer.from([ERR_HEADER, errno & 0xff, errno >>> 8]);
  return Buffer.concat([head, Buffer.from(sqlState === undefined ? '' : `#${sqlState}`, 'latin1'), text]);
}

function cutToWholeCharacters(utf8: Buffer, maxLength: number): Buffer {
  let end = Math.min(utf8.length, maxLength);
  while (isContinuationByte(utf8[end])) end--;
  return utf8.subarray(0, end);
}

function isContinuationByte(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
