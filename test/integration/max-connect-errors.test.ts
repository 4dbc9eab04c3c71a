/** Port scans, health checks and broken clients of the proxy must not make a server block the proxy's host. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { serverKinds } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { inParallel, waysToLeaveEarly, waysToLeaveLate } from './abandoned-connections.js';
import { type Account, createAccount } from './accounts.js';
import { warmUp } from './matrix-clients.js';
import {
  connectFromOtherLoopback,
  countedErrors,
  type Detour,
  detourTo,
  forgetErrors,
  strictServer,
  whenNoLoginIsPending,
} from './other-loopback.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const connectionsPerWay = 50;
const legs = ['TLS', 'PASSTHROUGH'] as const;
/** In PASSTHROUGH the proxy has no say any more once client and server talk to each other. */
const ways = { TLS: { ...waysToLeaveEarly, ...waysToLeaveLate }, PASSTHROUGH: waysToLeaveEarly };

interface Setup {
  readonly server: RealServer;
  readonly detour: Detour;
  readonly account: Account;
  readonly proxies: Readonly<Record<(typeof legs)[number], ProxyUnderTest>>;
}

for (const kind of serverKinds) {
  describe(nameOf[kind], () => {
    let setup: Setup | Unavailable;
    before(async () => {
      const server = await startServer(kind, { ...strictServer, tls: certificates.serverTls });
      setup = isUnavailable(server) ? server : await prepare(server);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      for (const proxy of Object.values(setup.proxies)) await proxy.close();
      await setup.detour.close();
      await stopServer(setup.server);
    });

    test('blocks a host that breaks off three connections, when there is no proxy between', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { server } = ready;
      for (let i = 0; i < 3; i++) {
        const socket = connectFromOtherLoopback(server);
        await once(socket, 'data');
        socket.destroy();
        await once(socket, 'close');
      }
      await whenNoLoginIsPending(server);
      assert.equal(await countedErrors(server), 3);
      const blocked = connectFromOtherLoopback(server);
      const [answer] = (await once(blocked, 'data')) as [Buffer];
      blocked.destroy();
      assert.equal(answer.readUInt16LE(5), 1129);
    });

    for (const leg of legs) {
      for (const [name, way] of Object.entries(ways[leg])) {
        test(`${leg}: lets the proxy in after ${connectionsPerWay} clients that left ${name}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const { server, account } = ready;
          const proxy = ready.proxies[leg];
          await forgetErrors(server);
          await inParallel(connectionsPerWay, (index) => way(proxy, index));
          await proxy.quiet();
          await whenNoLoginIsPending(server);
          assert.equal(await countedErrors(server), 0);
          const connection = await createConnection({ host: proxy.host, port: proxy.port, ...account });
          const [[row]] = (await connection.query('SELECT 40 + 2 AS sum')) as unknown as [[{ sum: number }]];
          await connection.end();
          assert.equal(row.sum, 42);
        });
      }
    }
  });
}

async function prepare(server: RealServer): Promise<Setup> {
  const detour = await detourTo(server);
  const account = await createAccount(server, 'app');
  if (server.kind === 'mysql9') await warmUp(server, account, certificates);
  const target = { kind: server.kind, host: detour.host, port: detour.port };
  const proxies = {
    TLS: await startProxyUnderTest({
      ...overTls(target, certificates),
      clientSslCert: certificates.server.certificateFile,
      clientSslKey: certificates.server.keyFile,
    }),
    PASSTHROUGH: await startProxyUnderTest({
      server: `${detour.host}:${detour.port}`,
      clientSslMode: 'PASSTHROUGH',
    }),
  };
  return { server, detour, account, proxies };
}
