/** Half-open handshakes by the hundred: sessions go on, clients get in, the server notices next to nothing, and nothing is left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RealServer } from '../support/servers.js';
import {
  assertNothingCounted,
  forgetErrors,
  type StrictServer,
  startStrictServer,
} from './other-loopback.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const attackers = 500;
/** Half the default: the flood lasts longer. */
const routeMaxHandshakes = 50;
/** The session, and the client that connects. */
const ourClients = 2;
/** Connections that the proxy has left and that the server has not closed yet. */
const closing = 20;

let setup: StrictServer | Unavailable;
before(async () => {
  setup = await startStrictServer('mysql9', { tls: certificates.serverTls });
});
after(async () => {
  if (!isUnavailable(setup)) await setup.close();
});

test('500 clients that never log in keep nobody out and leave nothing behind', async (t) => {
  const ready = orSkip(t, setup);
  if (ready === undefined) return;
  const { server, detour, account } = ready;
  const { host, port } = detour;
  const proxy = await startProxyUnderTest({
    ...overTls({ kind: server.kind, host, port }, certificates),
    routeMaxHandshakes,
  });
  t.after(() => proxy.close());
  const logIn = () => createConnection({ host: proxy.host, port: proxy.port, ...account });
  const session = await logIn();
  await forgetErrors(server);

  const flood = await startFlood(proxy);
  const working = new AbortController();
  const answers = queries(session, working.signal);
  const most = mostConnections(server, working.signal);
  for (let login = 0; login < 5; login++) {
    const client = await logIn();
    const [rows] = await client.query('SELECT 40 + 2 AS sum');
    await client.end();
    assert.deepEqual(rows, [{ sum: 42 }]);
  }
  assert.ok(proxy.proxy.connections() > routeMaxHandshakes + ourClients, 'the flood was over before');
  for (const socket of flood) socket.destroy();
  working.abort();
  const { asked, right } = await answers;
  assert.ok(asked > 0);
  assert.equal(right, asked);
  const limit = routeMaxHandshakes + ourClients + closing;
  assert.ok((await most) <= limit, `the server had ${await most} connections, and not ${limit} at most`);
  assert.ok(proxy.failures.some(({ code }) => code === 'client_too_slow'));

  await session.end();
  await proxy.quiet();
  await assertNothingCounted(server);
  while ((await connectionsAt(server)) > 0) await delay(20);
  // A server that had counted the broken handshakes would refuse the host from now on.
  await (await logIn()).end();
});

/** Each says nothing, and reads what it gets. Resolves when the proxy has seen all: where that takes long, some are out again. */
async function startFlood({ host, port, proxy }: ProxyUnderTest): Promise<Socket[]> {
  const before = proxy.connections();
  const sockets = Array.from({ length: attackers }, () => connect({ host, port }).resume());
  for (const socket of sockets) socket.on('error', () => {});
  await Promise.all(sockets.filter(({ connecting }) => connecting).map((socket) => once(socket, 'connect')));
  const out = () => sockets.filter(({ destroyed }) => destroyed).length;
  while (proxy.connections() + out() < before + attackers) await delay(1);
  return sockets;
}

async function queries(session: Connection, stop: AbortSignal): Promise<{ asked: number; right: number }> {
  let asked = 0;
  let right = 0;
  while (!stop.aborted) {
    asked += 1;
    const [rows] = await session.query('SELECT ? AS number', [asked]);
    if ((rows as { number: number }[])[0]?.number === asked) right += 1;
  }
  return { asked, right };
}

/** What was seen, again and again. */
async function mostConnections(server: RealServer, stop: AbortSignal): Promise<number> {
  let most = 0;
  while (!stop.aborted) most = Math.max(most, await connectionsAt(server));
  return most;
}

/** Without those of the test itself, and without the server's own threads. */
async function connectionsAt(server: RealServer): Promise<number> {
  const [row] = await server.sql(
    "SELECT COUNT(*) AS count FROM information_schema.processlist WHERE user NOT IN ('root', 'event_scheduler', 'system user')",
  );
  return Number(row?.['count']);
}
