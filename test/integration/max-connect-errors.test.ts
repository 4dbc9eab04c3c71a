/** Port scans, health checks and broken clients of the proxy must not make a server block the proxy's host. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { serverKinds } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { inParallel, waysToLeaveEarly, waysToLeaveLate } from './abandoned-connections.js';
import {
  assertNothingCounted,
  connectFromOtherLoopback,
  countedErrors,
  forgetErrors,
  type StrictServer,
  startStrictServer,
  whenNoLoginIsPending,
} from './other-loopback.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const connectionsPerWay = 50;
const legs = ['TLS', 'PASSTHROUGH'] as const;
/** In PASSTHROUGH the proxy has no say any more once client and server talk to each other. */
const ways = { TLS: { ...waysToLeaveEarly, ...waysToLeaveLate }, PASSTHROUGH: waysToLeaveEarly };

interface Setup extends StrictServer {
  readonly options: Readonly<Record<(typeof legs)[number], ProxyOptions>>;
  readonly proxies: Readonly<Record<(typeof legs)[number], ProxyUnderTest>>;
}

for (const kind of serverKinds) {
  describe(nameOf[kind], () => {
    let setup: Setup | Unavailable;
    before(async () => {
      const extraArgs = kind === 'mysql56' ? [] : ['--require-secure-transport=ON'];
      const started = await startStrictServer(kind, { tls: certificates.serverTls, extraArgs });
      setup = isUnavailable(started) ? started : await prepare(started);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      for (const proxy of Object.values(setup.proxies)) await proxy.close();
      await setup.close();
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
          await forgetErrors(ready.server);
          const proxy = ready.proxies[leg];
          await inParallel(connectionsPerWay, (index) => way(proxy, index));
          await assertLetsIn(ready, proxy);
        });
      }

      test(`${leg}: lets the proxy in after ${connectionsPerWay} clients that said nothing in time`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        await letClientsTimeOut(ready, leg);
        await assertLetsIn(ready, ready.proxies[leg]);
      });
    }
  });
}

async function assertLetsIn({ server, account }: Setup, proxy: ProxyUnderTest): Promise<void> {
  await proxy.quiet();
  await assertNothingCounted(server);
  // mysql2 can not speak TLS with 5.6; through PASSTHROUGH it has to speak it with the others.
  const ssl = server.kind === 'mysql56' ? {} : { ssl: { ca: certificates.ca.certificate } };
  const connection = await createConnection({ host: proxy.host, port: proxy.port, ...account, ...ssl });
  const [rows] = await connection.query('SELECT 40 + 2 AS sum');
  await connection.end();
  assert.deepEqual(rows, [{ sum: 42 }]);
}

async function letClientsTimeOut(setup: Setup, leg: (typeof legs)[number]): Promise<void> {
  for (let handshakeTimeout = 0.5; ; handshakeTimeout *= 2) {
    await forgetErrors(setup.server);
    const impatient = await startProxyUnderTest({ ...setup.options[leg], handshakeTimeout });
    const { host, port } = impatient;
    const silent = Array.from({ length: connectionsPerWay }, () => connect(port, host).resume());
    await Promise.all(silent.map((socket) => once(socket, 'close')));
    await impatient.quiet();
    await impatient.close();
    const codes = new Set(impatient.failures.map(({ code }) => code));
    // On a busy machine the server may be too late with its greeting, which is not what this is about.
    if (codes.has('server_timeout') || codes.has('server_silent')) continue;
    assert.deepEqual(codes, new Set(['client_timeout']));
    return;
  }
}

async function prepare(strict: StrictServer): Promise<Setup> {
  const { server, detour } = strict;
  const { host, port } = detour;
  const options = {
    TLS: {
      ...overTls({ kind: server.kind, host, port }, certificates),
      clientSslCert: certificates.server.certificateFile,
      clientSslKey: certificates.server.keyFile,
    },
    PASSTHROUGH: { server: `${host}:${port}`, clientSslMode: 'PASSTHROUGH' },
  } as const;
  const proxies = {
    TLS: await startProxyUnderTest(options.TLS),
    PASSTHROUGH: await startProxyUnderTest(options.PASSTHROUGH),
  };
  return { ...strict, options, proxies };
}
