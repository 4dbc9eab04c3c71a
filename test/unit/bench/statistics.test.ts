import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlaps, pairedDifferences, pairedRatios, spreadOf } from '../../../bench/statistics.js';

test('median, least and greatest, of odd and even counts, in any order', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(spreadOf([10, 4, 2, 1]), { median: 3, min: 1, max: 10 });
  assert.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7 });
  assert.equal(spreadOf([]), undefined);
});

test('numbers are sorted as numbers, and the values stay in their order', () => {
  const values = [100, 9, 20];
  assert.equal(spreadOf(values)?.median, 20);
  assert.deepEqual(values, [100, 9, 20]);
});

test('rounds are compared each with its own, and what has no partner is left out', () => {
  assert.deepEqual(pairedRatios([10, 40, 5], [5, 10]), [2, 4]);
  assert.deepEqual(pairedDifferences([1, 5], [3, 2, 9]), [-2, 3]);
  // The median of the ratios is not the ratio of the medians: a slow round weighs on both of its values.
  assert.equal(spreadOf(pairedRatios([1, 100, 3], [2, 100, 6]))?.median, 0.5);
});

test('ranges that touch overlap', () => {
  const range = (min: number, max: number) => ({ median: (min + max) / 2, min, max });
  assert.equal(overlaps(range(1, 2), range(2, 3)), true);
  assert.equal(overlaps(range(2, 3), range(1, 2)), true);
  assert.equal(overlaps(range(1, 9), range(4, 5)), true);
  assert.equal(overlaps(range(4, 5), range(1, 9)), true);
  assert.equal(overlaps(range(1, 2), range(2.1, 3)), false);
  assert.equal(overlaps(range(2.1, 3), range(1, 2)), false);
});
