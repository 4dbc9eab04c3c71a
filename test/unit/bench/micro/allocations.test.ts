/** The meter on functions of which it is known what they allocate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocatedBytes } from '../../../../bench/micro/allocations.js';

const MiB = 1024 * 1024;
/** Whoever is not kept could be left out by the compiler. */
let kept: unknown;

/** Warm, as what is measured is: V8 itself allocates while it compiles. */
async function allocatedWhenWarm(pass: () => number | Promise<number>): Promise<number> {
  for (let n = 0; n < 50; n++) await pass();
  return allocatedBytes(pass);
}

function assertNear(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) <= expected * 0.05, `${found} bytes instead of ${expected}`);
}

test('nothing', async () => {
  let sum = 0;
  const found = await allocatedWhenWarm(() => {
    for (let n = 0; n < 1000; n++) sum = (sum + n) & 0xffff;
    return sum;
  });
  assert.ok(found < 16, `${found} bytes`);
});

test('on the heap', async () => {
  const found = await allocatedWhenWarm(() => {
    kept = new Array(1000);
    return 1;
  });
  // Eight bytes for each element.
  assertNear(found, 8000);
});

test('outside of the heap', async () => {
  const found = await allocatedWhenWarm(() => {
    kept = Buffer.alloc(65_536);
    return 1;
  });
  assertNear(found, 65_536);
});

test('so much on the heap that the collector runs meanwhile', async () => {
  const found = await allocatedBytes(() => {
    for (let n = 0; n < 10_000; n++) kept = new Array(1000);
    return 1;
  });
  assertNear(found, 10_000 * 8000);
});

test('so much outside of it that the collector runs meanwhile', async () => {
  const found = await allocatedBytes(() => {
    for (let n = 0; n < 300; n++) kept = Buffer.allocUnsafe(MiB);
    return 1;
  });
  assertNear(found, 300 * MiB);
});

test('over several turns', async () => {
  const found = await allocatedWhenWarm(async () => {
    kept = Buffer.alloc(65_536);
    await null;
    return 1;
  });
  assertNear(found, 65_536);
});

test('a pass that gives no number is refused', async () => {
  await assert.rejects(
    allocatedBytes(() => Number.NaN),
    /no number/,
  );
  assert.notEqual(kept, undefined);
});
