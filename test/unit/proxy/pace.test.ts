import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { Pace } from '../../../src/proxy/pace.js';

afterEach(() => mock.timers.reset());

test('work is done one by one, in its order, and at once when there was none before', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const pace = new Pace<string>(4);
  const done: string[] = [];
  for (const name of ['a', 'b', 'c']) pace.add(name, () => done.push(name));
  assert.deepEqual(done, ['a']);
  mock.timers.tick(4);
  assert.deepEqual(done, ['a', 'b']);
  mock.timers.tick(4);
  assert.deepEqual(done, ['a', 'b', 'c']);
  // Just after the last one, the next still waits; after a pause it does not.
  pace.add('d', () => done.push('d'));
  assert.deepEqual(done, ['a', 'b', 'c']);
  mock.timers.tick(8);
  assert.deepEqual(done, ['a', 'b', 'c', 'd']);
  pace.add('e', () => done.push('e'));
  assert.deepEqual(done, ['a', 'b', 'c', 'd', 'e']);
});

test('the same work is not done twice', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const pace = new Pace<string>(4);
  let count = 0;
  pace.add('first', () => {});
  for (let again = 0; again < 3; again++) pace.add('same', () => (count += 1));
  mock.timers.tick(40);
  assert.equal(count, 1);
});
