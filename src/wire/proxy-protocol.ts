/**
 * The PROXY protocol: a header in front of everything else, with which a balancer says who its client is.
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 *
 * Version 1 is a line, `PROXY TCP4 192.0.2.7 192.0.2.1 51234 3306\r\n`. Version 2:
 * `12 bytes signature | version 2 in the upper, command in the lower 4 bits | family and transport | uint16 length | block`,
 * big-endian; the block begins with source address, destination address, source port, destination port, and goes on with
 * TLVs (proxy-protocol-tlvs.ts).
 */
import { MalformedPacketError } from './bytes.js';
import { bytesToIp, ipToBytes } from './ip-address.js';
import {
  checksumOffset,
  crc32c,
  decodeTls,
  type ProxiedTls,
  splitTlvs,
  TLV_CRC32C,
} from './proxy-protocol-tlvs.js';

export interface Endpoint {
  /** Numeric, as Node.js writes it. */
  readonly address: string;
  readonly port: number;
}

export interface ProxyHeader {
  /** Undefined where the balancer speaks for itself (LOCAL), or does not say for whom (UNKNOWN, a socket file). */
  readonly endpoints: { readonly source: Endpoint; readonly destination: Endpoint } | undefined;
  /** Undefined where nothing is said of it. */
  readonly tls: ProxiedTls | undefined;
  /** Bytes of the header; what follows them is not the header's. */
  readonly length: number;
}

export const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Bytes of a line, with its end: the longest that two IPv6 addresses make. */
const MAX_V1_LENGTH = 107;
const V2_FIXED_LENGTH = 16;
/** Bytes. The format allows 64 KiB; what balancers send has 28 to 250, with certificates' names and ids of clouds. */
export const MAX_V2_LENGTH = 4096;

export const COMMAND_LOCAL = 0;
export const COMMAND_PROXY = 1;

export const TCP4 = 0x11;
export const TCP6 = 0x21;
const SOCKET_FILE = 0x31;
const UNSPECIFIED = 0x00;

/**
 * The header that the bytes begin with; undefined where it may go on with the bytes that come next. Throws MalformedPacketError
 * as soon as it is certain that no valid header comes.
 */
export function decodeProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (beginsAlike(bytes, V2_SIGNATURE)) return decodeV2(bytes);
  if (beginsAlike(bytes, V1_SIGNATURE)) return decodeV1(bytes);
  throw new MalformedPacketError('it begins with neither "PROXY" nor the signature of version 2');
}

/** Whether the first four bytes of a packet, read as its header, are those of a PROXY header. */
export function isProxySignature(payloadLength: number, sequenceId: number): boolean {
  return [V1_SIGNATURE, V2_SIGNATURE].some(
    (signature) => payloadLength === signature.readUIntLE(0, 3) && sequenceId === signature[3],
  );
}

/** As far as both go. */
export function beginsAlike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

function decodeV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, MAX_V1_LENGTH).indexOf('\r\n');
  if (end === -1) {
    if (bytes.length < MAX_V1_LENGTH) return undefined;
    throw new MalformedPacketError(`its line does not end within ${MAX_V1_LENGTH} bytes`);
  }
  const length = end + 2;
  const [, protocol, ...fields] = bytes.toString('latin1', 0, end).split(' ');
  // What follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { endpoints: undefined, tls: undefined, length };
  if (protocol !== 'TCP4' && protocol !== 'TCP6')
    throw new MalformedPacketError('it names another protocol than TCP4, TCP6 and UNKNOWN');
  if (fields.length !== 4) throw new MalformedPacketError('it has not two addresses and two ports');
  const [sourceAddress = '', destinationAddress = '', sourcePort = '', destinationPort = ''] = fields;
  const addressLength = protocol === 'TCP4' ? 4 : 16;
  return {
    endpoints: {
      source: endpointV1(sourceAddress, sourcePort, addressLength),
      destination: endpointV1(destinationAddress, destinationPort, addressLength),
    },
    tls: undefined,
    length,
  };
}

function endpointV1(address: string, port: string, addressLength: number): Endpoint {
  const bytes = ipToBytes(address);
  if (bytes?.length !== addressLength)
    throw new MalformedPacketError(
      `it holds an address that is not one of IPv${addressLength === 4 ? 4 : 6}`,
    );
  if (!/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 0xffff)
    throw new MalformedPacketError('it holds a port that is not a number from 0 to 65535');
  return { address: bytesToIp(bytes), port: Number(port) };
}

function decodeV2(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < V2_FIXED_LENGTH) return undefined;
  const versionAndCommand = bytes.readUInt8(12);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2)
    throw new MalformedPacketError(`it is of version ${versionAndCommand >> 4}, and 1 and 2 are known`);
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY)
    throw new MalformedPacketError(`its command is ${command}, which is neither LOCAL nor PROXY`);
  const length = V2_FIXED_LENGTH + bytes.readUInt16BE(14);
  if (length > MAX_V2_LENGTH)
    throw new MalformedPacketError(`it has ${length} bytes, and ${MAX_V2_LENGTH} are allowed`);
  if (bytes.length < length) return undefined;
  // The rest is to be ignored, whatever it is.
  if (command === COMMAND_LOCAL) return { endpoints: undefined, tls: undefined, length };
  const header = bytes.subarray(0, length);
  const family = bytes.readUInt8(13);
  const tlvsAt = V2_FIXED_LENGTH + addressBlockLength(family);
  if (tlvsAt > length) throw new MalformedPacketError('it is too short for its addresses');
  const tlvs = splitTlvs(header.subarray(tlvsAt));
  assertChecksum(header, tlvsAt);
  return { endpoints: endpointsV2(header, family), tls: decodeTls(tlvs), length };
}

function addressBlockLength(family: number): number {
  if (family === TCP4) return 12;
  if (family === TCP6) return 36;
  if (family === SOCKET_FILE) return 216;
  if (family === UNSPECIFIED) return 0;
  throw new MalformedPacketError(`its family is 0x${family.toString(16).padStart(2, '0')}, which is no TCP`);
}

/** Whoever uses a socket file of the balancer is no client on a socket file here: that would be trusted like this machine. */
function endpointsV2(header: Buffer, family: number): ProxyHeader['endpoints'] {
  if (family !== TCP4 && family !== TCP6) return undefined;
  const addressLength = family === TCP4 ? 4 : 16;
  const portsAt = V2_FIXED_LENGTH + 2 * addressLength;
  const endpoint = (index: 0 | 1): Endpoint => {
    const at = V2_FIXED_LENGTH + index * addressLength;
    return {
      address: bytesToIp(header.subarray(at, at + addressLength)),
      port: header.readUInt16BE(portsAt + 2 * index),
    };
  };
  return { source: endpoint(0), destination: endpoint(1) };
}

/** It is that of the whole header with zeros in its place. */
function assertChecksum(header: Buffer, tlvsAt: number): void {
  const at = checksumOffset(header, tlvsAt);
  if (at === undefined) return;
  const zeroed = Buffer.from(header);
  zeroed.writeUInt32BE(0, at);
  if (crc32c(zeroed) !== header.readUInt32BE(at))
    throw new MalformedPacketError(`its checksum (TLV 0x0${TLV_CRC32C}) does not fit`);
}
