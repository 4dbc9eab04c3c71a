import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bytes,
  counted,
  duration,
  latency,
  listed,
  rate,
  sentence,
  shortened,
} from '../../../../src/observe/page/browser/format.js';

test('rates keep three digits at most', () => {
  assert.deepEqual([0, 0.035, 0.349, 7.25, 12.44, 99.96, 1204.4].map(rate), [
    '0',
    '0.035',
    '0.35',
    '7.3',
    '12.4',
    '100',
    '1,204',
  ]);
});

test('bytes use the unit that keeps them short', () => {
  assert.deepEqual([0, 999, 1000, 999_499, 999_500, 2_450_000, 7.1e15].map(bytes), [
    '0 B',
    '999 B',
    '1 kB',
    '999 kB',
    '1 MB',
    '2.5 MB',
    '7.1 PB',
  ]);
});

test('latencies', () => {
  assert.deepEqual([0.000_42, 0.0011, 0.25, 1.5].map(latency), ['420 µs', '1.1 ms', '250 ms', '1.5 s']);
});

test('durations have two units; a clock that goes back gives none below zero', () => {
  const minute = 60_000;
  const durations = [-5, 12_900, 4 * minute + 12_000, 10 * minute + 59_000, 125 * minute, 76 * 60 * minute];
  assert.deepEqual(durations.map(duration), ['0 s', '12 s', '4 min 12 s', '10 min', '2 h 5 min', '3 d 4 h']);
});

test('words', () => {
  assert.equal(counted(1, 'client'), '1 client');
  assert.equal(counted(2000, 'client'), '2,000 clients');
  assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
  assert.equal(listed(['a']), 'a');
  assert.equal(sentence('connection refused'), 'Connection refused.');
  assert.equal(sentence('db-1:3306 is down'), 'db-1:3306 is down.');
  assert.equal(sentence('Why? '), 'Why?');
  assert.equal(sentence(''), '');
});

test('what is too long loses its middle, by whole letters', () => {
  assert.equal(shortened('shop', 4), 'shop');
  assert.equal(shortened('orders-eu-west-1', 9), 'orde…st-1');
  assert.equal(shortened('👩👩👩👩👩👩', 4), '👩👩…👩');
  assert.equal([...shortened('x'.repeat(60), 10)].length, 10);
});
