/**
 * The command tap: the proxy's command tracker with its counts and times, given each chunk as the relay does it, next to other
 * ways to give it the same bytes.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { CommandStatistics } from '../../src/observe/command-statistics.js';
import { newConnectionRecord } from '../../src/observe/events.js';
import { combineObservers } from '../../src/observe/observers.js';
import { commandMeter } from '../../src/proxy/command-meter.js';
import { CommandTracker } from '../../src/wire/command-tracker.js';
import type { Turn } from '../../test/support/recording-relay.js';
import { ConcatWalk } from './packet-walks.js';
import type { Subject, Variant } from './subject.js';
import type { Replay } from './traffic.js';

const NO_BYTES: Buffer = Buffer.alloc(0);

interface Tap {
  readonly tracker: CommandTracker;
  readonly statistics: CommandStatistics;
}

export function tapSubjects(replay: Replay): Subject[] {
  const subject = (
    name: string,
    variant: Variant,
    run: (tracker: CommandTracker, chunks: readonly Turn[]) => void | Promise<void>,
  ): Subject => {
    const { traffic, chunking, chunks, packets, bytes } = replay;
    const used = openTap(traffic.capabilities);
    return {
      ...{ group: 'command tap', traffic: `${traffic.name}, ${chunking}`, name, variant, packets, bytes },
      pass: () => {
        const running = run(used.tracker, chunks);
        return running === undefined
          ? Number(used.tracker.isIdle)
          : running.then(() => Number(used.tracker.isIdle));
      },
      outcome: async () => {
        const tap = openTap(traffic.capabilities);
        await run(tap.tracker, chunks);
        return heardBy(tap);
      },
    };
  };
  return [
    subject('chunk by chunk', 'shipping', replayTap),
    subject('packet by packet, joined before', 'rejected', replayPackets),
    subject('in a stream.Transform', 'rejected', replayTransforms),
    subject('in an async iterator', 'rejected', replayIterator),
  ];
}

function openTap(capabilities: number): Tap {
  const statistics = new CommandStatistics();
  const record = newConnectionRecord({ id: 1, route: 'main', clientAddress: '' });
  const observer = combineObservers([
    {
      commandSent: (_connection, command) => statistics.sent(command),
      commandAnswered: (_connection, command, seconds) => statistics.answered(command, seconds),
    },
  ]);
  const tracker = new CommandTracker(capabilities, { meter: commandMeter(record, observer) });
  return { tracker, statistics };
}

function heardBy({ tracker: { isIdle, isLost }, statistics }: Tap) {
  const commands = statistics
    .commands()
    .filter(({ count }) => count > 0)
    .map(({ command, count, buckets }) => ({
      command,
      count,
      answered: buckets.reduce((sum, answers) => sum + answers, 0),
    }));
  return { isIdle, isLost, commands };
}

/** As the relay does it; what may not be passed on yet comes again in front of the next chunk. */
export function replayTap(tracker: CommandTracker, chunks: readonly Turn[]): void {
  let held = NO_BYTES;
  for (const { from, bytes: chunk } of chunks) {
    if (from === 'server') {
      tracker.fromServer(chunk);
      continue;
    }
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const passing = tracker.fromClient(bytes);
    held = passing === bytes.length ? NO_BYTES : bytes.subarray(passing);
  }
}

function replayPackets(tracker: CommandTracker, chunks: readonly Turn[]): void {
  const walks = {
    client: new ConcatWalk((packet) => tracker.fromClient(packet)),
    server: new ConcatWalk((packet) => tracker.fromServer(packet)),
  };
  for (const { from, bytes } of chunks) walks[from].push(bytes);
}

/** Each direction is piped through one. */
async function replayTransforms(tracker: CommandTracker, chunks: readonly Turn[]): Promise<void> {
  const taps = {
    client: new TapTransform((bytes) => tracker.fromClient(bytes)),
    server: new TapTransform((bytes) => {
      tracker.fromServer(bytes);
      return bytes.length;
    }),
  };
  for (const { from, bytes } of chunks)
    await new Promise((written) => taps[from].resume().write(bytes, written));
}

class TapTransform extends Transform {
  readonly #look: (bytes: Buffer) => number;
  #held = NO_BYTES;

  /** `look` returns how many of the bytes may be passed on. */
  constructor(look: (bytes: Buffer) => number) {
    super();
    this.#look = look;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const passing = this.#look(bytes);
    this.#held = bytes.subarray(passing);
    if (passing > 0) this.push(bytes.subarray(0, passing));
    done();
  }
}

async function replayIterator(tracker: CommandTracker, chunks: readonly Turn[]): Promise<void> {
  let held = NO_BYTES;
  for await (const { from, bytes: chunk } of arriving(chunks)) {
    if (from === 'server') {
      tracker.fromServer(chunk);
      continue;
    }
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = bytes.subarray(tracker.fromClient(bytes));
  }
}

/** As a socket gives its chunks to whoever iterates over it. */
async function* arriving(chunks: readonly Turn[]): AsyncGenerator<Turn> {
  yield* chunks;
}
