/** Ten thousand connections of all kinds leave nothing behind in the proxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type InsideView, type ProxyProcess, startProxyProcess } from '../support/proxy-process.js';
import { startMariadb } from '../support/servers.js';
import { type Abandon, inParallel, waysToLeaveEarly, waysToLeaveLate } from './abandoned-connections.js';
import { type Account, createAccount } from './accounts.js';
import { openRawSession, readPacket, sendQuery, sendQuit } from './raw-session.js';
import { orSkip, overTls } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const connectionCount = 10_000;
/** Enough that everything which is made once is there. */
const warmUpCount = 500;
/** 400 bytes for each connection: nothing that is forgotten is smaller. */
const mostHeapGrowth = 4_000_000;
/** Holds what is outside of the heap: the smallest TLS connection takes 20 kB, of which 10,000 would be twice that. */
const mostMemoryGrowth = 100_000_000;

interface Target {
  readonly proxy: ProxyProcess;
  readonly account: Account;
}
type Visit = (target: Target, index: number) => Promise<void>;

const queryAndQuit: Visit = async ({ proxy, account }) => {
  const socket = await openRawSession(proxy, account);
  sendQuery(socket, 'SELECT 1');
  await readPacket(socket);
  sendQuit(socket);
  await once(socket.resume(), 'close');
};

const disappear: Visit = async ({ proxy, account }) => {
  const socket = await openRawSession(proxy, account);
  sendQuery(socket, 'SELECT REPEAT(1, 1000000)');
  await readPacket(socket);
  socket.resetAndDestroy();
  await once(socket, 'close');
};

const wrongPassword: Visit = async ({ proxy, account }) => {
  await assert.rejects(openRawSession(proxy, { ...account, password: 'wrong' }), /Access denied/);
};

const overClientTls: Visit = async ({ proxy, account }) => {
  const ssl = { ca: certificates.ca.certificate };
  const connection = await createConnection({ host: proxy.host, port: proxy.port, ...account, ssl });
  await connection.query('SELECT 1');
  await connection.end();
};

const leaving =
  (way: Abandon): Visit =>
  ({ proxy }, index) =>
    way(proxy, index);

/** In turn, two thirds of them well-behaved. */
const visits: readonly Visit[] = [
  ...[...Object.values(waysToLeaveEarly), ...Object.values(waysToLeaveLate)].map(leaving),
  wrongPassword,
  disappear,
  overClientTls,
].flatMap((visit) => [visit, queryAndQuit, queryAndQuit]);

describe('leaks', () => {
  test(`${connectionCount} connections leave no file, handle, listener or memory behind`, async (t) => {
    const server = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
    if (server === undefined) return;
    t.after(() => server.stop());
    const account = await createAccount(server, 'app');
    const proxy = await startProxyProcess({
      ...overTls(server, certificates),
      clientSslCert: certificates.server.certificateFile,
      clientSslKey: certificates.server.keyFile,
    });
    t.after(() => proxy.stop());
    const visit = (index: number) => visits[index % visits.length]?.({ proxy, account }, index);

    await inParallel(warmUpCount, visit);
    const before = await whenQuiet(proxy);
    await inParallel(connectionCount, visit);
    const after = await whenQuiet(proxy);

    assert.equal(after.openFiles, before.openFiles);
    assert.deepEqual(after.resources, before.resources);
    assert.deepEqual(after.processListeners, before.processListeners);
    assert.deepEqual(after.warnings, []);
    const growth = after.heapBytes - before.heapBytes;
    assert.ok(growth < mostHeapGrowth, `the heap grew by ${growth} bytes`);
    const memoryGrowth = after.rssBytes - before.rssBytes;
    assert.ok(memoryGrowth < mostMemoryGrowth, `the process grew by ${memoryGrowth} bytes`);
    const [row] = await server.sql("SHOW GLOBAL STATUS LIKE 'Connections'");
    assert.ok(Number(row?.['Value']) > connectionCount, 'not every connection reached the server');
  });
});

async function whenQuiet(proxy: ProxyProcess): Promise<InsideView & { openFiles: number; rssBytes: number }> {
  while ((await proxy.inside()).connections > 0) await delay(50);
  // What was closed last is let go of in the next turns of the event loop.
  await delay(500);
  const inside = await proxy.inside({ collectGarbage: true });
  return { ...inside, openFiles: proxy.openFiles(), rssBytes: proxy.rssBytes() };
}
