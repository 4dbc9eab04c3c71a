/** The proxy's TLS sessions with real servers: one ticket serves for half a minute, then the next one takes its place. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { visit } from '../../src/doctor/visit.js';
import { createServerLegTls } from '../../src/tls/contexts.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { startServer } from '../support/servers.js';
import { nameOf, orSkip, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const limits = { connectTimeout: 10_000, handshakeTimeout: 10_000 };

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(nameOf[kind], async () => {
    const server = await startServer(kind, { tls: certificates.serverTls });
    after(() => stopServer(server));

    test('takes a ticket again, and gives another', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const tls = createServerLegTls({
        sslMode: 'VERIFY_IDENTITY',
        proxyProtocol: 'off',
        tlsProfile: 'modern',
        tlsVersion: ['TLSv1.3'],
        sslCa: certificates.ca.certificateFile,
      });
      assert.ok(tls);
      // Without an account for it, a host is refused in place of a greeting.
      await running.sql("CREATE USER anyone@'%'");
      const address = { kind: 'tcp', host: running.host, port: running.port } as const;
      const name = `${running.host}:${running.port}`;
      const connect = async () => {
        const { tls: description } = await visit(address, tls, limits);
        const saved = tls.sessions.get(name);
        assert.ok(saved);
        return { resumed: description.resumed, saved };
      };
      const { saved: first } = await connect();
      for (let connection = 0; connection < 3; connection++) {
        assert.deepEqual(await connect(), { resumed: true, saved: first });
      }
      tls.sessions.set(name, { ...first, savedAt: first.savedAt - 31_000 });
      const { resumed, saved: second } = await connect();
      assert.equal(resumed, true);
      assert.ok(!second.ticket.equals(first.ticket), 'another ticket is kept');
      assert.equal(second.verifiedAt, first.verifiedAt, 'the certificate was not looked at again');
      assert.deepEqual(await connect(), { resumed: true, saved: second });
    });
  });
}
