import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOrderOf } from '../../../../bench/micro/measure.js';
import { short } from '../../../../bench/micro/report-text.js';
import { spreadOf } from '../../../../bench/micro/statistics.js';

test('a spread of values in any order', () => {
  assert.deepEqual(spreadOf([9, 1, 10]), { median: 9, min: 1, max: 10 });
  assert.deepEqual(spreadOf([10, 2, 4, 100]), { median: 7, min: 2, max: 100 });
  assert.deepEqual(spreadOf([3]), { median: 3, min: 3, max: 3 });
  assert.throws(() => spreadOf([]), RangeError);
});

test('each round runs all, and each comes behind each other one', () => {
  const all = ['a', 'b', 'c', 'd'];
  const behind = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const order = inOrderOf(round, all);
    assert.deepEqual([...order].sort(), all);
    for (let n = 1; n < order.length; n++) behind.add(`${order[n - 1]}${order[n]}`);
  }
  for (const pair of ['ab', 'bc', 'cd', 'da', 'ba', 'cb', 'dc', 'ad']) assert.ok(behind.has(pair), pair);
  assert.deepEqual(inOrderOf(3, []), []);
});

test('figures have three digits and a unit', () => {
  const shown = [0, 0.0123, 7.125, 99.96, 999.4, 999.6, 12_345, 1.5e6, 2.5e9, 4e15].map(short);
  assert.deepEqual(shown, [
    ...['0.00', '0.0123', '7.13', '100', '999', '1.00 k'],
    ...['12.3 k', '1.50 M', '2.50 G', '4000 T'],
  ]);
});
