/**
 * Dialogues of the command phase, byte by byte. Each is told in one piece per step, then with each step cut at every
 * place, then in single bytes: what the tracker says after a step is the same each time.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandTracker } from '../../../src/wire/command-tracker.js';
import { singleBytes, splitsInTwo } from '../../support/chunked.js';
import {
  bytes,
  CHANGE_USER,
  CURSOR_EXISTS,
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
  TrackedConnection,
} from '../../support/command-phase.js';

type Step = readonly [from: 'client' | 'server', bytes: Buffer, stateAfterwards: string];

const idle = 'isIdle, holds 0';
const busy = 'isBusy, holds 0';
const lost = 'isLost, holds 0';
const stream = 'isStream, holds 0';
const atChangeUser = `isAtChangeUser isIdle, holds ${CHANGE_USER.length}`;
/** What proves that the tracker knows where it is: a ping and its answer, then a change of user. */
const epilogue: readonly Step[] = [
  ['client', command(0x0e), busy],
  ['server', packet(1, ok()), idle],
  ['client', CHANGE_USER, atChangeUser],
];

function tell(
  steps: readonly Step[],
  capabilities: number,
  cut: (bytes: Buffer, step: number) => Iterable<Buffer>,
): void {
  const connection = new TrackedConnection(capabilities);
  for (const [index, [from, whole, expected]] of steps.entries()) {
    for (const piece of cut(whole, index)) {
      if (from === 'client') connection.fromClient(piece);
      else connection.fromServer(piece);
    }
    assert.equal(
      connection.state,
      expected,
      `after step ${index}, ${from} ${whole.subarray(0, 40).toString('hex')}`,
    );
  }
}

function assertTold(steps: readonly Step[], capabilities = 0): void {
  tell(steps, capabilities, (whole) => [whole]);
  tell(steps, capabilities, singleBytes);
  for (const [cutStep, [, whole]] of steps.entries()) {
    for (const pieces of splitsInTwo(whole)) {
      tell(steps, capabilities, (bytes, step) => (step === cutStep ? pieces : [bytes]));
    }
  }
}

/** A command and its whole reply, which the server sends in these packets. */
function assertReply(sent: Buffer, reply: Buffer, capabilities = 0): void {
  assertTold([['client', sent, busy], ['server', reply, idle], ...epilogue], capabilities);
  for (const before of [reply.subarray(0, reply.length - 1), reply.subarray(0, 3)]) {
    tell(
      [
        ['client', sent, busy],
        ['server', before, busy],
      ],
      capabilities,
      (whole) => [whole],
    );
  }
}

describe('replies', () => {
  test('OK and ERR end a reply', () => {
    assertReply(QUERY, packet(1, ok()));
    assertReply(QUERY, packet(1, err()));
    assertReply(command(0x1f), packet(1, ok()));
    assertReply(command(0x7b), packet(1, err(1047)));
    assertReply(packet(0, ''), packet(1, err(1047)));
  });

  test('the OK and EOF of the protocol before 4.1 have no status', () => {
    assertReply(QUERY, packet(1, bytes(0, 0, 0)));
    assertReply(QUERY, packet(1, bytes(0)));
    assertReply(QUERY, packets(1, bytes(1), definition, bytes(0xfe), row('a'), bytes(0xfe)));
  });

  test('EOF alone, as for COM_SET_OPTION', () => {
    assertReply(command(0x1b, '\0\0'), packet(1, eof()));
    assertReply(command(0x1b, '\0\0'), packet(1, okAsEof()), DEPRECATE_EOF);
  });

  test('rows, some of which begin like other packets', () => {
    const rows = [row('one'), nullRow, bytes(0), row('x'.repeat(0xfa))];
    const withEof = packets(1, bytes(1), definition, eof(), ...rows, eof());
    assertReply(QUERY, withEof);
    const longerThanEof = Buffer.concat([bytes(0xfe), Buffer.alloc(8)]);
    assertReply(QUERY, packets(1, bytes(1), definition, eof(), longerThanEof, eof()));
    assertReply(QUERY, packets(1, bytes(1), definition, ...rows, okAsEof()), DEPRECATE_EOF);
    assertReply(QUERY, packets(1, bytes(1), definition, ...rows, eof()), DEPRECATE_EOF);
    assertReply(QUERY, packets(1, bytes(1), definition, eof(), eof()));
    assertReply(QUERY, packets(1, bytes(1), definition, eof(), nullRow, err()));
    assertReply(QUERY, packets(1, bytes(1), definition, nullRow, err()), DEPRECATE_EOF);
    assertReply(QUERY, packets(1, bytes(1), err()));
  });

  test('more than 250 columns and more than 256 packets', () => {
    const definitions = Array.from({ length: 300 }, () => bytes(3, 100, 101, 102));
    const reply = packets(1, bytes(0xfc, 300 & 0xff, 300 >> 8), ...definitions, eof(), nullRow, eof());
    tell([['client', QUERY, busy], ['server', reply, idle], ...epilogue], 0, singleBytes);
    tell([['client', QUERY, busy], ['server', reply, idle], ...epilogue], 0, (whole) => [whole]);
  });

  test('several results', () => {
    const more = MORE_RESULTS | 2;
    assertReply(
      QUERY,
      packets(1, ok(more), bytes(1), definition, eof(more), row('a'), eof(more), ok(more), ok()),
    );
    assertReply(
      QUERY,
      packets(1, ok(more), bytes(1), definition, row('a'), okAsEof(more), ok(more), err()),
      DEPRECATE_EOF,
    );
    const okWithLongIntegers = bytes(0, 0xfd, 1, 2, 3, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, more, 0, 0, 0);
    assertReply(QUERY, packets(1, okWithLongIntegers, okWithLongIntegers, ok()));
    const eofWith252Warnings = bytes(0xfe, 252, 0, more, 0);
    assertReply(QUERY, packets(1, bytes(1), definition, eof(), eofWith252Warnings, ok()));
  });

  test('progress reports end nothing', () => {
    assertReply(QUERY, packets(1, progressReport, progressReport, ok()));
    assertReply(
      QUERY,
      packets(1, progressReport, bytes(1), definition, eof(), progressReport, row('a'), eof()),
    );
  });

  test('a cursor keeps the rows at the server, and COM_STMT_FETCH gets them', () => {
    const execute = command(0x17, '\x01\0\0\0\x01\x01\0\0\0');
    const opened = CURSOR_EXISTS | 2;
    assertReply(execute, packets(1, bytes(1), definition, eof(opened)));
    assertReply(execute, packets(1, bytes(1), definition, okAsEof(opened)), DEPRECATE_EOF);
    const fetch = command(0x1c, '\x01\0\0\0\x02\0\0\0');
    assertReply(fetch, packets(1, bytes(0, 0, 1), bytes(0, 0, 2), eof(opened)));
    assertReply(fetch, packets(1, bytes(0, 0, 1), okAsEof(0x80)), DEPRECATE_EOF);
    assertReply(fetch, packet(1, err(1243)));
    assertReply(fetch, packet(1, eof()));
    assertReply(fetch, packet(1, eof(MORE_RESULTS)));
  });

  test('definitions that are left out', () => {
    for (const capabilities of [0, DEPRECATE_EOF, OPTIONAL_METADATA, OPTIONAL_METADATA | DEPRECATE_EOF]) {
      const ends = capabilities & DEPRECATE_EOF ? [] : [eof()];
      assertReply(QUERY, packets(1, bytes(1, 0), ...ends, row('a'), eof()), capabilities);
      assertReply(QUERY, packets(1, bytes(1, 1), definition, ...ends, row('a'), eof()), capabilities);
    }
  });

  test('COM_STATISTICS has one packet, whatever it holds', () => {
    for (const text of ['Uptime: 1', '\xfb', '\xfe', '\xff\xff\xff', '\0'])
      assertReply(command(0x09), packet(1, text));
  });

  test('COM_FIELD_LIST has definitions without a count', () => {
    assertReply(command(0x04, 'item\0'), packets(1, definition, definition, eof()));
    assertReply(command(0x04, 'item\0'), packets(1, definition, definition, okAsEof()), DEPRECATE_EOF);
    assertReply(command(0x04, 'item\0'), packet(1, err(1146)));
  });

  test('COM_STMT_PREPARE, all combinations', () => {
    const prepare = command(0x16, 'SELECT ?');
    for (const [columns, parameters] of [
      [0, 0],
      [0, 2],
      [3, 0],
      [3, 2],
    ] as const) {
      for (const capabilities of [0, DEPRECATE_EOF, OPTIONAL_METADATA, OPTIONAL_METADATA | DEPRECATE_EOF]) {
        const group = (count: number) =>
          count === 0
            ? []
            : [...Array<Buffer>(count).fill(definition), ...(capabilities & DEPRECATE_EOF ? [] : [eof()])];
        // MySQL 9 leaves the definitions out, but not what ends them.
        const ends = [parameters, columns].flatMap((count) => group(count).slice(count));
        const groups = [...group(parameters), ...group(columns)];
        const short = [0, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0];
        assertReply(prepare, packets(1, bytes(...short), ...groups), capabilities);
        assertReply(prepare, packets(1, bytes(...short, 1), ...groups), capabilities);
        if (!(capabilities & OPTIONAL_METADATA))
          assertReply(prepare, packets(1, bytes(...short, 0), ...groups), capabilities);
        if (capabilities & OPTIONAL_METADATA)
          assertReply(prepare, packets(1, bytes(...short, 0), ...ends), capabilities);
      }
    }
    assertReply(prepare, packet(1, err()));
    assertReply(prepare, packets(1, bytes(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), err()));
  });

  test('commands without a reply', () => {
    assertTold([
      ['client', command(0x18, '\x01\0\0\0\0\0data'), idle],
      ['client', command(0x19, '\x01\0\0\0'), idle],
      ...epilogue,
    ]);
    assertTold([['client', command(0x01), idle]]);
  });
});

describe('pipelines', () => {
  test('every command has its reply', () => {
    const commands = [
      command(0x16, 'SELECT ?'),
      command(0x17, '\xff\xff\xff\xff'),
      command(0x19, '\x01'),
      QUERY,
    ];
    const prepared = packets(1, bytes(0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), definition, eof());
    assertTold([
      ['client', Buffer.concat(commands), busy],
      ['server', prepared, busy],
      ['server', packet(1, ok()), busy],
      ['server', packets(1, bytes(1), definition, eof(), row('a'), eof()), idle],
      ...epilogue,
    ]);
  });

  test('more than fit into the first ring, with the ring turned', () => {
    const ping = command(0x0e);
    const steps: Step[] = [];
    for (let round = 0; round < 40; round++) {
      steps.push(['client', Buffer.concat(Array<Buffer>(round).fill(ping).concat(QUERY)), busy]);
      steps.push(['server', Buffer.concat(Array<Buffer>(round).fill(packet(1, ok()))), busy]);
      steps.push(['server', packets(1, bytes(1), definition, eof(), eof()), idle]);
    }
    tell(
      steps.filter(([, whole]) => whole.length > 0),
      0,
      (whole) => [whole],
    );
    tell(
      steps.filter(([, whole]) => whole.length > 0),
      0,
      singleBytes,
    );
  });

  test('more replies pending than there can be is lost, and memory stays bounded', () => {
    const connection = new TrackedConnection();
    const pings = Buffer.concat(Array<Buffer>(2 ** 16).fill(command(0x0e)));
    for (let round = 0; round < 16; round++) connection.fromClient(pings);
    assert.equal(connection.state, busy);
    connection.fromClient(command(0x0e));
    assert.equal(connection.state, lost);
  });

  test('COM_CHANGE_USER behind other commands waits, and they are passed on', () => {
    const held = CHANGE_USER.length + QUERY.length;
    assertTold([
      ['client', Buffer.concat([QUERY, QUERY, CHANGE_USER, QUERY]), `isAtChangeUser, holds ${held}`],
      ['server', packet(1, ok()), `isAtChangeUser, holds ${held}`],
      ['server', packet(1, ok()), `isAtChangeUser isIdle, holds ${held}`],
    ]);
  });
});

describe('COM_CHANGE_USER', () => {
  test('begins after its fifth byte; before that nothing of it is passed on', () => {
    const tracker = new CommandTracker(0);
    for (let length = 0; length < 5; length++) {
      assert.equal(tracker.fromClient(CHANGE_USER.subarray(0, length)), 0);
      assert.equal(tracker.isAtChangeUser, false);
    }
    assert.equal(tracker.fromClient(CHANGE_USER.subarray(0, 5)), 0);
    assert.equal(tracker.isAtChangeUser, true);
    assert.equal(tracker.fromClient(CHANGE_USER), 0);
    assert.equal(tracker.fromClient(Buffer.concat([CHANGE_USER, QUERY])), 0);
    tracker.changeUserDone();
    assert.equal(tracker.isAtChangeUser, false);
    assert.equal(tracker.fromClient(QUERY), QUERY.length);
    assert.equal(tracker.isIdle, false);
    tracker.fromServer(packet(1, ok()));
    assert.equal(tracker.isIdle, true);
    assert.equal(tracker.fromClient(CHANGE_USER), 0);
    assert.equal(tracker.isAtChangeUser, true);
  });

  test('its byte elsewhere means nothing', () => {
    const inPayload = packet(0, Buffer.concat([bytes(3), CHANGE_USER, CHANGE_USER]));
    assertTold([['client', inPayload, busy], ['server', packet(1, ok()), idle], ...epilogue]);
  });

  test('bytes given again are not counted twice', () => {
    const tracker = new CommandTracker(0);
    const two = Buffer.concat([QUERY, QUERY.subarray(0, 4)]);
    assert.equal(tracker.fromClient(two), QUERY.length);
    for (let times = 0; times < 5; times++) assert.equal(tracker.fromClient(QUERY.subarray(0, 4)), 0);
    assert.equal(tracker.fromClient(QUERY), QUERY.length);
    tracker.fromServer(packet(1, ok()));
    assert.equal(tracker.isIdle, false);
    tracker.fromServer(packet(1, ok()));
    assert.equal(tracker.isIdle, true);
  });
});

describe('LOCAL INFILE', () => {
  const load = command(0x03, "LOAD DATA LOCAL INFILE 'f' INTO TABLE t");
  const fileRequest = Buffer.from('\xfba file name of more than twenty-one bytes', 'latin1');

  test('an upload ends with an empty packet, then the reply goes on', () => {
    assertTold([
      ['client', load, busy],
      ['server', packet(1, fileRequest), busy],
      ['client', packets(2, 'first', CHANGE_USER, ''), busy],
      ['server', packet(5, ok()), idle],
      ...epilogue,
    ]);
    assertTold([
      ['client', load, busy],
      ['server', packet(1, fileRequest), busy],
      ['client', packet(2, ''), busy],
      ['server', packet(3, err()), idle],
      ...epilogue,
    ]);
  });

  test('a piece with sequence id 0 that begins with 0x11 is left alone', () => {
    const pieces = Array.from({ length: 300 }, () => bytes(0x11, 1));
    const steps: Step[] = [
      ['client', load, busy],
      ['server', packet(1, fileRequest), busy],
      ['client', packets(2, ...pieces, ''), busy],
      ['server', packet(303, ok()), idle],
      ...epilogue,
    ];
    tell(steps, 0, (whole) => [whole]);
    tell(steps, 0, singleBytes);
  });

  test('as a later statement, and followed by others', () => {
    const more = MORE_RESULTS | 2;
    assertTold([
      ['client', load, busy],
      [
        'server',
        packets(1, ok(more), bytes(1), definition, eof(more), nullRow, eof(more), fileRequest),
        busy,
      ],
      ['client', packets(8, 'x', ''), busy],
      ['server', packets(10, ok(more), fileRequest), busy],
      ['client', packets(12, CHANGE_USER, ''), busy],
      ['server', packets(14, ok(more), bytes(1), definition, eof(), nullRow, eof()), idle],
      ...epilogue,
    ]);
  });

  test('a row that begins with NULL is no request for a file', () => {
    assertTold([
      ['client', QUERY, busy],
      ['server', packets(1, bytes(1), definition, eof(), nullRow), busy],
      ['client', CHANGE_USER, `isAtChangeUser, holds ${CHANGE_USER.length}`],
    ]);
  });

  test('pieces with sequence ids that do not follow are lost', () => {
    assertTold([
      ['client', load, busy],
      ['server', packet(1, fileRequest), busy],
      ['client', packet(1, 'x'), lost],
    ]);
  });

  test('a request for a file behind which other commands were sent is lost', () => {
    for (const behind of [command(0x0e), command(0x19, '\x01\0\0\0'), CHANGE_USER]) {
      const connection = new TrackedConnection();
      connection.fromClient(Buffer.concat([load, behind]));
      connection.fromServer(packet(1, fileRequest));
      assert.equal(connection.tracker.isLost, true);
    }
    const half = new TrackedConnection();
    half.fromClient(load.subarray(0, 20));
    half.fromServer(packet(1, fileRequest));
    assert.equal(half.tracker.isLost, true);
  });

  test('data before the request for it is lost', () => {
    assertTold([
      ['client', load, busy],
      ['client', packet(2, 'data'), lost],
    ]);
  });

  test('a reply before the end of the upload is lost', () => {
    assertTold([
      ['client', load, busy],
      ['server', packet(1, fileRequest), busy],
      ['client', packet(2, 'data'), busy],
      ['server', packet(3, err()), lost],
    ]);
  });
});

describe('payloads of 16 MB and more', () => {
  const whole = 0xffffff;
  const cuts: ((bytes: Buffer) => Iterable<Buffer>)[] = [
    (bytes) => [bytes],
    function* (bytes) {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
    // In single bytes around the borders of the packets.
    function* (bytes) {
      for (let at = 0; at < bytes.length; ) {
        const next = at % (whole + 4) < 40 ? at + 1 : at - (at % (whole + 4)) + whole - 20;
        const to = next > at ? next : at + 1;
        yield bytes.subarray(at, to);
        at = to;
      }
    },
  ];

  for (const length of [whole - 1, whole, whole + 1, 2 * whole, 2 * whole + 7]) {
    test(`${length} bytes`, () => {
      const chunks = Math.floor(length / whole) + 1;
      const sent = packet(0, Buffer.alloc(length, 0x03));
      // A row whose first column is so long begins like an EOF; what continues it begins like anything.
      const longRow = Buffer.alloc(length);
      longRow.writeUInt8(0xfe);
      const shortOfEof = length >= whole;
      for (const capabilities of [0, DEPRECATE_EOF]) {
        const ends = capabilities === 0 ? [eof()] : [];
        const head = packets(chunks, bytes(1), definition, ...ends);
        const afterHead = chunks + 2 + ends.length;
        const reply = Buffer.concat([
          head,
          packet(afterHead, shortOfEof ? longRow : row('a')),
          packet(afterHead + (shortOfEof ? chunks : 1), eof()),
        ]);
        for (const cut of cuts) {
          tell([['client', sent, busy], ['server', reply, idle], ...epilogue], capabilities, cut);
        }
      }
      for (const filler of [0x11, 0x00, 0xff]) {
        const upload = Buffer.concat([packet(2, Buffer.alloc(length, filler)), packet(2 + chunks, '')]);
        for (const cut of cuts) {
          tell(
            [
              ['client', QUERY, busy],
              ['server', packet(1, '\xfbfile'), busy],
              ['client', upload, busy],
              ['server', packet(3 + chunks, ok()), idle],
              ...epilogue,
            ],
            0,
            cut,
          );
        }
      }
      const longData = packet(0, Buffer.alloc(length, 0x18));
      for (const cut of cuts) {
        tell([['client', longData, idle], ...epilogue], 0, cut);
        tell(
          [
            ['client', Buffer.concat([QUERY, longData]), busy],
            ['server', packet(1, ok()), idle],
          ],
          0,
          cut,
        );
      }
    });
  }

  test('pieces of a command with sequence ids that do not follow are lost', () => {
    const sent = packet(0, Buffer.alloc(whole, 0x03));
    sent.writeUInt8(2, sent.length - 1);
    tell([['client', sent, lost]], 0, (all) => [all]);
  });

  test('a server may refuse a command before it has all of it', () => {
    const sent = packet(0, Buffer.alloc(whole + 100, 0x03));
    const first = sent.subarray(0, whole + 4);
    tell(
      [
        ['client', first, busy],
        ['server', packet(1, err(1153)), busy],
        ['client', sent.subarray(whole + 4), idle],
        ...epilogue,
      ],
      0,
      (all) => [all],
    );
  });
});

describe('streams', () => {
  for (const code of [0x12, 0x13, 0x1e, 0x20, 0x21]) {
    test(`command 0x${code.toString(16)} begins one with its first packet`, () => {
      assertTold([
        ['client', command(code, '\x04\0\0\0'), busy],
        ['server', packet(1, '\0event'), stream],
        ['client', packet(0, '\xef\0\0\0\0'), stream],
        ['client', CHANGE_USER, stream],
        ['server', packet(77, '\xfeanything'), stream],
      ]);
      assertTold([['client', command(code), busy], ['server', packet(1, err(1227)), idle], ...epilogue]);
    });
  }

  test('replies to what was sent before come first', () => {
    const held = CHANGE_USER.length;
    assertTold([
      ['client', Buffer.concat([QUERY, command(0x12)]), busy],
      ['server', packet(1, ok()), busy],
      ['client', CHANGE_USER, `isAtChangeUser, holds ${held}`],
      ['server', packet(1, err()), `isAtChangeUser isIdle, holds ${held}`],
    ]);
  });

  test('a COM_CHANGE_USER that was sent before the stream began does not pass', () => {
    const held = CHANGE_USER.length;
    assertTold([
      ['client', Buffer.concat([command(0x20), CHANGE_USER]), `isAtChangeUser, holds ${held}`],
      ['server', packet(1, ok()), `isAtChangeUser isLost, holds ${held}`],
      ['client', QUERY, `isAtChangeUser isLost, holds ${held + QUERY.length}`],
    ]);
  });

  test('what the tracker held back passes when a stream has begun', () => {
    const connection = new TrackedConnection();
    connection.fromClient(Buffer.concat([command(0x12), bytes(1, 2, 3)]));
    connection.fromServer(packet(1, '\0event'));
    connection.fromClient(bytes(4));
    assert.equal(connection.state, stream);
  });
});

describe('a peer that leaves the protocol', () => {
  const violations: Record<string, readonly Step[]> = {
    'a command with a sequence id': [['client', packet(1, '\x03SELECT 1'), lost]],
    'COM_CHANGE_USER with a sequence id': [['client', packet(1, '\x11app'), lost]],
    'a reply to nothing': [['server', packet(1, ok()), lost]],
    'a reply too many': [
      ['client', QUERY, busy],
      ['server', packets(1, ok(), ok()), lost],
    ],
    'a reply with the wrong sequence id': [
      ['client', QUERY, busy],
      ['server', packet(2, ok()), lost],
    ],
    'a row with the wrong sequence id': [
      ['client', QUERY, busy],
      ['server', Buffer.concat([packets(1, bytes(1), definition, eof()), packet(5, row('a'))]), lost],
    ],
    'an empty packet': [
      ['client', QUERY, busy],
      ['server', packet(1, ''), lost],
    ],
    'an empty row': [
      ['client', QUERY, busy],
      ['server', packets(1, bytes(1), definition, eof(), ''), lost],
    ],
    'a count with too many bytes': [
      ['client', QUERY, busy],
      ['server', packet(1, bytes(1, 1, 1)), lost],
    ],
    'a count with too few bytes': [
      ['client', QUERY, busy],
      ['server', packet(1, bytes(0xfc, 1)), lost],
    ],
    'a count of 0 in a long form': [
      ['client', QUERY, busy],
      ['server', packet(1, bytes(0xfc, 0, 0)), lost],
    ],
    'too few definitions': [
      ['client', QUERY, busy],
      ['server', packets(1, bytes(2), definition, eof()), lost],
    ],
    'too many definitions': [
      ['client', QUERY, busy],
      ['server', packets(1, bytes(1), definition, definition), lost],
    ],
    'a description of a statement that is none': [
      ['client', command(0x16), busy],
      ['server', packet(1, bytes(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), lost],
    ],
    'a description of a statement that is too short': [
      ['client', command(0x16), busy],
      ['server', packet(1, ok()), lost],
    ],
  };
  for (const [name, steps] of Object.entries(violations)) {
    test(name, () => {
      // What comes after it passes, in both directions, but a change of user.
      assertTold([
        ...steps,
        ['server', packets(9, 'anything', ok()), lost],
        ['client', packet(0, '\x03SELECT 1'), lost],
        ['client', packets(7, '', '\x11data'), lost],
        [
          'client',
          Buffer.concat([CHANGE_USER, QUERY]),
          `isAtChangeUser isLost, holds ${CHANGE_USER.length + QUERY.length}`,
        ],
      ]);
    });
  }

  test('the ERR of a server that is about to close is expected at any time', () => {
    for (const sequenceId of [0, 1]) {
      assertTold([
        ['server', packet(sequenceId, err(4031)), idle],
        ['client', command(0x01), idle],
      ]);
    }
  });

  test('it is not idle while a packet is on its way', () => {
    const tracker = new CommandTracker(0);
    const longData = command(0x18, '\x01\0\0\0\0\0data');
    assert.equal(tracker.fromClient(longData.subarray(0, 8)), 8);
    assert.equal(tracker.isIdle, false);
    assert.equal(tracker.fromClient(longData.subarray(8)), longData.length - 8);
    assert.equal(tracker.isIdle, true);
    const closing = packet(0, err(4031));
    for (const piece of singleBytes(closing.subarray(0, -1))) {
      tracker.fromServer(piece);
      assert.equal(tracker.isIdle, false);
    }
    tracker.fromServer(closing.subarray(-1));
    assert.equal(tracker.isIdle, true);
    tracker.fromClient(command(0x09));
    const statistics = packet(1, Buffer.alloc(0xffffff, 'x'));
    tracker.fromServer(statistics.subarray(0, -4));
    assert.equal(tracker.isIdle, false, 'an empty packet is still to come');
    tracker.fromServer(statistics.subarray(-4));
    assert.equal(tracker.isIdle, true);
  });
});
