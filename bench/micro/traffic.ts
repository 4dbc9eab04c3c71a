/** What two programs said after their login, and the ways in which sockets deliver it. */
import { HEADER_LENGTH, payloadLengthAt } from '../../src/wire/framing.js';
import type { Turn } from '../../test/support/recording-relay.js';

export interface Traffic {
  readonly name: string;
  /** Those that client and server agreed on. */
  readonly capabilities: number;
  /** Turns of client and server; each begins and ends with a packet, and answers the one before. */
  readonly turns: readonly Turn[];
}

/** Traffic as it is replayed: the pieces of each turn in order. */
export interface Replay {
  readonly traffic: Traffic;
  readonly chunking: string;
  readonly chunks: readonly Turn[];
  /** Of both directions. */
  readonly packets: number;
  readonly bytes: number;
}

/** How a turn is cut. None of them joins turns: a client waits for its reply. */
export const chunkings = {
  /** What a read of a socket gives at most. */
  '64 KiB': (bytes) => pieces(bytes, 65_536),
  /** What one TCP segment carries over Ethernet. */
  '1,448 bytes': (bytes) => pieces(bytes, 1448),
  'packet by packet': packetsOf,
  'byte by byte': (bytes) => pieces(bytes, 1),
} as const satisfies Record<string, (bytes: Buffer) => Buffer[]>;

export type Chunking = keyof typeof chunkings;

export function replayOf(traffic: Traffic, chunking: Chunking): Replay {
  const { turns } = traffic;
  return {
    traffic,
    chunking,
    chunks: turns.flatMap(({ from, bytes }) =>
      chunkings[chunking](bytes).map((piece) => ({ from, bytes: piece })),
    ),
    packets: turns.reduce((sum, { bytes }) => sum + packetsOf(bytes).length, 0),
    bytes: turns.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

/** Whole packets, headers included. Throws where the bytes do not end with one. */
export function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + HEADER_LENGTH + (at + HEADER_LENGTH <= bytes.length ? payloadLengthAt(bytes, at) : 0);
    if (end > bytes.length) throw new Error(`a packet lacks ${end - bytes.length} bytes`);
    packets.push(bytes.subarray(at, end));
    at = end;
  }
  return packets;
}

/** The commands of traffic in which each turn of the client but an upload is one: the first bytes of their payloads. */
export function commandsOf({ turns }: Traffic): number[] {
  return turns
    .filter(({ from, bytes }) => from === 'client' && bytes[HEADER_LENGTH - 1] === 0)
    .map(({ bytes }) => bytes[HEADER_LENGTH] ?? 0);
}

function pieces(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  );
}
