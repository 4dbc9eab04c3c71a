/** Sessions toward a server are resumed, but only under the settings they were made with and for a server that is trusted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectTls } from '../../../src/tls/upgrade.js';
import {
  neverCancelled,
  otherCa,
  reach,
  serverCertificate,
  serverLeg,
  socketPair,
  tlsServer,
} from './tls-peers.js';

const identity = serverCertificate();

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: the second connection resumes the session of the first, and the third does too`, async (t) => {
    const server = tlsServer(identity, { maxVersion });
    const leg = serverLeg();
    const resumed: boolean[] = [];
    for (let connection = 0; connection < 3; connection++) {
      const { description, rejection } = await reach(t, leg, server);
      assert.equal(rejection, undefined);
      assert.equal(description.version, maxVersion);
      resumed.push(description.resumed);
    }
    assert.deepEqual(resumed, [false, true, true]);
  });

  test(`${maxVersion}: settings that are made anew, or for another route, do not share sessions`, async (t) => {
    const server = tlsServer(identity, { maxVersion });
    const first = serverLeg();
    await reach(t, first, server);
    assert.equal(first.sessions.size, 1);
    for (const other of [serverLeg(), serverLeg({ sslMode: 'REQUIRED' })]) {
      assert.equal(other.sessions.size, 0);
      const { description } = await reach(t, other, server);
      assert.equal(description.resumed, false);
    }
    const stricter = serverLeg({ sslCa: otherCa.certificateFile });
    const { rejection, description } = await reach(t, stricter, server);
    assert.equal(rejection?.code, 'server_certificate_untrusted');
    assert.equal(description.resumed, false);
  });

  test(`${maxVersion}: a session of a server that was rejected is not kept, and the next is rejected again`, async (t) => {
    const server = tlsServer(serverCertificate({ issuer: otherCa }), { maxVersion });
    const leg = serverLeg();
    for (let connection = 0; connection < 3; connection++) {
      const { rejection, description } = await reach(t, leg, server);
      assert.equal(rejection?.code, 'server_certificate_untrusted');
      assert.equal(description.resumed, false);
      assert.equal(leg.sessions.size, 0);
    }
  });

  test(`${maxVersion}: a server of another address does not get the session, whatever its certificate`, async (t) => {
    const server = tlsServer(identity, { maxVersion });
    const leg = serverLeg();
    await reach(t, leg, server, 'localhost', 'localhost:3306');
    const { description } = await reach(t, leg, server, 'localhost', 'localhost:3307');
    assert.equal(description.resumed, false);
    assert.deepEqual([...leg.sessions.keys()], ['localhost:3306', 'localhost:3307']);
    const { rejection } = await reach(t, leg, server, 'db.example', 'db.example:3306');
    assert.equal(rejection?.code, 'server_certificate_name_mismatch');
    assert.equal(leg.sessions.has('db.example:3306'), false);
  });

  test(`${maxVersion}: a server that has changed its certificate is looked at again`, async (t) => {
    const leg = serverLeg();
    await reach(t, leg, tlsServer(identity, { maxVersion }));
    const replaced = tlsServer(serverCertificate({ issuer: otherCa }), { maxVersion });
    const { rejection, description } = await reach(t, leg, replaced);
    assert.equal(description.resumed, false);
    assert.equal(rejection?.code, 'server_certificate_untrusted');
    assert.equal(leg.sessions.size, 0, 'the trusted session of before is gone, too');
  });
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a ticket serves connection after connection`, async (t) => {
    const server = tlsServer(identity, { maxVersion });
    const leg = serverLeg();
    const savedAfter: unknown[] = [];
    for (let connection = 0; connection < 3; connection++) {
      await reach(t, leg, server);
      savedAfter.push(...leg.sessions.values());
    }
    assert.equal(savedAfter.length, 3);
    assert.ok(savedAfter.every((saved) => saved === savedAfter[0]));
  });

  test(`${maxVersion}: a ticket that the server does not take any more is given up, and replaced`, async (t) => {
    const leg = serverLeg();
    await reach(t, leg, tlsServer(identity, { maxVersion }));
    const restarted = tlsServer(identity, { maxVersion });
    const resumed: boolean[] = [];
    for (let connection = 0; connection < 3; connection++) {
      const { description, rejection } = await reach(t, leg, restarted);
      assert.equal(rejection, undefined);
      resumed.push(description.resumed);
    }
    assert.deepEqual(resumed, [false, false, true]);
  });
}

test('a session that a handshake failed with is not tried again', async (t) => {
  const leg = serverLeg();
  await reach(t, leg, tlsServer(identity));
  assert.equal(leg.sessions.size, 1);
  const { near, far } = await socketPair(t);
  far.once('data', () => far.end());
  await assert.rejects(connectTls(near, leg, 'localhost', 'localhost:3306', neverCancelled), {
    code: 'server_refused_tls',
  });
  assert.equal(leg.sessions.size, 0);
});
