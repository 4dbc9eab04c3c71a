/** The wire layer does not know whose packet it reads: here an unreadable one becomes the error of its leg. */
import { ProxyError } from '../errors.js';
import { MalformedPacketError } from '../wire/bytes.js';

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

function decoding<T>(decode: () => T, failure: (what: string) => ProxyError): T {
  try {
    return decode();
  } catch (error) {
    throw error instanceof MalformedPacketError ? failure(error.message) : error;
  }
}
