import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FadingCount } from '../../../src/admission/fading-count.js';

test('so many in a second count as so many, and soon no more', () => {
  let now = 0;
  const count = new FadingCount(() => now);
  assert.equal(count.value, 0);
  for (; now < 10_000; now += 100) count.add();
  assert.ok(count.value > 9 && count.value < 10.6, `${count.value}`);
  now += 5_000;
  assert.ok(count.value < 0.1, `${count.value}`);
});
