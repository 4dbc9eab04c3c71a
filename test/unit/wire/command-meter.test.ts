/**
 * What a tracker says of commands and replies while they pass. Each dialogue is told whole, then cut at every place, then in
 * single bytes: the same is said each time, and at the same steps.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandTracker } from '../../../src/wire/command-tracker.js';
import { singleBytes, splitsInTwo } from '../../support/chunked.js';
import {
  bytes,
  CHANGE_USER,
  command,
  definition,
  eof,
  err,
  MORE_RESULTS,
  ok,
  packet,
  packets,
  QUERY,
  row,
  TrackedConnection,
} from '../../support/command-phase.js';

type Step = readonly [from: 'client' | 'server', bytes: Buffer, said: readonly string[]];

/** The clock stands at the number of the step, so that what is said has the step in it where a command ended. */
function tell(
  steps: readonly Step[],
  cut: (bytes: Buffer, step: number) => Iterable<Buffer>,
  passesWhenLost: boolean,
): void {
  let step = 0;
  let said: string[] = [];
  const connection = new TrackedConnection(0, {
    passesWhenLost,
    meter: {
      now: () => step,
      sent: (code) => void said.push(`sent ${code}`),
      answered: (code, sentAt) => void said.push(`answered ${code} of step ${sentAt}`),
    },
  });
  for (const [from, whole, expected] of steps) {
    for (const piece of cut(whole, step)) {
      if (from === 'client') connection.fromClient(piece);
      else connection.fromServer(piece);
    }
    assert.deepEqual(said, expected, `step ${step}, ${from} ${whole.subarray(0, 40).toString('hex')}`);
    said = [];
    step += 1;
  }
}

function assertSaid(steps: readonly Step[], { passesWhenLost = false, cuts = true } = {}): void {
  tell(steps, (whole) => [whole], passesWhenLost);
  if (!cuts) return;
  tell(steps, singleBytes, passesWhenLost);
  for (const [cutStep, [, whole]] of steps.entries()) {
    for (const pieces of splitsInTwo(whole))
      tell(steps, (all, step) => (step === cutStep ? pieces : [all]), passesWhenLost);
  }
}

const ping = command(0x0e);
const resultSet = packets(1, bytes(1), definition, eof(), row('1'), eof());
/** Proves that nothing was lost on the way. */
const epilogue = (step: number): readonly Step[] => [
  ['client', ping, ['sent 14']],
  ['server', packet(1, ok()), [`answered 14 of step ${step}`]],
];

for (const passesWhenLost of [false, true]) {
  describe(passesWhenLost ? 'between two TLS legs a tracker' : 'a tracker', () => {
    const assertAll = (steps: readonly Step[]) =>
      assertSaid([...steps, ...epilogue(steps.length)], { passesWhenLost });

    test('tells of a command when it is whole, and of its reply when it begins', () => {
      assertAll([
        ['client', QUERY.subarray(0, 7), []],
        ['client', QUERY.subarray(7), ['sent 3']],
        ['server', resultSet, ['answered 3 of step 1']],
        ['client', QUERY, ['sent 3']],
        ['server', packet(1, err()), ['answered 3 of step 3']],
      ]);
    });

    test('keeps commands apart that were sent without waiting', () => {
      assertAll([
        ['client', Buffer.concat([QUERY, ping]), ['sent 3', 'sent 14']],
        ['client', command(0x16, 'SELECT ?'), ['sent 22']],
        ['server', resultSet, ['answered 3 of step 0']],
        ['server', packet(1, ok()), ['answered 14 of step 0']],
        ['server', packet(1, err()), ['answered 22 of step 1']],
      ]);
    });

    test('counts commands without a reply', () => {
      assertAll([
        ['client', command(0x18, 'long data'), ['sent 24']],
        ['client', command(0x19, '\x01\0\0\0'), ['sent 25']],
      ]);
      assertSaid([['client', command(0x01), ['sent 1']]], { passesWhenLost });
    });

    test('takes several results for one reply', () => {
      assertAll([
        ['client', QUERY, ['sent 3']],
        ['server', packets(1, ok(MORE_RESULTS), ok()), ['answered 3 of step 0']],
      ]);
    });

    test('does not take a file that is uploaded for commands', () => {
      const upload = packets(2, ...Array.from({ length: 300 }, () => QUERY), '');
      const steps: Step[] = [
        ['client', QUERY, ['sent 3']],
        ['server', packet(1, bytes(0xfb, 0x61)), ['answered 3 of step 0']],
        ['client', upload, []],
        ['server', packet(303 & 0xff, ok()), []],
      ];
      assertSaid([...steps, ...epilogue(steps.length)], { passesWhenLost, cuts: false });
      tell([...steps, ...epilogue(steps.length)], singleBytes, passesWhenLost);
    });

    test('counts a command of several packets once', () => {
      const long = packet(0, Buffer.concat([bytes(0x03), Buffer.alloc(0xffffff)]));
      assertSaid(
        [
          ['client', long.subarray(0, 100), []],
          ['client', long.subarray(100, long.length - 1), []],
          ['client', long.subarray(long.length - 1), ['sent 3']],
          ['server', packet(2, ok()), ['answered 3 of step 2']],
          ...epilogue(4),
        ],
        { passesWhenLost, cuts: false },
      );
    });

    test('times a reply that comes before its command is whole from the beginning of the command', () => {
      const long = packet(0, Buffer.concat([bytes(0x03), Buffer.alloc(0xffffff)]));
      assertSaid(
        [
          ['client', long.subarray(0, long.length - 1), []],
          ['server', packet(1, err(1153)), ['answered 3 of step 0']],
        ],
        { passesWhenLost, cuts: false },
      );
    });

    test('tells of a dump once', () => {
      assertSaid(
        [
          ['client', command(0x12, 'position'), ['sent 18']],
          ['server', packets(1, 'event', 'event'), ['answered 18 of step 0']],
          ['server', packet(3, 'event'), []],
        ],
        { passesWhenLost },
      );
    });

    test('says nothing of replies that are not understood', () => {
      assertSaid(
        [
          ['client', QUERY, ['sent 3']],
          ['server', packet(7, ok()), ['answered 3 of step 0']],
          ['client', ping, passesWhenLost ? [] : ['sent 14']],
          ['server', packet(1, ok()), []],
        ],
        { passesWhenLost },
      );
    });
  });
}

describe('a tracker that lets pass what it does not understand', () => {
  test('looks no more once it is lost', () => {
    const said: string[] = [];
    const meter = {
      now: () => 0,
      sent: (code: number) => void said.push(`sent ${code}`),
      answered: () => {},
    };
    const tracker = new CommandTracker(0, { passesWhenLost: true, meter });
    assert.equal(tracker.fromClient(QUERY), QUERY.length);
    tracker.fromServer(packet(7, ok()));
    assert.equal(tracker.isLost, true);
    for (const piece of [CHANGE_USER, QUERY.subarray(0, 3), CHANGE_USER.subarray(0, 5)])
      assert.equal(tracker.fromClient(piece), piece.length);
    assert.equal(tracker.isAtChangeUser, false);
    assert.deepEqual(said, ['sent 3']);
  });

  test('stops at a COM_CHANGE_USER before that', () => {
    const tracker = new CommandTracker(0, { passesWhenLost: true });
    assert.equal(tracker.fromClient(Buffer.concat([QUERY, CHANGE_USER])), QUERY.length);
    assert.equal(tracker.isAtChangeUser, true);
  });
});
