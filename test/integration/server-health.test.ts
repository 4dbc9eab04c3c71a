/** Several real servers: one that is killed, one that hangs, and health checks that servers do not hold against the proxy. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ServerKind } from '../support/downloads.js';
import { type RealServer, type ServerOptions, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { assertNothingCounted, detourTo, forgetErrors, strictServer } from './other-loopback.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls } from './real-server.js';

const folder = makeTemporaryFolder();
const certificates = makeCertificates(folder);
/** What a broken test would wait for without end. */
const WAIT_MS = 60_000;

/** Undefined after having marked the test as skipped. */
async function start(
  t: TestContext,
  kind: ServerKind,
  options: ServerOptions = {},
): Promise<RealServer | undefined> {
  const server = orSkip(t, await startServer(kind, { tls: certificates.serverTls, ...options }));
  if (server !== undefined) t.after(() => server.stop());
  return server;
}

async function startProxy(t: TestContext, options: ProxyOptions): Promise<ProxyUnderTest> {
  const proxy = await startProxyUnderTest(options);
  t.after(() => proxy.close());
  return proxy;
}

const addressOf = ({ host, port }: RealServer): string => `${host}:${port}`;

function passwordFileOf({ password }: Account, name: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return file;
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await delay(10);
  }
}

const connectTo = ({ host, port }: ProxyUnderTest, account: Account): Promise<Connection> =>
  createConnection({ host, port, ...account });

/** Of the server that answers. */
async function portOf(connection: Connection): Promise<number> {
  const [rows] = await connection.query('SELECT @@port AS port');
  return (rows as [{ port: number }])[0].port;
}

/** Clients that connect, ask and leave, one after the other in each of so many rows. */
function load(proxy: ProxyUnderTest, account: Account, rows: number) {
  let isOver = false;
  const ports: number[] = [];
  const refused: unknown[] = [];
  const broken: unknown[] = [];
  const row = async () => {
    while (!isOver) {
      const connection = await connectTo(proxy, account).catch((error: unknown) => void refused.push(error));
      if (connection === undefined) continue;
      connection.on('error', () => {});
      try {
        ports.push(await portOf(connection));
        await connection.query('DO SLEEP(0.02)');
        await connection.end();
      } catch (error) {
        broken.push(error);
        connection.destroy();
      }
    }
  };
  const ended = Promise.all(Array.from({ length: rows }, row));
  return {
    ports,
    refused,
    broken,
    stop: async () => {
      isOver = true;
      await ended;
    },
  };
}

async function addAccount(server: RealServer, { user, password }: Account): Promise<void> {
  await server.sql(
    `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO '${user}'@'%'`,
  );
}

test('of three servers under load, one is killed and comes back: nobody new is refused, and it gets its share again', async (t) => {
  const servers: RealServer[] = [];
  for (let i = 0; i < 3; i++) {
    const server = await start(t, 'mariadb');
    if (server === undefined) return;
    servers.push(server);
  }
  const [first, second, third] = servers as [RealServer, RealServer, RealServer];
  const account = await createAccount(first, 'app');
  for (const server of [second, third]) await addAccount(server, account);
  const proxy = await startProxy(t, {
    ...overTls(first, certificates),
    server: servers.map(addressOf),
    routingStrategy: 'least-connections',
    healthCheckInterval: '500ms',
    adminListen: '127.0.0.1:0',
  });
  const rows = 8;
  const clients = load(proxy, account, rows);
  await until(() => servers.every(({ port }) => clients.ports.includes(port)), 'each server has clients');

  process.kill(second.pid, 'SIGKILL');
  const at = clients.ports.length;
  await until(() => clients.ports.length > at + 50, 'clients go on');
  await second.stop();
  const after = clients.ports.slice(at + rows);
  assert.equal(after.includes(second.port), false);
  assert.ok(after.includes(first.port) && after.includes(third.port));

  const again = await start(t, 'mariadb', { port: second.port });
  if (again === undefined) return;
  await addAccount(again, account);
  const since = clients.ports.length;
  await until(() => clients.ports.slice(since).includes(second.port), 'the server gets clients again');
  const share = clients.ports.length;
  await until(() => clients.ports.length > share + 60, 'clients go on');
  await clients.stop();
  const counts = servers.map(({ port }) => clients.ports.slice(share).filter((one) => one === port).length);
  assert.ok(Math.min(...counts) * 3 > Math.max(...counts), counts.join());

  // A new server without the account refuses logins until it has it: those are not the proxy's.
  const unexpected = clients.refused.filter((error) => (error as { errno?: number }).errno !== 1045);
  const during = unexpected.filter((error) => !isCutInLogin(error));
  assert.deepEqual(during, []);
  // At most the sessions that were on the server, and logins that it had begun.
  assert.ok(clients.broken.length + unexpected.length <= rows, String(clients.broken));
  await proxy.quiet();
  const { servers: states } = (await (await fetch(`http://${proxy.proxy.adminAddress}/state`)).json()) as {
    servers: { up: boolean; connections: number }[];
  };
  assert.deepEqual(
    states.map(({ up, connections }) => [up, connections]),
    [
      [true, 0],
      [true, 0],
      [true, 0],
    ],
  );
});

/** The server died between its greeting, which the client has seen, and the end of the login. */
function isCutInLogin(error: unknown): boolean {
  const { errno } = error as { errno?: number };
  return errno === 2012 || errno === 2026;
}

test('a server that hangs is left out, the others serve, and it comes back by itself', async (t) => {
  const hanging = await start(t, 'mariadb');
  if (hanging === undefined) return;
  const other = await start(t, 'mariadb');
  if (other === undefined) return;
  const account = await createAccount(hanging, 'app');
  await addAccount(other, account);
  const proxy = await startProxy(t, {
    ...overTls(hanging, certificates),
    server: [hanging, other].map(addressOf),
    connectTimeout: '500ms',
    healthCheckInterval: '300ms',
  });
  const askPort = async () => {
    const connection = await connectTo(proxy, account);
    const port = await portOf(connection);
    await connection.end();
    return port;
  };
  assert.equal(await askPort(), hanging.port);
  process.kill(hanging.pid, 'SIGSTOP');
  try {
    // This one may find it out, and is served all the same.
    assert.equal(await askPort(), other.port);
    await until(() => proxy.health.some(({ error }) => error !== undefined), 'it is left out');
    const unreachable = proxy.health.filter(({ changed, error }) => changed && error !== undefined);
    assert.deepEqual(
      unreachable.map(({ server, error }) => [server, error?.code]),
      [[addressOf(hanging), 'server_silent']],
    );
    for (let i = 0; i < 3; i++) assert.equal(await askPort(), other.port);
  } finally {
    process.kill(hanging.pid, 'SIGCONT');
  }
  await until(async () => (await askPort()) === hanging.port, 'it is used again');
  assert.deepEqual(proxy.failures, []);
});

for (const kind of ['mysql56', 'mysql9', 'mariadb'] as const) {
  for (const isLogin of [true, false]) {
    test(`${nameOf[kind]} does not hold checks ${isLogin ? 'that log in' : 'without a login'} against the proxy, nor those while it hung`, async (t) => {
      const server = await start(t, kind, strictServer);
      if (server === undefined) return;
      const detour = await detourTo(server);
      t.after(() => detour.close());
      const account = await createAccount(server, 'monitor', { grant: 'USAGE ON *.*' });
      await forgetErrors(server);
      const { host, port } = detour;
      const proxy = await startProxy(t, {
        ...overTls({ kind, host, port }, certificates),
        connectTimeout: '200ms',
        healthCheckInterval: '20ms',
        ...(isLogin
          ? {
              healthCheckUser: account.user,
              healthCheckPasswordFile: passwordFileOf(account, `${kind}-strict`),
            }
          : {}),
      });
      const succeeded = () => proxy.checks.filter(({ result }) => result === 'success').length;
      await until(() => succeeded() >= 20, 'checks succeed');
      process.kill(server.pid, 'SIGSTOP');
      const before = proxy.checks.length;
      await until(() => proxy.checks.slice(before).some(({ result }) => result === 'failure'), 'it hangs');
      // Time for several more, if there were any.
      await delay(1_500);
      process.kill(server.pid, 'SIGCONT');
      const at = succeeded();
      await until(() => succeeded() >= at + 5, 'checks succeed again');
      await proxy.close();
      await assertNothingCounted(server);
      assert.deepEqual(
        proxy.checks.filter(({ result }) => result === 'denied'),
        [],
      );
    });
  }
}

for (const serverSslMode of ['VERIFY_IDENTITY', 'DISABLED'] as const) {
  test(`a check logs in with caching_sha2_password, whose cache is cold, with --server-ssl-mode ${serverSslMode}`, async (t) => {
    const server = await start(t, 'mysql9');
    if (server === undefined) return;
    const account = await createAccount(server, 'monitor', { grant: 'USAGE ON *.*' });
    await server.sql('FLUSH PRIVILEGES');
    const { serverSslMode: _, serverSslCa, ...rest } = overTls(server, certificates);
    const proxy = await startProxy(t, {
      ...rest,
      serverSslMode,
      ...(serverSslMode === 'DISABLED' ? {} : { serverSslCa }),
      healthCheckInterval: '100ms',
      healthCheckUser: account.user,
      healthCheckPasswordFile: passwordFileOf(account, 'cold'),
    });
    await until(() => proxy.checks.length >= 2, 'two checks');
    assert.deepEqual(proxy.checks.map(({ result, error }) => error?.message ?? result).slice(0, 2), [
      'success',
      'success',
    ]);
    await server.sql(`ALTER USER 'monitor'@'%' ACCOUNT LOCK; FLUSH PRIVILEGES`);
    await until(() => proxy.checks.some(({ result }) => result === 'denied'), 'a check that is denied');
    const denied = proxy.checks.find(({ result }) => result === 'denied');
    assert.match(denied?.error?.message ?? '', /error 3118.*--health-check-user/);
    assert.equal(proxy.health.length, 1);
  });
}

test('a server that becomes full is left out while another has room, and used again when it has', async (t) => {
  const full = await start(t, 'mariadb', { extraArgs: ['--max-connections=10'] });
  if (full === undefined) return;
  const roomy = await start(t, 'mariadb');
  if (roomy === undefined) return;
  const account = await createAccount(full, 'app', { grant: 'SELECT ON *.*' });
  await addAccount(roomy, account);
  const proxy = await startProxy(t, {
    ...overTls(full, certificates),
    server: [full, roomy].map(addressOf),
    healthCheckInterval: '200ms',
    healthCheckUser: account.user,
    healthCheckPasswordFile: passwordFileOf(account, 'full'),
  });
  const connections: Connection[] = [];
  const refused: { errno?: number }[] = [];
  for (let i = 0; i < 20; i++) {
    const connection = await connectTo(proxy, account).catch((error) => void refused.push(error));
    if (connection !== undefined) connections.push(connection);
  }
  // Servers let one in too many, for an administrator, and refuse that behind its login: too late for another try.
  assert.ok(refused.every(({ errno }) => errno === 1040));
  assert.ok(connections.length > 12, String(refused));
  const ports = await Promise.all(connections.map(portOf));
  assert.deepEqual(new Set(ports), new Set([full.port, roomy.port]));
  assert.equal(proxy.health.find(({ error }) => error)?.error?.code, 'server_too_many_connections');
  await Promise.all(connections.map((connection) => connection.end()));
  const isBack = () => proxy.health.findLast(({ server }) => server === addressOf(full))?.error === undefined;
  await until(isBack, 'the server is used again');
});

test('kept connections of each server are used in turn, and those of one that is gone are not missed', async (t) => {
  const first = await start(t, 'mysql9');
  if (first === undefined) return;
  const second = await start(t, 'mysql9');
  if (second === undefined) return;
  const account = await createAccount(first, 'app');
  await addAccount(second, account);
  const proxy = await startProxy(t, {
    ...overTls(first, certificates),
    server: [first, second].map(addressOf),
    routingStrategy: 'round-robin',
    reuseServerConnections: true,
    healthCheckInterval: '500ms',
  });
  const visit = async (more: ConnectionOptions = {}) => {
    const connection = await createConnection({ host: proxy.host, port: proxy.port, ...account, ...more });
    const port = await portOf(connection);
    await connection.end();
    await proxy.quiet();
    // The session is emptied meanwhile.
    await delay(50);
    return { port, how: proxy.established.at(-1)?.serverConnection };
  };
  await until(async () => (await visit()).how === 'reused' && (await visit()).how === 'reused', 'reuse');
  const visits = [];
  for (let i = 0; i < 6; i++) visits.push(await visit());
  assert.ok(visits.every(({ how }) => how === 'reused'));
  for (const { port } of [first, second]) assert.equal(visits.filter((one) => one.port === port).length, 3);
  // Greeted for a kept connection that it can not have: a new one, to the server that it was greeted for.
  const [turn] = visits;
  assert.deepEqual(await visit({ flags: ['-FOUND_ROWS'] }), { port: turn?.port, how: 'fresh' });
  process.kill(first.pid, 'SIGKILL');
  await first.stop();
  for (let i = 0; i < 4; i++) assert.equal((await visit()).port, second.port);
  assert.deepEqual(proxy.failures, []);
});
