import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isPrivate,
  isSecure,
  isServerLegExposed,
  type LegSecurity,
  type Legs,
  legsAreEqual,
  legsAreEqualForAll,
} from '../../../src/auth/leg-security.js';

const leg: Record<string, LegSecurity> = {
  plaintext: { tls: false, unix: false },
  tls: { tls: true, unix: false },
  unix: { tls: false, unix: true },
  'tls on unix': { tls: true, unix: true },
};
const names = Object.keys(leg);

/** Client legs top to bottom, server legs left to right, both in the order above. */
function tableOf(check: (legs: Legs) => boolean): string[] {
  return Object.values(leg).map((client) =>
    Object.values(leg)
      .map((server) => (check({ client, server }) ? '+' : '-'))
      .join(''),
  );
}

test('a socket file is secure for caching_sha2_password, and for no other plugin', () => {
  const secureFor = (plugin: string) => names.filter((name) => isSecure(leg[name] as LegSecurity, plugin));
  assert.deepEqual(secureFor('caching_sha2_password'), ['tls', 'unix', 'tls on unix']);
  for (const plugin of ['sha256_password', 'mysql_clear_password', '']) {
    assert.deepEqual(secureFor(plugin), ['tls', 'tls on unix'], plugin);
  }
});

test('equal legs, of each plugin and of all', () => {
  const cachingSha2 = ['+---', '-+++', '-+++', '-+++'];
  // A client on a socket file may trust it all the same, and say in clear what would go out on the wire.
  const sha256 = ['+-+-', '-+-+', '--+-', '-+-+'];
  assert.deepEqual(
    tableOf((legs) => legsAreEqual(legs, 'caching_sha2_password')),
    cachingSha2,
  );
  assert.deepEqual(
    tableOf((legs) => legsAreEqual(legs, 'sha256_password')),
    sha256,
  );
  assert.deepEqual(tableOf(legsAreEqualForAll), ['+---', '-+-+', '--+-', '-+-+']);
});

test('exposed: secure here, and plaintext TCP there', () => {
  assert.deepEqual(tableOf(isServerLegExposed), ['----', '+---', '+---', '+---']);
});

test('private: TLS or a socket file', () => {
  assert.deepEqual(
    names.filter((name) => isPrivate(leg[name] as LegSecurity)),
    ['tls', 'unix', 'tls on unix'],
  );
});
