/** The key share that the server leg sends is one that every server takes: no handshake needs a second one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EphemeralKeyInfo, TLSSocket } from 'node:tls';
import { reach, serverCertificate, serverLeg, tlsServer } from './tls-peers.js';

const identity = serverCertificate();

test('P-256 is offered first, and others to a server that does not take it', async (t) => {
  for (const [ecdhCurve, expected] of [
    ['auto', 'prime256v1'],
    ['X25519:P-256', 'prime256v1'],
    ['X25519', 'X25519'],
    ['P-384', 'secp384r1'],
    ['P-521', 'secp521r1'],
  ] as const) {
    const { socket } = await reach(t, serverLeg(), tlsServer(identity, { ecdhCurve, maxVersion: 'TLSv1.3' }));
    const { name } = TLSSocket.prototype.getEphemeralKeyInfo.call(socket) as EphemeralKeyInfo;
    assert.equal(name, expected, `of a server with ${ecdhCurve}`);
  }
});
