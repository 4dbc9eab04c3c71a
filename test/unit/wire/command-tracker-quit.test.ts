/** Which COM_QUIT the tracker holds back, so that the server's connection can serve another client. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandTracker } from '../../../src/wire/command-tracker.js';
import { command, err, ok, packet, QUERY } from '../../support/command-phase.js';

const QUIT = Buffer.from([1, 0, 0, 0, 1]);
/** OK with these status flags. */
const okWith = (status: number): Buffer =>
  packet(1, Buffer.from([0, 0, 0, status & 0xff, status >> 8, 0, 0]));
const AUTOCOMMIT = 0x0002;
const IN_TRANS = 0x0001;
const IN_TRANS_READONLY = 0x2000;

const trackerFor = (stopsAtQuit = true): CommandTracker => new CommandTracker(0x200, { stopsAtQuit });

function ask(tracker: CommandTracker, question: Buffer, answer: Buffer): void {
  assert.equal(tracker.fromClient(question), question.length);
  tracker.fromServer(answer);
}

describe('a COM_QUIT', () => {
  test('is held back where the session is idle', () => {
    const tracker = trackerFor();
    ask(tracker, QUERY, okWith(AUTOCOMMIT));
    assert.equal(tracker.fromClient(QUIT), 0);
    assert.equal(tracker.isAtQuit, true);
    assert.equal(tracker.fromClient(QUIT), 0);
  });

  test('is held back as the first command, and behind one that has no answer', () => {
    assert.equal(trackerFor().fromClient(QUIT), 0);
    const close = command(0x19);
    const tracker = trackerFor();
    assert.equal(tracker.fromClient(Buffer.concat([close, QUIT])), close.length);
    assert.equal(tracker.isAtQuit, true);
  });

  test('is known when it comes byte by byte', () => {
    const tracker = trackerFor();
    for (let length = 1; length < QUIT.length; length++) {
      assert.equal(tracker.fromClient(QUIT.subarray(0, length)), 0);
      assert.equal(tracker.isAtQuit, false);
    }
    assert.equal(tracker.fromClient(QUIT), 0);
    assert.equal(tracker.isAtQuit, true);
  });

  test('passes where nobody wants to know', () => {
    assert.equal(trackerFor(false).fromClient(QUIT), QUIT.length);
  });

  const passing: Readonly<Record<string, (tracker: CommandTracker) => void>> = {
    'in a transaction': (tracker) => ask(tracker, QUERY, okWith(AUTOCOMMIT | IN_TRANS)),
    'in a transaction that only reads': (tracker) =>
      ask(tracker, QUERY, okWith(AUTOCOMMIT | IN_TRANS_READONLY)),
    'behind an error': (tracker) => ask(tracker, QUERY, packet(1, err())),
    'before the answer': (tracker) => void tracker.fromClient(QUERY),
    'behind COM_SET_OPTION': (tracker) => ask(tracker, command(0x1b), packet(1, ok())),
    'behind COM_REGISTER_SLAVE': (tracker) => ask(tracker, command(0x15), packet(1, ok())),
    'behind COM_BINLOG_DUMP': (tracker) => ask(tracker, command(0x12), packet(1, ok())),
    'behind a command that nobody knows': (tracker) => ask(tracker, command(0x40), packet(1, ok())),
    'while a file is uploaded': (tracker) =>
      ask(tracker, QUERY, packet(1, Buffer.from('\xfbfile', 'latin1'))),
  };
  for (const [name, before] of Object.entries(passing)) {
    test(`passes ${name}`, () => {
      const tracker = trackerFor();
      before(tracker);
      assert.equal(tracker.fromClient(QUIT), QUIT.length);
      assert.equal(tracker.isAtQuit, false);
    });
  }

  test('is held back again when the transaction is over, and behind an error that something else followed', () => {
    const tracker = trackerFor();
    ask(tracker, QUERY, okWith(IN_TRANS));
    ask(tracker, QUERY, packet(1, err()));
    ask(tracker, QUERY, okWith(AUTOCOMMIT));
    assert.equal(tracker.fromClient(QUIT), 0);
  });
});
