import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cancellation } from '../../src/cancellation.js';

test('each listener is called once, in the order in which they came', () => {
  const cancellation = new Cancellation();
  const called: string[] = [];
  cancellation.onCancel(() => called.push('first'));
  cancellation.onCancel(() => called.push('second'));
  assert.deepEqual(called, []);
  cancellation.cancel(new Error('too slow'));
  cancellation.cancel(new Error('again'));
  assert.deepEqual(called, ['first', 'second']);
  assert.equal(cancellation.reason?.message, 'too slow');
});

test('a listener that comes too late is called at once, and one that was taken off is not', () => {
  const cancellation = new Cancellation();
  const [kept, removed] = [{ calls: 0 }, { calls: 0 }];
  const onRemoved = () => {
    removed.calls += 1;
  };
  cancellation.onCancel(onRemoved);
  cancellation.offCancel(onRemoved);
  cancellation.offCancel(onRemoved);
  cancellation.cancel(new Error('too slow'));
  cancellation.onCancel(() => {
    kept.calls += 1;
  });
  assert.deepEqual([kept.calls, removed.calls], [1, 0]);
});

test('listeners that take each other off while they are told are all told', () => {
  const cancellation = new Cancellation();
  const called: string[] = [];
  const listeners = ['first', 'second', 'third'].map((name) => () => {
    called.push(name);
    for (const listener of listeners) cancellation.offCancel(listener);
  });
  for (const listener of listeners) cancellation.onCancel(listener);
  cancellation.cancel(new Error('too slow'));
  assert.deepEqual(called, ['first', 'second', 'third']);
});

test('it throws its reason, and nothing before it has one', () => {
  const cancellation = new Cancellation();
  assert.equal(cancellation.isCancelled, false);
  cancellation.throwIfCancelled();
  const reason = new Error('too slow');
  cancellation.cancel(reason);
  assert.equal(cancellation.isCancelled, true);
  assert.throws(() => cancellation.throwIfCancelled(), reason);
});
