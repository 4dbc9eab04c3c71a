import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openFiles } from '../../../src/proxy/open-files.js';
import { makeTemporaryFolder } from '../../support/clean-up.js';

function limitsFile(soft: string): string {
  const file = path.join(makeTemporaryFolder(), 'limits');
  writeFileSync(
    file,
    `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}                 524288               files\n`,
  );
  return file;
}

test('two files for each connection, beside those that are needed anyway', () => {
  assert.deepEqual(openFiles(limitsFile('1024')), { limit: 1024, connections: 466 });
  assert.deepEqual(openFiles(limitsFile('65536')), { limit: 65536, connections: 31109 });
});

test('never none', () => {
  assert.deepEqual(openFiles(limitsFile('30')), { limit: 30, connections: 1 });
});

test('where there is no limit, or the system does not tell', () => {
  assert.equal(openFiles(limitsFile('unlimited')), undefined);
  assert.equal(openFiles('/nonexistent/limits'), undefined);
});
