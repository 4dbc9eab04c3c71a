/** Whatever is measured next to a shipping function does the same work as it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { framingSubjects } from '../../../../bench/micro/framing-subjects.js';
import { greetingSubjects } from '../../../../bench/micro/greeting-subjects.js';
import { loginSubjects } from '../../../../bench/micro/login-subjects.js';
import { metricsSubjects } from '../../../../bench/micro/metrics-subjects.js';
import { assertSameOutcomes, comparable } from '../../../../bench/micro/outcomes.js';
import { rsaSubjects } from '../../../../bench/micro/rsa-subjects.js';
import { sequenceSubjects } from '../../../../bench/micro/sequence-subjects.js';
import type { Subject } from '../../../../bench/micro/subject.js';
import { tapSubjects } from '../../../../bench/micro/tap-subjects.js';
import {
  type Chunking,
  chunkings,
  commandsOf,
  packetsOf,
  replayOf,
  type Traffic,
} from '../../../../bench/micro/traffic.js';
import { ownRsaKey } from '../../../../src/auth/rsa-key.js';
import { CommandTracker } from '../../../../src/wire/command-tracker.js';
import { decodeGreeting } from '../../../../src/wire/greeting.js';
import { greetingOf, loadLogins, loginOf } from '../../../fixtures/recordings.js';
import {
  bytes,
  command,
  DEPRECATE_EOF,
  definition,
  eof,
  ok,
  okAsEof,
  packet,
  packets,
  QUERY,
  row,
} from '../../../support/command-phase.js';
import type { Turn } from '../../../support/recording-relay.js';

const client = (said: Buffer): Turn => ({ from: 'client', bytes: said });
const server = (said: Buffer): Turn => ({ from: 'server', bytes: said });

const largeRow = Buffer.concat([bytes(0xfd, 0x70, 0x11, 0x01), Buffer.alloc(70_000, 'x')]);
const rows = Array.from({ length: 300 }, (_, n) => row(`row ${n}`));
const pieces = Array.from({ length: 5 }, () => Buffer.alloc(5000, 'a line\n'));

const traffic: Traffic[] = [
  {
    name: 'short replies',
    capabilities: 0,
    turns: [
      client(QUERY),
      server(packets(1, bytes(1), definition, eof(), row('1'), eof())),
      client(command(0x0e)),
      server(packet(1, ok())),
      client(command(0x16, 'SELECT ?')),
      server(packets(1, Buffer.from('\0\x01\0\0\0\0\0\x01\0\0\0\0', 'latin1'), definition, eof())),
    ],
  },
  {
    name: 'rows without EOF',
    capabilities: DEPRECATE_EOF,
    turns: [client(QUERY), server(packets(1, bytes(1), definition, ...rows, okAsEof()))],
  },
  {
    name: 'a large value',
    capabilities: 0,
    turns: [client(QUERY), server(packets(1, bytes(1), definition, eof(), largeRow, eof()))],
  },
  {
    name: 'an upload',
    capabilities: 0,
    turns: [
      client(QUERY),
      server(packet(1, bytes(0xfb, 0x61))),
      client(packets(2, ...pieces, '')),
      server(packet(8, ok())),
    ],
  },
];

for (const each of traffic) {
  for (const chunking of Object.keys(chunkings) as Chunking[]) {
    describe(`${each.name}, ${chunking}`, () => {
      const replay = replayOf(each, chunking);

      test('is cut without loss', () => {
        for (const side of ['client', 'server'] as const) {
          const said = ({ from, bytes: part }: Turn) => (from === side ? [part] : []);
          const whole = Buffer.concat(each.turns.flatMap(said));
          assert.deepEqual(Buffer.concat(replay.chunks.flatMap(said)), whole);
        }
      });

      test('all find the same packets', async () => {
        const subjects = framingSubjects(replay, { withStreams: true });
        await assertSound(subjects);
        const found = (await subjects.at(-1)?.outcome()) as { packets: number; payloadBytes: number };
        assert.equal(found.packets, replay.packets);
        assert.equal(found.payloadBytes, replay.bytes - 4 * replay.packets);
      });

      test('all hear of the same commands and replies', async () => {
        const subjects = tapSubjects(replay);
        await assertSound(subjects);
        const heard = (await subjects[0]?.outcome()) as {
          isIdle: boolean;
          isLost: boolean;
          commands: { count: number; answered: number }[];
        };
        assert.deepEqual([heard.isIdle, heard.isLost], [true, false]);
        const sumOf = (key: 'count' | 'answered') => heard.commands.reduce((sum, it) => sum + it[key], 0);
        assert.deepEqual(
          [sumOf('count'), sumOf('answered')],
          [commandsOf(each).length, commandsOf(each).length],
        );
      });
    });
  }

  test(`${each.name}: the shipping tracker is idle where a reply's last packet ends, and nowhere else`, () => {
    const tracker = new CommandTracker(each.capabilities);
    for (const { from, bytes: said } of each.turns) {
      if (from === 'client') {
        assert.equal(tracker.fromClient(said), said.length);
        continue;
      }
      const idleAt: number[] = [];
      for (let at = 0; at < said.length; at++) {
        tracker.fromServer(said.subarray(at, at + 1));
        if (tracker.isIdle) idleAt.push(at + 1);
      }
      const asksForFile = said[4] === 0xfb;
      assert.deepEqual(idleAt, asksForFile ? [] : [said.length]);
    }
  });
}

const recordings = loadLogins();
const greetings = recordings.map(greetingOf);
const logins = recordings.map((recording) => ({
  payload: loginOf(recording),
  serverCapabilities: decodeGreeting(greetingOf(recording)).capabilities,
}));

test('greetings of recorded servers are read and changed alike', () =>
  assertSound(greetingSubjects(greetings)));

test('logins of recorded clients are read and changed alike', () => assertSound(loginSubjects(logins)));

test('packets are sent under the same ids', async () => {
  const payloads = [...greetings, ...logins.map(({ payload }) => payload)];
  const subjects = sequenceSubjects(payloads);
  await assertSound(subjects);
  const sent = (await subjects[0]?.outcome()) as Buffer[];
  assert.deepEqual(
    sent.map((each) => each[3]),
    payloads.map((_payload, index) => 2 + index),
  );
});

test('passwords come through RSA unchanged', async () => {
  const subjects = rsaSubjects(await ownRsaKey(undefined)(), Buffer.from('abcdefghijklmnopqrst'));
  await assertSound(subjects);
  for (const { name, outcome } of subjects) assert.deepEqual(outcome(), { isRight: true }, name);
});

test('commands are counted alike', () => assertSound(metricsSubjects([3, 3, 0x0e, 0x16, 0x17, 0x17, 3])));

test('another outcome is refused, without a word of what was said', async () => {
  const [first] = sequenceSubjects(greetings);
  assert.ok(first);
  const other = { ...first, name: 'other', outcome: () => [Buffer.from('secret')] };
  await assert.rejects(
    assertSameOutcomes([first, other]),
    ({ message }: Error) => /"other" comes to something else/.test(message) && !message.includes('secret'),
  );
  const silent = { ...first, outcome: () => undefined };
  await assertSameOutcomes([silent, first]);
});

test('bytes that end within a packet are refused', () => {
  assert.throws(() => packetsOf(QUERY.subarray(0, -1)), /lacks 1 bytes/);
  assert.throws(() => packetsOf(QUERY.subarray(0, 2)), /lacks 2 bytes/);
});

/** Each pass can be repeated, and each list has one that ships and others of the same outcome. */
async function assertSound(subjects: readonly Subject[]): Promise<void> {
  for (const list of comparable(subjects)) {
    assert.equal(list.filter(({ variant }) => variant === 'shipping').length, 1);
    assert.ok(list.length > 1);
    await assertSameOutcomes(list);
    for (const { name, pass } of list) {
      for (let n = 0; n < 3; n++) assert.ok(Number.isFinite(await pass()), name);
    }
    await assertSameOutcomes(list);
  }
}
