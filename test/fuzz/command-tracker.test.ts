/**
 * Throws random bytes and mutated dialogues at the tracker of the command phase, cut anywhere. Whatever comes, it throws
 * nothing, lets no more pass than it was given, and says the same however the bytes were cut.
 *
 * Runs for 10 s, with CI=true for 30 s. The seed is printed; FUZZ_SEED=<seed> runs the same inputs again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CommandTracker } from '../../src/wire/command-tracker.js';
import {
  bytes,
  CHANGE_USER,
  command,
  DEPRECATE_EOF,
  definition,
  eof,
  err,
  MORE_RESULTS,
  nullRow,
  OPTIONAL_METADATA,
  ok,
  okAsEof,
  packet,
  packets,
  progressReport,
  QUERY,
  row,
} from '../support/command-phase.js';
import { mutated } from './mutations.js';

const totalMs = process.env['CI'] === 'true' ? 30_000 : 10_000;
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);

const more = MORE_RESULTS | 2;
const fromClient: readonly Buffer[] = [
  QUERY,
  CHANGE_USER,
  packets(2, 'piece of a file', '\x11app', ''),
  packet(2, ''),
  ...[0x01, 0x04, 0x09, 0x0e, 0x12, 0x16, 0x17, 0x18, 0x19, 0x1c, 0x1e].map((code) =>
    command(code, '\x01\0\0\0'),
  ),
  Buffer.concat([command(0x16, 'SELECT ?'), command(0x17, '\xff\xff\xff\xff'), CHANGE_USER]),
];
const fromServer: readonly Buffer[] = [
  packet(1, ok()),
  packet(1, err()),
  packets(1, progressReport, ok(more), ok()),
  packets(1, bytes(1), definition, eof(more), row('a'), nullRow, eof(more), '\xfbfile'),
  packets(1, bytes(2, 1), definition, definition, row('a'), okAsEof(more), ok()),
  packets(1, bytes(0xfc, 2, 0), definition, definition, eof(0x40)),
  packets(1, bytes(0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1), definition, eof(), definition, eof()),
  packet(1, '\xfbfile'),
  packet(4, ok()),
];

interface Step {
  readonly isFromClient: boolean;
  readonly bytes: Buffer;
}

const randomBytes = fc.uint8Array({ maxLength: 60 }).map((values) => Buffer.from(values));
const step: fc.Arbitrary<Step> = fc.boolean().chain((isFromClient) => {
  const told = isFromClient ? fromClient : fromServer;
  return fc
    .oneof(
      { weight: 6, arbitrary: fc.constantFrom(...told) },
      { weight: 2, arbitrary: mutated(told) },
      { weight: 1, arbitrary: randomBytes },
    )
    .map((bytes) => ({ isFromClient, bytes }));
});
const capabilities = fc.constantFrom(0, DEPRECATE_EOF, OPTIONAL_METADATA, OPTIONAL_METADATA | DEPRECATE_EOF);

/** Tells the steps in pieces of at most this length, and returns what the tracker said after each. */
function tell(steps: readonly Step[], flags: number, pieceLength: number): string[] {
  const tracker = new CommandTracker(flags);
  let held: Buffer = Buffer.alloc(0);
  const offer = (piece: Buffer) => {
    const offered = Buffer.concat([held, piece]);
    const before = Buffer.from(offered);
    const allowed = tracker.fromClient(offered);
    assert.ok(
      Number.isInteger(allowed) && allowed >= 0 && allowed <= offered.length,
      `${allowed} of ${offered.length}`,
    );
    assert.deepEqual(offered, before, 'the tracker changes nothing');
    held = offered.subarray(allowed);
    assert.ok(held.length <= 4 || tracker.isAtChangeUser, 'only beginnings are held back');
    if (tracker.isAtChangeUser) {
      assert.equal(held[4], 0x11);
      assert.equal(held[3], 0);
    }
  };
  return steps.map(({ isFromClient, bytes: whole }) => {
    for (let at = 0; at < whole.length; at += pieceLength) {
      const piece = whole.subarray(at, at + pieceLength);
      if (isFromClient) offer(piece);
      else tracker.fromServer(piece);
    }
    const { isAtChangeUser, isIdle, isStream, isLost } = tracker;
    assert.ok(!(isIdle && (isStream || isLost)), 'what is not understood is not idle');
    assert.ok(!(isStream && isLost));
    const said = JSON.stringify({ isAtChangeUser, isIdle, isStream, isLost, held: held.length });
    // As if the dialogue had been had elsewhere.
    if (isAtChangeUser && isIdle) {
      tracker.changeUserDone();
      held = Buffer.alloc(0);
    }
    return said;
  });
}

test('fuzz: the command phase', (t) => {
  const property = fc.property(
    fc.array(step, { maxLength: 12 }),
    capabilities,
    fc.integer({ min: 1, max: 30 }),
    (steps, flags, pieceLength) => {
      const whole = tell(steps, flags, 1 << 20);
      assert.deepEqual(tell(steps, flags, pieceLength), whole);
      assert.deepEqual(tell(steps, flags, 1), whole);
    },
  );
  const details = fc.check(property, {
    seed,
    numRuns: Number.POSITIVE_INFINITY,
    interruptAfterTimeLimit: totalMs,
  });
  t.diagnostic(`${details.numRuns} inputs, FUZZ_SEED=${seed}`);
  if (details.failed) {
    throw new Error(fc.defaultReportMessage(details) ?? 'failed', { cause: details.errorInstance });
  }
  assert.ok(details.numRuns > 1000, `only ${details.numRuns} inputs were tried`);
});

test('fuzz: no memory is kept, however much random data passes', (t) => {
  const random = fc.sample(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), { seed, numRuns: 64 });
  const tracker = new CommandTracker(0);
  const before = process.memoryUsage();
  for (let round = 0; round < 2000; round++) {
    const chunk = Buffer.from(random[round % random.length] ?? []);
    const allowed = tracker.fromClient(chunk);
    assert.ok(allowed <= chunk.length);
    if (tracker.isAtChangeUser) tracker.changeUserDone();
    tracker.fromServer(chunk);
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  const grown = arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed;
  t.diagnostic(`${grown} bytes more`);
  assert.ok(grown < 64 * 1024 * 1024, `${grown} bytes more`);
});
