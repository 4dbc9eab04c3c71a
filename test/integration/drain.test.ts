/** A proxy that stops while real clients are connected: what each sees, and what of its work is done. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { RunJob } from '../support/client-jobs.js';
import { mariadbConnector, mysql2Client } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { libmysqlclient, mysqlDb, phpMysqli, pyMysql } from '../support/script-clients.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const account = { user: 'app', password: 'a secret of app', database: 'shop' };

const clients: Readonly<Record<string, RunJob>> = {
  mysql2: mysql2Client,
  'MariaDB Connector/Node.js': mariadbConnector,
  libmysqlclient,
  MySQLdb: mysqlDb,
  'PHP mysqli': phpMysqli,
  PyMySQL: pyMysql,
};

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls });
  if (isUnavailable(server)) return;
  await server.sql(
    `CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY);
     CREATE USER 'app'@'%' IDENTIFIED BY '${account.password}'; GRANT ALL ON shop.* TO 'app'@'%'`,
  );
});
after(() => stopServer(server));

/** With TLS on the client leg, so that every client logs in without ado. */
async function startProxy(t: TestContext, running: RealServer, options = {}): Promise<ProxyUnderTest> {
  const proxy = await startProxyUnderTest({
    ...overTls(running, certificates),
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
    ...options,
  });
  t.after(() => proxy.close());
  return proxy;
}

const ssl = { ca: certificates.ca.certificate };

// Mostly waiting.
describe('a client that has been idle', { concurrency: 6 }, () => {
  for (const [name, run] of Object.entries(clients)) {
    for (const tls of ['off', { ca: certificates.ca.certificateFile, verify: false }] as const) {
      test(`${name}, ${tls === 'off' ? 'plaintext' : 'TLS'}: its next command gets 1053`, async (t) => {
        const running = orSkip(t, server);
        if (running === undefined) return;
        const proxy = await startProxy(t, running);
        const { host, port } = proxy;
        const result = run({
          ...{ host, port, ...account, tls },
          steps: [{ query: 'SELECT 1' }, { sleep: 4 }, { query: 'SELECT 2' }],
        });
        while (proxy.established.length === 0 && (await isPending(result))) await delay(10);
        await delay(200);
        const closed = await proxy.proxy.close({ drainTimeout: 20_000 });
        const outcome = orSkip(t, await result);
        if (outcome === undefined) return;
        assert.deepEqual(closed, { cut: 0 });
        assert.ok('results' in outcome, JSON.stringify(outcome));
        const [first, , second] = outcome.results;
        assert.deepEqual(first, { rows: [['1']] });
        assert.ok(second !== undefined && 'error' in second);
        assertToldOfShutdown(name, second.error);
      });
    }
  }
});

/** Libraries that read while they wait know of the end before their next command. */
function assertToldOfShutdown(client: string, { errno, message }: { errno: number; message: string }): void {
  const noticesAtOnce = ['mysql2', 'MariaDB Connector/Node.js'].includes(client);
  if (noticesAtOnce) assert.match(message, /clos|shutdown/i);
  else assert.equal(errno, 1053, message);
}

describe('a client in the middle of its work', () => {
  test('gets the reply of the command under way first', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxy(t, running);
    const connection = await connect(proxy);
    const slow = connection.query('SELECT SLEEP(2.5) AS slept');
    await delay(300);
    const closed = proxy.proxy.close({ drainTimeout: 20_000 });
    const [rows] = await slow;
    assert.deepEqual(rows, [{ slept: 0 }]);
    assert.deepEqual(await closed, { cut: 0 });
    await assert.rejects(connection.query('SELECT 1'));
  });

  test('goes on as long as one command follows the other, in the first half of the time', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxy(t, running);
    const connection = await connect(proxy);
    const started = performance.now();
    const closed = proxy.proxy.close({ drainTimeout: 6_000 });
    let answered = 0;
    const failure = await (async () => {
      for (;;) {
        await connection.query('SELECT 1');
        answered += 1;
        await delay(20);
      }
    })().catch((error: unknown) => error);
    const lasted = performance.now() - started;
    assert.ok(answered > 50, `${answered} queries were answered`);
    assert.ok(lasted >= 2_900, `ended after ${lasted} ms`);
    assert.match(String(failure), /shutdown|closed/i);
    assert.deepEqual(await closed, { cut: 0 });
  });

  test('ends its transaction first: what was committed is there, and nothing else', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    await running.sql('DELETE FROM shop.item');
    const proxy = await startProxy(t, running);
    const connection = await connect(proxy);
    await connection.query('BEGIN');
    await connection.query('INSERT INTO item VALUES (1)');
    const closed = proxy.proxy.close({ drainTimeout: 20_000 });
    // Longer than a client without a transaction may keep quiet.
    await delay(2_000);
    await connection.query('INSERT INTO item VALUES (2)');
    await connection.query('COMMIT');
    await assert.rejects(
      (async () => {
        await delay(2_000);
        await connection.query('INSERT INTO item VALUES (3)');
      })(),
    );
    assert.deepEqual(await closed, { cut: 0 });
    assert.deepEqual(await idsOf(running), [1, 2]);
  });

  test('is cut in its transaction when the time is over, and the server rolls it back', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    await running.sql('DELETE FROM shop.item');
    const proxy = await startProxy(t, running);
    const connection = await connect(proxy);
    await connection.query('BEGIN');
    await connection.query('INSERT INTO item VALUES (1)');
    assert.deepEqual(await proxy.proxy.close({ drainTimeout: 1_000 }), { cut: 1 });
    await assert.rejects(connection.query('COMMIT'));
    assert.deepEqual(await idsOf(running), []);
  });

  test('of which nothing can be seen, is left alone until the time is over', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxy(t, running, {
      clientSslMode: 'PASSTHROUGH',
      clientSslCert: undefined,
      clientSslKey: undefined,
      serverSslMode: 'AS_CLIENT',
      serverSslCa: undefined,
    });
    const connection = await connect(proxy, { rejectUnauthorized: false });
    const closed = proxy.proxy.close({ drainTimeout: 3_000 });
    await delay(2_000);
    await connection.query('SELECT 1');
    assert.deepEqual(await closed, { cut: 1 });
  });
});

describe('what comes while the proxy stops', () => {
  test('gets in until drain-delay is over, although the proxy is not ready any more', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxy(t, running, { adminListen: '127.0.0.1:0' });
    const ready = async () => (await fetch(`http://${proxy.proxy.adminAddress}/readyz`)).status;
    assert.equal(await ready(), 200);
    const closed = proxy.proxy.close({ drainDelay: 1_500, drainTimeout: 10_000 });
    assert.equal(await ready(), 503);
    const connection = await connect(proxy);
    const [rows] = await connection.query('SELECT 1 AS one');
    assert.deepEqual(rows, [{ one: 1 }]);
    assert.equal(await ready(), 503);
    assert.deepEqual(await closed, { cut: 0 });
    await assert.rejects(connect(proxy), { code: 'ECONNREFUSED' });
  });
});

describe('idle-timeout', () => {
  test('ends an idle session with 4031, also in a transaction, and not one that waits for the server', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxy(t, running, { idleTimeout: '1s' });
    const [idle, busy] = [await connect(proxy), await connect(proxy)];
    const ended = new Promise<Error & { code?: string }>((resolve) => idle.on('error', resolve));
    await idle.query('BEGIN');
    const [rows] = await busy.query('SELECT SLEEP(2.5) AS slept');
    assert.deepEqual(rows, [{ slept: 0 }]);
    assert.match((await ended).message, /sent no command for more than 1 s/);
    for (let count = 0; count < 8; count++) {
      await delay(400);
      await busy.query('SELECT 1');
    }
    busy.destroy();
  });
});

function connect({ host, port }: ProxyUnderTest, tls: object = ssl) {
  return createConnection({ host, port, ...account, ssl: tls }).then((connection) => {
    connection.on('error', () => {});
    return connection;
  });
}

async function idsOf(running: RealServer): Promise<number[]> {
  const { socketPath } = running;
  const root = await createConnection({ socketPath, user: 'root' });
  const [rows] = await root.query('SELECT id FROM shop.item ORDER BY id');
  await root.end();
  return (rows as { id: number }[]).map(({ id }) => id);
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise.then(() => 'settled'), delay(1, 'pending')])) === 'pending';
}
