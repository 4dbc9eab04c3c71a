import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { Pace } from '../../../src/admission/pace.js';

afterEach(() => mock.timers.reset());

test('work is done one by one, in its order, and at once when there was none before', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const pace = new Pace<string>(4);
  const done: string[] = [];
  const push = (name: string) => () => done.push(name) > 0;
  for (const name of ['a', 'b', 'c']) pace.add(name, push(name));
  assert.deepEqual(done, ['a']);
  mock.timers.tick(4);
  assert.deepEqual(done, ['a', 'b']);
  mock.timers.tick(4);
  assert.deepEqual(done, ['a', 'b', 'c']);
  // Just after the last one, the next still waits; after a pause it does not.
  pace.add('d', push('d'));
  assert.deepEqual(done, ['a', 'b', 'c']);
  mock.timers.tick(8);
  assert.deepEqual(done, ['a', 'b', 'c', 'd']);
  pace.add('e', push('e'));
  assert.deepEqual(done, ['a', 'b', 'c', 'd', 'e']);
});

test('the same work is not done twice', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const pace = new Pace<string>(4);
  const done: number[] = [];
  pace.add('first', () => true);
  for (const again of [1, 2, 3]) pace.add('same', () => done.push(again) > 0);
  mock.timers.tick(40);
  assert.deepEqual(done, [3]);
});

test('where there is nothing to do any more, the next one has its turn at once', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const pace = new Pace<string>(4);
  const done: string[] = [];
  const work = (name: string, isLeft: boolean) => () => {
    if (isLeft) done.push(name);
    return isLeft;
  };
  pace.add('gone', work('gone', false));
  pace.add('first', work('first', true));
  assert.deepEqual(done, ['first']);
  for (let gone = 0; gone < 100; gone++) pace.add(`gone ${gone}`, work('gone', false));
  pace.add('second', work('second', true));
  mock.timers.tick(4);
  assert.deepEqual(done, ['first', 'second']);
});
