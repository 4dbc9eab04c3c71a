/** Servers that are dead, or die while they are used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { freePort, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());

test('the second server is used when nothing listens at the first', async (t) => {
  const server = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const account = await createAccount(server, 'app');
  const alive = `127.0.0.1:${server.port}`;
  const dead = `127.0.0.1:${await freePort()}`;
  const proxy = await startProxyUnderTest({ ...overTls(server, certificates), server: [dead, alive] });
  t.after(() => proxy.close());
  assert.equal(await portOf(proxy, account), server.port);
  assert.equal(proxy.established[0]?.serverAddress, alive);
});

test('the first server is used while it answers, and the second when it was killed', async (t) => {
  const first = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
  if (first === undefined) return;
  t.after(() => first.stop());
  const second = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
  if (second === undefined) return;
  t.after(() => second.stop());
  const account = await createAccount(first, 'app');
  await second.sql(`CREATE USER 'app'@'%' IDENTIFIED BY '${account.password}'`);
  const servers = [first, second].map(({ host, port }) => `${host}:${port}`);
  const proxy = await startProxyUnderTest({ ...overTls(first, certificates), server: servers });
  t.after(() => proxy.close());
  assert.equal(await portOf(proxy, account), first.port);
  process.kill(first.pid, 'SIGKILL');
  await first.stop();
  assert.equal(await portOf(proxy, account), second.port);
});

test('the client of a server that is killed loses its connection, and the next one is told why', async (t) => {
  const server = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const account = await createAccount(server, 'app');
  const proxy = await startProxyUnderTest(overTls(server, certificates));
  t.after(() => proxy.close());
  const connection = await createConnection({ host: proxy.host, port: proxy.port, ...account });
  const pending = assert.rejects(connection.query('SELECT SLEEP(1000)'), {
    code: 'PROTOCOL_CONNECTION_LOST',
  });
  const sleeping = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
  while ((await server.sql(sleeping)).length === 0) await delay(20);
  process.kill(server.pid, 'SIGKILL');
  await pending;
  await proxy.quiet();
  await server.stop();

  await assert.rejects(portOf(proxy, account), {
    errno: 2003,
    message:
      `mysql-tls-proxy, server leg: 127.0.0.1:${server.port} can not be reached (ECONNREFUSED, nothing listens there). ` +
      'Check that the server runs, and that --server names its host and port.',
  });
});

test('of several servers that are all dead, each is named', async (t) => {
  const ports = [await freePort(), await freePort()];
  const proxy = await startProxyUnderTest({
    server: ports.map((port) => `127.0.0.1:${port}`),
    serverSslMode: 'REQUIRED',
  });
  t.after(() => proxy.close());
  await assert.rejects(
    portOf(proxy, { user: 'app', password: 'any' }),
    (error: Error & { errno: number }) => {
      assert.equal(error.errno, 2003);
      assert.match(error.message, /^mysql-tls-proxy, server leg: no server answers: /);
      for (const port of ports)
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} can not be reached`));
      return true;
    },
  );
});

/** Of the server that answers. */
async function portOf({ host, port }: { host: string; port: number }, account: Account): Promise<number> {
  const connection = await createConnection({ host, port, ...account });
  const [rows] = await connection.query('SELECT @@port AS port');
  await connection.end();
  return (rows as [{ port: number }])[0].port;
}
