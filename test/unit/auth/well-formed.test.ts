import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wellFormed } from '../../../src/auth/well-formed.js';

test('an answer of a length that no client sends becomes another that is wrong', () => {
  for (const [plugin, usual, others] of [
    ['mysql_native_password', [0, 20], [1, 6, 19, 21, 32, 256]],
    ['client_ed25519', [64], [0, 1, 63, 65]],
  ] as const) {
    const [replacementLength] = usual.toReversed();
    for (const length of usual) {
      const answer = Buffer.alloc(length, 7);
      assert.equal(wellFormed(plugin, answer), answer, `${plugin} ${length}`);
    }
    for (const length of others) {
      const answer = Buffer.alloc(length, 7);
      const replaced = wellFormed(plugin, answer);
      assert.equal(replaced.length, replacementLength, `${plugin} ${length}`);
      assert.notDeepEqual(replaced, wellFormed(plugin, answer), 'never the same');
    }
  }
});

test("answers of other plugins are the servers' business", () => {
  for (const plugin of ['caching_sha2_password', 'auth_gssapi_client', '__proto__', '']) {
    const answer = Buffer.alloc(3, 7);
    assert.equal(wellFormed(plugin, answer), answer);
  }
});
