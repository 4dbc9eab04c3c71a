/** Parts of mysql2 that it does not export, for comparison: typed as far as they are used here. */
import { createRequire } from 'node:module';
import path from 'node:path';

/** mysql2 gives the same object for every packet that came in one piece. */
export interface Mysql2Packet {
  sequenceId: number;
  /** Bytes, header included. */
  length(): number;
  writeHeader(sequenceId: number): void;
  readonly buffer: Buffer;
}

interface Mysql2Handshake {
  readonly serverVersion: string;
  readonly connectionId: number;
  readonly capabilityFlags: number;
  readonly characterSet: number;
  readonly authPluginData1: Buffer;
  readonly authPluginData2: Buffer;
  readonly authPluginName: string;
}

interface Mysql2Login {
  readonly user: string;
  readonly database?: string;
  readonly authToken: Buffer;
  readonly authPluginName?: string;
  readonly connectAttributes?: Readonly<Record<string, string>>;
}

const require = createRequire(import.meta.url);
const load = (file: string): unknown =>
  require(path.join(path.dirname(require.resolve('mysql2')), 'lib', file));

export const PacketParser = load('packet_parser.js') as new (
  onPacket: (packet: Mysql2Packet) => void,
) => { execute(chunk: Buffer): void };

export const Packet = load('packets/packet.js') as new (
  sequenceId: number,
  buffer: Buffer,
  start: number,
  end: number,
) => Mysql2Packet;

export const Handshake = load('packets/handshake.js') as {
  fromPacket(packet: Mysql2Packet): Mysql2Handshake;
};

export const HandshakeResponse = load('packets/handshake_response.js') as {
  fromPacket(packet: Mysql2Packet, serverFlags: number): Mysql2Login;
};

/** As its plugins for caching_sha2_password and sha256_password encrypt, with functions that they keep to themselves. */
export const { xorRotating } = load('auth_41.js') as { xorRotating(bytes: Buffer, mask: Buffer): Buffer };
