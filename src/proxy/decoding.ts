/** The wire layer does not know whose packet it reads: here an unreadable one becomes the error of its leg. */
import { ProxyError } from '../errors.js';
import { MalformedPacketError } from '../wire/bytes.js';
import { decodeGreeting, type Greeting, isXProtocolNotice } from '../wire/greeting.js';

/** Blames the client for a MalformedPacketError. */
export function decodeClientPacket<T>(decode: () => T): T {
  return decoding(
    decode,
    (what) => new ProxyError('client_malformed_packet', `the login can not be read: ${what}`),
  );
}

/** Blames the server for a MalformedPacketError; `server` is its name for messages. */
export function decodeServerPacket<T>(server: string, decode: () => T): T {
  return decoding(
    decode,
    (what) =>
      new ProxyError('server_protocol_error', `${server} sent a packet that can not be read: ${what}`),
  );
}

/** Throws ProxyError `server_x_protocol` or `server_not_mysql`. */
export function decodeServerGreeting(server: string, firstPacket: Buffer): Greeting {
  if (isXProtocolNotice(firstPacket)) {
    throw new ProxyError(
      'server_x_protocol',
      `${server} speaks the X Protocol, which no MySQL client library here does`,
    );
  }
  return decoding(
    () => decodeGreeting(firstPacket),
    (what) => new ProxyError('server_not_mysql', `${server} does not greet as a MySQL server does: ${what}`),
  );
}

function decoding<T>(decode: () => T, failure: (what: string) => ProxyError): T {
  try {
    return decode();
  } catch (error) {
    throw error instanceof MalformedPacketError ? failure(error.message) : error;
  }
}
