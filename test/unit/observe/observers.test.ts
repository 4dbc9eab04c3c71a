import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observer } from '../../../src/observe/events.js';
import { combineObservers } from '../../../src/observe/observers.js';

/** The type makes it complete: an event that is added must be named here. */
function recordingObserver(seen: string[]): Required<Observer> {
  return {
    opened: () => void seen.push('opened'),
    tlsEstablished: () => void seen.push('tlsEstablished'),
    tlsFailed: () => void seen.push('tlsFailed'),
    established: () => void seen.push('established'),
    userChanged: () => void seen.push('userChanged'),
    userChangeRefused: () => void seen.push('userChangeRefused'),
    failed: () => void seen.push('failed'),
    refused: () => void seen.push('refused'),
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
