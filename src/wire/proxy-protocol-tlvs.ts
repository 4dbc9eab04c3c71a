/**
 * What may follow the addresses in a PROXY header of version 2: `uint8 type | uint16 length | value`, again and again,
 * big-endian. Of the many types only what is said of TLS and the checksum mean something to a MySQL proxy.
 */
import { MalformedPacketError } from './bytes.js';

/** The TLS that the client of whoever sends the header used toward it. */
export interface ProxiedTls {
  /** `TLSv1.3`, as OpenSSL names it; empty where it is not said. */
  readonly version: string;
  readonly cipher: string;
  /** The client showed a certificate, which was verified. */
  readonly isCertified: boolean;
  /** Of that certificate; empty where it is not said. */
  readonly commonName: string;
}

export interface Tlv {
  readonly type: number;
  readonly value: Buffer;
}

export const TLV_CRC32C = 0x03;
const TLV_SSL = 0x20;
const SSL_VERSION = 0x21;
const SSL_COMMON_NAME = 0x22;
const SSL_CIPHER = 0x23;

const CLIENT_SSL = 0x01;
const CLIENT_CERT_CONN = 0x02;
const CLIENT_CERT_SESS = 0x04;

const TLV_HEADER_LENGTH = 3;
/** Of the TLV about TLS: `uint8 client flags | uint32 0 where a certificate was verified`, and then TLVs of its own. */
const SSL_FIXED_LENGTH = 5;

/** Bytes: the most that X.509 allows a common name. MariaDB takes no more than 256 bytes of header. */
const MAX_COMMON_NAME_LENGTH = 64;

/** Throws MalformedPacketError where they do not fill the bytes exactly. */
export function splitTlvs(bytes: Buffer): readonly Tlv[] {
  const tlvs: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const valueAt = at + TLV_HEADER_LENGTH;
    const end = valueAt > bytes.length ? Infinity : valueAt + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw new MalformedPacketError('one of its TLVs reaches beyond its end');
    tlvs.push({ type: bytes.readUInt8(at), value: bytes.subarray(valueAt, end) });
    at = end;
  }
  return tlvs;
}

export function encodeTlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  const tlv = Buffer.alloc(TLV_HEADER_LENGTH + bytes.length);
  tlv.writeUInt8(type, 0);
  tlv.writeUInt16BE(bytes.length, 1);
  bytes.copy(tlv, TLV_HEADER_LENGTH);
  return tlv;
}

/** Undefined where the client used no TLS, or nothing is said of it. */
export function decodeTls(tlvs: readonly Tlv[]): ProxiedTls | undefined {
  const tlv = tlvs.find(({ type }) => type === TLV_SSL);
  if (tlv === undefined) return undefined;
  if (tlv.value.length < SSL_FIXED_LENGTH) throw new MalformedPacketError('its TLV about TLS is too short');
  const flags = tlv.value.readUInt8(0);
  const isCertified =
    (flags & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)) !== 0 && tlv.value.readUInt32BE(1) === 0;
  const inner = splitTlvs(tlv.value.subarray(SSL_FIXED_LENGTH));
  const text = (wanted: number) => inner.find(({ type }) => type === wanted)?.value.toString('utf8') ?? '';
  if ((flags & CLIENT_SSL) === 0) return undefined;
  return {
    version: text(SSL_VERSION),
    cipher: text(SSL_CIPHER),
    isCertified,
    commonName: isCertified ? text(SSL_COMMON_NAME) : '',
  };
}

/** `undefined`: the client used no TLS, which is said in so many words. */
export function encodeTls(tls: ProxiedTls | undefined): Buffer {
  const fixed = Buffer.alloc(SSL_FIXED_LENGTH);
  const certified = tls?.isCertified === true ? CLIENT_CERT_SESS | CLIENT_CERT_CONN : 0;
  fixed.writeUInt8(tls === undefined ? 0 : CLIENT_SSL | certified, 0);
  fixed.writeUInt32BE(certified === 0 ? 1 : 0, 1);
  if (tls === undefined) return encodeTlv(TLV_SSL, fixed);
  const commonName = Buffer.from(tls.commonName).subarray(0, MAX_COMMON_NAME_LENGTH);
  const inner = [
    encodeTlv(SSL_VERSION, tls.version),
    ...(commonName.length === 0 ? [] : [encodeTlv(SSL_COMMON_NAME, commonName)]),
    encodeTlv(SSL_CIPHER, tls.cipher),
  ];
  return encodeTlv(TLV_SSL, Buffer.concat([fixed, ...inner]));
}

/** Where the checksum stands in a header whose TLVs begin at `tlvsAt`; undefined where there is none. */
export function checksumOffset(header: Buffer, tlvsAt: number): number | undefined {
  let at = tlvsAt;
  for (const { type, value } of splitTlvs(header.subarray(tlvsAt))) {
    at += TLV_HEADER_LENGTH;
    if (type === TLV_CRC32C) {
      if (value.length !== 4) throw new MalformedPacketError('its checksum has not 4 bytes');
      return at;
    }
    at += value.length;
  }
  return undefined;
}

/** Castagnoli's, as in RFC 4960; Node.js has only the other one. */
export function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffff_ffff) >>> 0;
}

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc;
});
