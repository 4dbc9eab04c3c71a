/** Servers that send an ERR packet in place of their greeting: the client gets that very packet. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { serverKinds } from '../support/downloads.js';
import type { Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { createAccount } from './accounts.js';
import {
  connectFromOtherLoopback,
  countedErrors,
  detourTo,
  strictServer,
  whenNoLoginIsPending,
} from './other-loopback.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
/** MariaDB takes no smaller number. */
const fewConnections = '--max-connections=10';
const errHeader = 0xff;

for (const kind of serverKinds) {
  describe(nameOf[kind], () => {
    let server: RealServer | Unavailable;
    before(async () => {
      const extraArgs = [...strictServer.extraArgs, fewConnections];
      server = await startServer(kind, { ...strictServer, tls: certificates.serverTls, extraArgs });
    });
    after(() => stopServer(server));

    test('1130: the host is not allowed', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      // No account may come from there yet; from 127.0.0.1, root may.
      const detour = await detourTo(running);
      t.after(() => detour.close());
      const proxies = await bothProxies(t, running, detour);
      await assertSameRefusal(() => connectFromOtherLoopback(running), proxies, 1130);
    });

    test('1040: too many connections', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const account = await createAccount(running, 'app');
      const proxies = await bothProxies(t, running, running);
      const taken: Socket[] = [];
      t.after(async () => {
        for (const socket of taken) socket.destroy();
        await whenNotFull(running);
      });
      for (let answer = Buffer.alloc(5); answer[4] !== errHeader; ) {
        const socket = connect(running.port, running.host);
        taken.push(socket);
        [answer] = (await once(socket, 'data')) as [Buffer<ArrayBuffer>];
      }
      await assertSameRefusal(() => connect(running.port, running.host), proxies, 1040);
      for (const { host, port } of proxies) {
        await assert.rejects(createConnection({ host, port, ...account }), {
          errno: 1040,
          message: 'Too many connections',
        });
      }
    });

    test('1129: the host is blocked', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const detour = await detourTo(running);
      t.after(() => detour.close());
      while ((await countedErrors(running)) < 3) {
        const socket = connectFromOtherLoopback(running);
        await once(socket, 'data');
        socket.destroy();
      }
      const proxies = await bothProxies(t, running, detour);
      await assertSameRefusal(() => connectFromOtherLoopback(running), proxies, 1129);
    });
  });
}

/** The server lets go of connections when it notices that they are gone. */
async function whenNotFull(server: RealServer): Promise<void> {
  const isFull = await server.sql('SELECT 1').then(
    () => false,
    ({ errno }) => errno === 1040,
  );
  if (!isFull) return whenNoLoginIsPending(server);
  await delay(20);
  return whenNotFull(server);
}

async function bothProxies(
  t: TestContext,
  { kind }: RealServer,
  { host, port }: { host: string; port: number },
): Promise<readonly ProxyUnderTest[]> {
  const proxies = [
    await startProxyUnderTest(overTls({ kind, host, port }, certificates)),
    await startProxyUnderTest({ server: `${host}:${port}`, clientSslMode: 'PASSTHROUGH' }),
  ];
  for (const proxy of proxies) t.after(() => proxy.close());
  return proxies;
}

async function assertSameRefusal(
  connectDirectly: () => Socket,
  proxies: readonly ProxyUnderTest[],
  errno: number,
): Promise<void> {
  const direct = await everythingSent(connectDirectly());
  assert.equal(direct[4], errHeader);
  assert.equal(direct.readUInt16LE(5), errno);
  for (const { host, port } of proxies) assert.deepEqual(await everythingSent(connect(port, host)), direct);
}

/** Up to the end of the connection. */
async function everythingSent(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}
