import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { usableCores } from '../../../src/workers/cores.js';
import { makeTemporaryFolder } from '../../support/clean-up.js';

const cores = os.availableParallelism();

function groupWith(files: Readonly<Record<string, string>>): string {
  const folder = makeTemporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return folder;
}

test('without a quota: as many as the process may run on', () => {
  assert.equal(usableCores(groupWith({})), cores);
  assert.equal(usableCores(groupWith({ 'cpu.max': 'max 100000\n' })), cores);
  assert.equal(
    usableCores(groupWith({ 'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n' })),
    cores,
  );
});

test('a quota counts, rounded up, and never below 1', () => {
  assert.equal(usableCores(groupWith({ 'cpu.max': '100000 100000\n' })), 1);
  assert.equal(usableCores(groupWith({ 'cpu.max': '20000 100000\n' })), 1);
  assert.equal(usableCores(groupWith({ 'cpu.max': '150000 100000\n' })), Math.min(2, cores));
  assert.equal(
    usableCores(groupWith({ 'cpu/cpu.cfs_quota_us': '50000\n', 'cpu/cpu.cfs_period_us': '100000\n' })),
    1,
  );
});

test('a quota larger than the machine changes nothing, nor does a file that can not be read', () => {
  assert.equal(usableCores(groupWith({ 'cpu.max': '99900000 100000\n' })), cores);
  assert.equal(usableCores(groupWith({ 'cpu.max': 'nonsense\n' })), cores);
  assert.equal(usableCores('/does/not/exist'), cores);
});
