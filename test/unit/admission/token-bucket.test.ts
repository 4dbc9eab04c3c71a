import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../src/admission/token-bucket.js';

const taken = (bucket: TokenBucket, now: number, tries: number): number =>
  Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;

test('so many at once, then as many as time has earned', () => {
  const bucket = new TokenBucket({ count: 10, periodMs: 1000 }, 0);
  assert.equal(taken(bucket, 0, 20), 10);
  assert.equal(taken(bucket, 99, 1), 0);
  assert.equal(taken(bucket, 100, 5), 1);
  assert.equal(taken(bucket, 550, 9), 4);
  assert.equal(taken(bucket, 600, 9), 1);
});

test('no more than one period is saved up', () => {
  const bucket = new TokenBucket({ count: 3, periodMs: 60_000 }, 0);
  assert.equal(taken(bucket, 3_600_000, 9), 3);
});

test('never more than the rate in any long time, however it is asked', () => {
  const bucket = new TokenBucket({ count: 50, periodMs: 1000 }, 0);
  let count = 0;
  for (let now = 0; now <= 10_000; now += 3.7) count += taken(bucket, now, 7);
  assert.ok(count >= 540 && count <= 550, `${count} in 10 s, and 50 at once`);
});

test('a clock that stands still or goes back earns nothing', () => {
  const bucket = new TokenBucket({ count: 1, periodMs: 1000 }, 5_000);
  assert.equal(bucket.take(5_000), true);
  assert.equal(bucket.take(5_000), false);
  assert.equal(bucket.take(1_000), false);
});

test('is full from the start, and again after a period', () => {
  const bucket = new TokenBucket({ count: 4, periodMs: 1000 }, 0);
  assert.equal(bucket.isFull(0), true);
  bucket.take(0);
  assert.equal(bucket.isFull(200), false);
  assert.equal(bucket.isFull(251), true);
  bucket.take(300);
  bucket.giveBack();
  bucket.giveBack();
  assert.equal(taken(bucket, 300, 9), 4);
});
