/**
 * Bytes that a function allocates: how much the heap and the memory outside of it (where large buffers are) grow while it runs,
 * and what the collector took away meanwhile, of which V8 gives an account.
 */
import v8 from 'node:v8';
import vm from 'node:vm';
import { spreadOf } from './statistics.js';

/** Enough passes that what one of them does only now and then, such as taking a new slab for small buffers, counts its share. */
const WANTED_BYTES = 512 * 1024;
const MAX_PASSES = 1000;

/** The median of some measurements, in bytes per pass. */
export async function allocatedBytes(
  pass: () => number | Promise<number>,
  measurements = 3,
): Promise<number> {
  const estimate = await growth(pass, 1);
  const passes = Math.max(1, Math.min(MAX_PASSES, Math.floor(WANTED_BYTES / Math.max(estimate, 1))));
  const found: number[] = [];
  // What the meter itself allocates is taken off.
  own ??= await growth(() => 0, 1);
  for (let n = 0; n < measurements; n++) found.push(Math.max(0, (await growth(pass, passes)) - own) / passes);
  return spreadOf(found).median;
}

let own: number | undefined;

async function growth(pass: () => number | Promise<number>, passes: number): Promise<number> {
  // Else buffers are freed by another thread, and taken off the account some time after the collection.
  v8.setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  try {
    return await growthWithoutThreads(pass, passes);
  } finally {
    v8.setFlagsFromString('--concurrent-array-buffer-sweeping');
  }
}

async function growthWithoutThreads(pass: () => number | Promise<number>, passes: number): Promise<number> {
  collectGarbage();
  const profiler = new v8.GCProfiler();
  profiler.start();
  const before = memoryInUse();
  let sum = 0;
  for (let n = 0; n < passes; n++) {
    const result = pass();
    sum += typeof result === 'number' ? result : await result;
  }
  const after = memoryInUse();
  const collections = profiler.stop()?.statistics ?? [];
  if (Number.isNaN(sum)) throw new Error('a pass gave no number');
  const freed = collections.map(
    ({ beforeGC, afterGC }) => usedOf(beforeGC.heapStatistics) - usedOf(afterGC.heapStatistics),
  );
  return after - before + freed.reduce((total, bytes) => total + bytes, 0);
}

function memoryInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function usedOf(heap: { usedHeapSize: number; externalMemory?: number }): number {
  return heap.usedHeapSize + (heap.externalMemory ?? 0);
}

let collect: (() => void) | undefined;

/** Node shows its collector to programs only when it was asked to; a new context gets it also later. */
function collectGarbage(): void {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
    v8.setFlagsFromString('--no-expose-gc');
  }
  collect();
}
