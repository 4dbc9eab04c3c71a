/** How packets are found in both directions of recorded traffic. */
import { CommandTracker } from '../../src/wire/command-tracker.js';
import {
  ByteWalk,
  ConcatWalk,
  Int32Walk,
  iteratedPackets,
  Mysql2Walk,
  PacketTransform,
  UIntWalk,
  ViewWalk,
  type Walk,
  type WalkedPacket,
} from './packet-walks.js';
import type { Subject, Variant } from './subject.js';
import { replayTap } from './tap-subjects.js';
import type { Replay } from './traffic.js';

const GROUP = 'packet framing';

/** `withStreams`: also those that are too slow to be run on everything. */
export function framingSubjects(replay: Replay, { withStreams }: { withStreams: boolean }): Subject[] {
  return [
    shipping(replay),
    walking(replay, 'bare walk, follows nothing', 'floor', () => new ByteWalk()),
    walking(replay, 'bare walk by readInt32LE (before)', 'rejected', () => new Int32Walk()),
    walking(replay, 'bare walk by readUIntLE', 'rejected', () => new UIntWalk()),
    walking(replay, 'a view of each packet', 'rejected', () => new ViewWalk()),
    walking(replay, 'concat of chunks, then views', 'rejected', () => new ConcatWalk()),
    ...(withStreams
      ? [
          streaming(replay, 'stream.Transform', throughTransform),
          streaming(replay, 'async iterator', throughIterator),
        ]
      : []),
    walking(replay, "mysql2's PacketParser", 'mysql2', () => new Mysql2Walk()),
  ];
}

/** It does more than to find packets, and does not tell of each: the tests compare where it says that replies end. */
function shipping(replay: Replay): Subject {
  const tracker = new CommandTracker(replay.traffic.capabilities);
  return {
    ...common(replay),
    name: 'command tracker',
    variant: 'shipping',
    pass: () => {
      replayTap(tracker, replay.chunks);
      return Number(tracker.isIdle);
    },
    outcome: () => undefined,
  };
}

function walking(replay: Replay, name: string, variant: Variant, make: () => Walk): Subject {
  const walks = { client: make(), server: make() };
  return {
    ...common(replay),
    name,
    variant,
    pass: () => {
      for (const { from, bytes } of replay.chunks) walks[from].push(bytes);
      return walks.client.packets + walks.server.payloadBytes;
    },
    outcome: () => {
      const fresh = { client: make(), server: make() };
      for (const { from, bytes } of replay.chunks) fresh[from].push(bytes);
      return {
        packets: fresh.client.packets + fresh.server.packets,
        payloadBytes: fresh.client.payloadBytes + fresh.server.payloadBytes,
      };
    },
  };
}

function streaming(
  replay: Replay,
  name: string,
  through: (chunks: readonly Buffer[], onPacket: (packet: WalkedPacket) => void) => Promise<void>,
): Subject {
  const byDirection = (['client', 'server'] as const).map((side) =>
    replay.chunks.filter(({ from }) => from === side).map(({ bytes }) => bytes),
  );
  const run = async () => {
    const found = { packets: 0, payloadBytes: 0 };
    for (const chunks of byDirection) {
      await through(chunks, ({ payload }) => {
        found.packets++;
        found.payloadBytes += payload.length;
      });
    }
    return found;
  };
  return {
    ...common(replay),
    name,
    variant: 'rejected',
    pass: async () => (await run()).payloadBytes,
    outcome: run,
  };
}

async function throughTransform(
  chunks: readonly Buffer[],
  onPacket: (packet: WalkedPacket) => void,
): Promise<void> {
  const transform = new PacketTransform().on('data', onPacket);
  for (const chunk of chunks) await new Promise((written) => transform.write(chunk, written));
  const ended = new Promise((resolve) => transform.once('end', resolve));
  transform.end();
  await ended;
}

async function throughIterator(
  chunks: readonly Buffer[],
  onPacket: (packet: WalkedPacket) => void,
): Promise<void> {
  for await (const packet of iteratedPackets(chunks)) onPacket(packet);
}

function common({ traffic, chunking, packets, bytes }: Replay) {
  return { group: GROUP, traffic: `${traffic.name}, ${chunking}`, packets, bytes };
}
