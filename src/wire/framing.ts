/**
 * The frame around every payload: `uint24 payload length | uint8 sequence id | payload`.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 */

export const HEADER_LENGTH = 4;

/** A payload of this length is continued in the next packet. */
export const MAX_PAYLOAD_LENGTH = 0xffffff;

/**
 * The longest packet accepted before the login is over, in bytes of payload. Logins take 1-2 kB, connection
 * attributes up to 64 kB, Kerberos tokens up to 64 kB; TiProxy allows the same 1 MiB.
 */
export const MAX_HANDSHAKE_PAYLOAD_LENGTH = 1024 * 1024;

export interface PacketHeader {
  /** Bytes. */
  readonly payloadLength: number;
  /** 0-255. */
  readonly sequenceId: number;
}

export interface Packet {
  /** 0-255. */
  readonly sequenceId: number;
  readonly payload: Buffer;
}

/** Header and payload as one buffer; payload shorter than 0xffffff bytes. */
export function encodePacket(sequenceId: number, payload: Buffer): Buffer {
  if (payload.length >= MAX_PAYLOAD_LENGTH)
    throw new RangeError(`payload of ${payload.length} bytes in one packet`);
  const packet = Buffer.allocUnsafe(HEADER_LENGTH + payload.length);
  packet.writeUIntLE(payload.length, 0, 3);
  packet.writeUInt8(sequenceId & 0xff, 3);
  payload.copy(packet, HEADER_LENGTH);
  return packet;
}

export function decodeHeader(header: Buffer): PacketHeader {
  return { payloadLength: header.readUIntLE(0, 3), sequenceId: header.readUInt8(3) };
}

/**
 * The payload length in the header that begins at `at`, read without Buffer's own methods, whose checks cost as much again
 * as all else that is done for a packet on its way through. Only where the header's four bytes are there.
 */
export function payloadLengthAt(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
}

/** The sequence id in the header that begins at `at`, 0-255. Only where the header's four bytes are there. */
export function sequenceIdAt(bytes: Buffer, at: number): number {
  return bytes[at + 3] ?? 0;
}
