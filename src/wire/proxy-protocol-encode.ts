/** Writes PROXY headers; proxy-protocol.ts has their layout, and reads them. */
import { ipToBytes } from './ip-address.js';
import { COMMAND_LOCAL, COMMAND_PROXY, type Endpoint, TCP4, TCP6, V2_SIGNATURE } from './proxy-protocol.js';
import { crc32c, encodeTls, encodeTlv, type ProxiedTls, TLV_CRC32C } from './proxy-protocol-tlvs.js';

export interface ProxiedConnection {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** `undefined`: the connection is the proxy's own, and the receiver takes it as it would without a header. */
export function encodeProxyV1(connection: ProxiedConnection | undefined): Buffer {
  if (connection === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const { source, destination } = connection;
  const protocol = familyOf(connection) === TCP4 ? 'TCP4' : 'TCP6';
  const fields = ['PROXY', protocol, source.address, destination.address, source.port, destination.port];
  return Buffer.from(`${fields.join(' ')}\r\n`, 'latin1');
}

/** 28 or 52 bytes, which is what Percona Server has room for. `undefined` as in version 1. */
export function encodeProxyV2(connection: ProxiedConnection | undefined): Buffer {
  if (connection === undefined) return v2(COMMAND_LOCAL, 0, Buffer.alloc(0));
  return v2(COMMAND_PROXY, familyOf(connection), addressBlock(connection));
}

/** With what the client's TLS is, `undefined` for none, and a checksum; 256 bytes at most, the limit of MariaDB. */
export function encodeProxyV2WithTls(connection: ProxiedConnection, tls: ProxiedTls | undefined): Buffer {
  const block = [addressBlock(connection), encodeTls(tls), encodeTlv(TLV_CRC32C, Buffer.alloc(4))];
  const header = v2(COMMAND_PROXY, familyOf(connection), Buffer.concat(block));
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function v2(command: number, family: number, block: Buffer): Buffer {
  const fixed = Buffer.from([0x20 | command, family, block.length >> 8, block.length & 0xff]);
  return Buffer.concat([V2_SIGNATURE, fixed, block]);
}

function addressBlock({ source, destination }: ProxiedConnection): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([bytesOf(source), bytesOf(destination), ports]);
}

function familyOf({ source, destination }: ProxiedConnection): typeof TCP4 | typeof TCP6 {
  const lengths = [bytesOf(source).length, bytesOf(destination).length];
  if (lengths[0] !== lengths[1]) throw new RangeError('a connection between IPv4 and IPv6');
  return lengths[0] === 4 ? TCP4 : TCP6;
}

function bytesOf({ address }: Endpoint): Buffer {
  const bytes = ipToBytes(address);
  if (bytes === undefined) throw new RangeError('an address that is none');
  return bytes;
}
