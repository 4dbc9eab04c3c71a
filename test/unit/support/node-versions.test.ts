import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestOf } from '../../support/node-versions.js';

test('the newest version is found in whatever order the registry has them', () => {
  assert.equal(newestOf(['22.9.0', '22.10.1', '22.10.0', '22.2.0']), '22.10.1');
  assert.equal(newestOf(['24.1.0-rc.1', '24.0.3']), '24.0.3');
  assert.equal(newestOf([]), undefined);
});
