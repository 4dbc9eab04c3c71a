import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Observer } from '../../../src/observe/events.js';
import { combineObservers } from '../../../src/observe/observers.js';
import { connectionRecord } from './records.js';

/** The type makes it complete: an event that is added must be named here. */
function recordingObserver(seen: string[]): Required<Observer> {
  return {
    opened: () => void seen.push('opened'),
    serverReached: () => void seen.push('serverReached'),
    serverUnreachable: () => void seen.push('serverUnreachable'),
    commandSent: () => void seen.push('commandSent'),
    commandAnswered: () => void seen.push('commandAnswered'),
    tlsEstablished: () => void seen.push('tlsEstablished'),
    tlsFailed: () => void seen.push('tlsFailed'),
    established: () => void seen.push('established'),
    userChanged: () => void seen.push('userChanged'),
    userChangeRefused: () => void seen.push('userChangeRefused'),
    failed: () => void seen.push('failed'),
    refused: () => void seen.push('refused'),
    serverHealth: () => void seen.push('serverHealth'),
    serverChecked: () => void seen.push('serverChecked'),
    reuseJudged: () => void seen.push('reuseJudged'),
    keptServerEnded: () => void seen.push('keptServerEnded'),
    workerStarted: () => void seen.push('workerStarted'),
    workerLost: () => void seen.push('workerLost'),
    closed: () => void seen.push('closed'),
  };
}

test('every event reaches every observer', () => {
  const [first, second]: [string[], string[]] = [[], []];
  const combined = combineObservers([recordingObserver(first), {}, recordingObserver(second)]);
  const events = Object.keys(recordingObserver([]));
  for (const event of events) {
    const call = Reflect.get(combined, event);
    assert.ok(typeof call === 'function', event);
    Reflect.apply(call, combined, []);
  }
  assert.deepEqual(first, events);
  assert.deepEqual(second, events);
});

test('commands are looked at only where an observer wants to know of them', () => {
  const quiet = combineObservers([{}, { opened: () => {} }]);
  assert.equal(quiet.commandSent, undefined);
  assert.equal(quiet.commandAnswered, undefined);
  const curious = combineObservers([{}, { commandAnswered: () => {} }]);
  assert.equal(curious.commandSent, undefined);
  assert.notEqual(curious.commandAnswered, undefined);
});

test('an observer of commands that throws keeps nothing from the others', async () => {
  const seen: string[] = [];
  const throwing: Observer = {
    commandSent: () => assert.fail('sent'),
    commandAnswered: () => assert.fail('answered'),
  };
  const warned = once(process, 'warning');
  const { commandSent, commandAnswered } = combineObservers([throwing, recordingObserver(seen)]);
  const connection = connectionRecord();
  commandSent?.(connection, 3);
  commandAnswered?.(connection, 3, 1);
  assert.deepEqual(seen, ['commandSent', 'commandAnswered']);
  assert.match(String((await warned)[0]), /sent/);
});
