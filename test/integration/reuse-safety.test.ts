/** Which server connections are kept, for whom, and for how long, on real servers. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { issueCertificate, makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { mysqlCli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { libmysqlclient, mysqlDb, phpMysqli, pyMysql } from '../support/script-clients.js';
import { type RealServer, startMysql9, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { openRawSession, sendQuit } from './raw-session.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';
import { type ReusingProxy, startReusingProxy } from './reuse-setup.js';

const certificates = makeCertificates(makeTemporaryFolder());

describe('kept server connections of MySQL 9', () => {
  let server: RealServer | Unavailable;
  let account: Account;
  let second: Account;
  let sha256: Account;
  before(async () => {
    server = await startMysql9({ tls: certificates.serverTls });
    if (isUnavailable(server)) return;
    account = await createAccount(server, 'app');
    second = await createAccount(server, 'second');
    sha256 = { user: 'hashed', password: account.password };
    await server.sql(`CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY);
      CREATE USER hashed@'%' IDENTIFIED WITH sha256_password BY '${sha256.password}'; GRANT ALL ON *.* TO hashed@'%'`);
  });
  after(() => stopServer(server));

  /** With one connection kept. */
  const withProxy = async (
    t: { after(work: () => Promise<void>): void; skip(why: string): void },
    options: Parameters<typeof startReusingProxy>[0] = {},
  ): Promise<{ proxy: ReusingProxy; real: RealServer } | undefined> => {
    const real = orSkip(t as never, server);
    if (real === undefined) return undefined;
    const proxy = await startReusingProxy({ ...overTls(real, certificates), ...options });
    t.after(() => proxy.close());
    await proxy.warmUp(account);
    await use(proxy, account);
    await proxy.whenKept(1);
    return { proxy, real };
  };

  const left: Readonly<Record<string, readonly string[]>> = {
    BEGIN: ['BEGIN'],
    'START TRANSACTION READ ONLY': ['START TRANSACTION READ ONLY'],
    'a write with autocommit = 0': ['SET autocommit = 0', 'INSERT INTO shop.item VALUES (1)'],
    'a read with autocommit = 0': ['SET autocommit = 0', 'SELECT * FROM shop.item'],
    'XA START': ["XA START 'x'"],
    'XA END': ["XA START 'x'", 'INSERT INTO shop.item VALUES (2)', "XA END 'x'"],
  };
  for (const [name, statements] of Object.entries(left)) {
    test(`not after ${name}`, async (t) => {
      const ready = await withProxy(t);
      if (ready === undefined) return;
      const { proxy, real } = ready;
      await proxy.visit(account, async (connection) => {
        for (const statement of statements) await connection.query(statement);
      });
      await proxy.whenKept(0);
      assert.deepEqual(await real.sql('SELECT * FROM shop.item'), []);
    });
  }

  test('after COMMIT, and after a transaction that is prepared, which stays', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy, real } = ready;
    const transactions = [
      ['BEGIN', 'INSERT INTO shop.item VALUES (7)', 'DELETE FROM shop.item', 'COMMIT'],
      ["XA START 'p'", 'INSERT INTO shop.item VALUES (8)', "XA END 'p'", "XA PREPARE 'p'"],
    ];
    for (const statements of transactions) {
      await proxy.visit(account, async (connection) => {
        for (const statement of statements) await connection.query(statement);
      });
      await proxy.whenKept(1);
    }
    assert.equal((await real.sql('XA RECOVER')).length, 1);
    await real.sql("XA ROLLBACK 'p'");
  });

  const rawEnds: Readonly<Record<string, Buffer>> = {
    COM_SET_OPTION: Buffer.from([3, 0, 0, 0, 0x1b, 0, 0]),
    COM_REGISTER_SLAVE: Buffer.concat([Buffer.from([18, 0, 0, 0, 0x15, 9]), Buffer.alloc(16)]),
    'a statement that is not answered yet': Buffer.from('\x10\0\0\0\x03SELECT SLEEP(1)', 'latin1'),
  };
  for (const [name, bytes] of Object.entries(rawEnds)) {
    test(`not after ${name}`, async (t) => {
      const ready = await withProxy(t);
      if (ready === undefined) return;
      const { proxy } = ready;
      const connection = await createConnection({ host: '127.0.0.1', port: proxy.port, ...account });
      const { stream } = (connection as unknown as { connection: { stream: import('node:net').Socket } })
        .connection;
      stream.write(bytes);
      if (bytes[4] !== 3) await delay(200);
      stream.write(Buffer.from([1, 0, 0, 0, 1]));
      connection.on('error', () => {});
      await proxy.whenKept(0);
      stream.destroy();
    });
  }

  test('not of a client that closes without COM_QUIT', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy } = ready;
    const connection = await createConnection({ host: '127.0.0.1', port: proxy.port, ...account });
    connection.destroy();
    await proxy.whenKept(0);
  });

  test('accounts of all plugins take turns, and a wrong password in between is refused by the server', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy, real } = ready;
    for (let round = 0; round < 6; round++) {
      for (const one of [account, second, sha256]) {
        if (round === 3) await real.sql('FLUSH PRIVILEGES');
        await proxy.whenKept(1);
        assert.equal(await use(proxy, one), one.user);
        assert.equal(proxy.latest().serverConnection, 'reused');
        assert.equal(proxy.latest().user, one.user);
      }
      await proxy.whenKept(1);
      const wrong = await errnoOf(use(proxy, { ...second, password: 'wrong' }));
      assert.equal(wrong, 1045);
      await proxy.whenKept(0);
      await use(proxy, account);
    }
    assert.deepEqual(proxy.failures, []);
  });

  test('each client is its own user, whoever comes in between', async (t) => {
    const ready = await withProxy(t, { reuseMax: 3 });
    if (ready === undefined) return;
    const { proxy } = ready;
    let reused = 0;
    let wrong = 0;
    const clientOf = async (n: number): Promise<void> => {
      await delay((n * 7919) % 400);
      const one = [account, second, sha256][n % 3] ?? account;
      if (n % 10 === 9) {
        if ((await errnoOf(use(proxy, { ...one, password: 'no' }))) === 1045) wrong += 1;
        return;
      }
      const connection = await createConnection({ host: '127.0.0.1', port: proxy.port, ...one });
      const [rows] = await connection.query(
        'SELECT SUBSTRING_INDEX(CURRENT_USER(), "@", 1) AS user, @mine AS mine, @@sql_mode LIKE "%STRICT_ALL%" AS mode, CONNECTION_ID() AS id',
      );
      assert.deepEqual((rows as object[])[0], {
        user: one.user,
        mine: null,
        mode: 0,
        id: connection.threadId,
      });
      await connection.query(`SET @mine = ${n}, sql_mode = 'STRICT_ALL_TABLES'`);
      if (n % 7 === 0) connection.destroy();
      else await connection.end();
    };
    await Promise.all(Array.from({ length: 200 }, (_, n) => clientOf(n)));
    while (proxy.proxy.connections() > 0) await delay(5);
    reused = proxy.established.filter(({ serverConnection }) => serverConnection === 'reused').length;
    assert.equal(wrong, 20);
    assert.ok(reused > 10, `${reused} were reused`);
    assert.ok((await proxy.kept()) <= 3);
  });

  test('other flags get a new connection, and the kept one is ended', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy } = ready;
    const before = proxy.latest().serverThreadId;
    const [user, id] = await proxy.visit(
      second,
      async (connection) => {
        const [rows] = await connection.query('SELECT CURRENT_USER() AS user, CONNECTION_ID() AS id');
        const [{ user: who, id: thread } = { user: '', id: 0 }] = rows as { user: string; id: number }[];
        return [who, thread] as const;
      },
      { flags: ['-FOUND_ROWS'] },
    );
    assert.equal(user, 'second@%');
    assert.notEqual(id, before);
    assert.equal(proxy.latest().serverConnection, 'fresh');
    assert.equal(proxy.latest().serverThreadId, id);
    assert.equal(proxy.ended.at(-1), 'client_differs');
    await proxy.whenKept(1);
  });

  const clients = { 'PHP mysqli': phpMysqli, PyMySQL: pyMysql, MySQLdb: mysqlDb, libmysqlclient };
  for (const [name, run] of Object.entries(clients)) {
    test(`${name} is served by kept connections, with each plugin, in plaintext and in TLS`, async (t) => {
      const ready = await withProxy(t, {
        clientSslCert: certificates.server.certificateFile,
        clientSslKey: certificates.server.keyFile,
      });
      if (ready === undefined) return;
      const { proxy, real } = ready;
      for (const tls of ['off', { ca: certificates.ca.certificateFile, verify: true }] as const) {
        for (const one of [account, account, sha256, second, account]) {
          if (one === sha256) await real.sql('FLUSH PRIVILEGES');
          const job = { host: '127.0.0.1', port: proxy.port, tls, ...one, database: 'shop' };
          const steps = [{ query: 'SELECT CURRENT_USER(), DATABASE()' }];
          const result = orSkip(t, await run({ ...job, steps }));
          if (result === undefined) return;
          assert.deepEqual(result, { results: [{ rows: [[`${one.user}@%`, 'shop']] }] });
          while (proxy.proxy.connections() > 0) await delay(5);
        }
        const last = proxy.established.slice(-4).map(({ serverConnection }) => serverConnection);
        assert.deepEqual(last, ['reused', 'reused', 'reused', 'reused']);
      }
    });
  }

  test('the mysql CLI is served by a kept connection', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy } = ready;
    for (let n = 0; n < 3; n++) {
      const options = { host: '127.0.0.1', port: proxy.port, ...account, tls: 'off' as const };
      const result = orSkip(t, await mysqlCli(options, 'SELECT CURRENT_USER()'));
      if (result === undefined) return;
      assert.match(result.stdout, /app@%/);
      while (proxy.proxy.connections() > 0) await delay(5);
    }
    assert.equal(proxy.latest().serverConnection, 'reused');
  });

  test('users of the credentials file, and of the bridge', async (t) => {
    const folder = makeTemporaryFolder();
    const file = path.join(folder, 'users.yaml');
    writeFileSync(path.join(folder, 'old'), 'for the proxy', { mode: 0o600 });
    if (isUnavailable(server)) return t.skip(server.unavailable);
    writeFileSync(path.join(folder, 'new'), sha256.password, { mode: 0o600 });
    writeFileSync(
      file,
      '- { user: mapped, password-file: old, server-user: hashed, server-password-file: new }\n',
      { mode: 0o600 },
    );
    const ready = await withProxy(t, { credentials: file, authBridge: 'sha256' });
    if (ready === undefined) return;
    const { proxy } = ready;
    const mapped = { user: 'mapped', password: 'for the proxy' };
    for (const one of [mapped, account, mapped, sha256, mapped]) {
      await proxy.whenKept(1);
      assert.equal(await use(proxy, one), one === mapped ? 'hashed' : one.user);
      assert.equal(proxy.latest().serverConnection, 'reused');
    }
    assert.equal(await errnoOf(use(proxy, { ...mapped, password: 'x' })), 1045);
  });

  test('clients of different certificates, and those without TLS, share none', async (t) => {
    const ready = await withProxy(t, {
      clientSslCert: certificates.server.certificateFile,
      clientSslKey: certificates.server.keyFile,
      clientSslCa: certificates.ca.certificateFile,
    });
    if (ready === undefined) return;
    const { proxy } = ready;
    const threads = [];
    const other = issueCertificate({ commonName: 'Other', purpose: 'client', issuer: certificates.ca });
    for (const ssl of [undefined, certificates.client, certificates.client, other, undefined]) {
      const tls = ssl && { ca: certificates.ca.certificate, cert: ssl.certificate, key: ssl.key };
      await proxy.visit(account, (connection) => connection.query('DO 0'), tls && { ssl: tls });
      while (proxy.proxy.connections() > 0) await delay(5);
      threads.push([proxy.latest().serverConnection, proxy.latest().clientTls.peerSubject !== '']);
    }
    assert.deepEqual(threads, [
      ['reused', false],
      ['fresh', true],
      ['reused', true],
      ['fresh', true],
      ['fresh', false],
    ]);
  });

  test('routes share none', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined) return;
    const { server: address, ...serverLeg } = overTls(real, certificates);
    const leg = { sslMode: 'VERIFY_IDENTITY' as const, sslCa: serverLeg.serverSslCa };
    const route = {
      listen: '127.0.0.1:0',
      servers: String(address),
      server: leg,
      reuseServerConnections: true,
    };
    const proxy = await startReusingProxy({
      listen: undefined,
      reuseServerConnections: undefined,
      routes: [
        { name: 'one', ...route },
        { name: 'two', ...route },
      ],
    });
    t.after(() => proxy.close());
    await proxy.warmUp(account);
    await use(proxy, account);
    await proxy.whenKept(1);
    const port = Number(proxy.proxy.addresses[1]?.address.split(':').at(-1));
    const connection = await createConnection({ host: '127.0.0.1', port, ...account });
    assert.equal(proxy.latest().serverConnection, 'fresh');
    await connection.end();
  });

  test('nobody comes in time', async (t) => {
    const ready = await withProxy(t, { reuseIdleTimeout: '300ms' });
    if (ready === undefined) return;
    await ready.proxy.whenKept(0);
    assert.equal(ready.proxy.ended.at(-1), 'idle_timeout');
    await whenGone(ready.real);
  });

  test('no more than --reuse-max', async (t) => {
    const ready = await withProxy(t, { reuseMax: 2 });
    if (ready === undefined) return;
    const { proxy } = ready;
    const many = await Promise.all(
      Array.from({ length: 5 }, () => createConnection({ host: '127.0.0.1', port: proxy.port, ...account })),
    );
    for (const connection of many) await connection.end();
    await proxy.whenKept(2);
    assert.deepEqual(proxy.ended.slice(-3), ['pool_full', 'pool_full', 'pool_full']);
  });

  test('one that is killed is dropped at once, and its client gets a new one', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy, real } = ready;
    await real.sql(`KILL ${proxy.latest().serverThreadId}`);
    await proxy.whenKept(0);
    assert.equal(proxy.ended.at(-1), 'server_closed');
    assert.equal(await use(proxy, account), 'app');
    assert.equal(proxy.latest().serverConnection, 'fresh');
  });

  test('a reload ends them, and those of sessions that go on', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy, real } = ready;
    const open = await createConnection({ host: '127.0.0.1', port: proxy.port, ...account });
    await use(proxy, account);
    await delay(100);
    await proxy.proxy.reload();
    await open.query('DO 0');
    await open.end();
    await proxy.whenKept(0);
    await whenGone(real);
    assert.ok(proxy.ended.filter((reason) => reason === 'reload').length >= 1, proxy.ended.join());
    assert.equal(await use(proxy, account), 'app');
    assert.equal(proxy.latest().serverConnection, 'fresh');
  });

  test('nothing is open when the proxy has stopped', async (t) => {
    const ready = await withProxy(t);
    if (ready === undefined) return;
    const { proxy, real } = ready;
    await proxy.proxy.close();
    assert.equal(proxy.ended.at(-1), 'shutdown');
    await whenGone(real);
    const [row] = await real.sql("SHOW GLOBAL STATUS LIKE 'Aborted_clients'");
    assert.ok(Number(row?.['Value']) >= 0);
  });

  test('not on PASSTHROUGH', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined) return;
    const options = { server: `${real.host}:${real.port}`, clientSslMode: 'PASSTHROUGH' } as const;
    await assert.rejects(startReusingProxy(options), /has no meaning with --client-ssl-mode PASSTHROUGH/);
  });

  test('a server with init_connect is not trusted with it', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined) return;
    await real.sql("SET GLOBAL init_connect = 'SET @greeted = 1'");
    t.after(async () => void (await real.sql("SET GLOBAL init_connect = ''")));
    const proxy = await startReusingProxy(overTls(real, certificates));
    t.after(() => proxy.close());
    await proxy.warmUp(account);
    assert.match(proxy.judgements[0]?.because ?? '', /init_connect/);
    await use(proxy, account);
    await proxy.whenKept(0);
  });
});

for (const kind of ['mysql56', 'mariadb', 'mariadb11'] as const) {
  test(`${nameOf[kind]} is found to be unsafe, and goes on without`, async (t) => {
    const server = orSkip(t, await startServer(kind, { tls: certificates.serverTls }));
    if (server === undefined) return;
    t.after(() => server.stop());
    const account = await createAccount(server, 'app');
    const proxy = await startReusingProxy(overTls(server, certificates));
    t.after(() => proxy.close());
    const target = { host: '127.0.0.1', port: proxy.port };
    for (let n = 0; n < 4; n++) {
      const socket = await openRawSession(target, account);
      sendQuit(socket);
      socket.resume();
      while (proxy.proxy.connections() > 0) await delay(5);
      // MariaDB answers a wrong change of user after a second.
      while (n === 0 && proxy.judgements.length === 0 && proxy.ended.length === 0) await delay(5);
    }
    assert.equal(proxy.judgements.length, 1);
    assert.notEqual(proxy.judgements[0]?.because, undefined);
    assert.deepEqual(
      proxy.established.map(({ serverConnection }) => serverConnection),
      ['fresh', 'fresh', 'fresh', 'fresh'],
    );
    assert.equal(await proxy.kept(), 0);
  });
}

test('a server that restarts while connections are kept', async (t) => {
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls }));
  if (server === undefined) return;
  const account = await createAccount(server, 'app');
  const proxy = await startReusingProxy(overTls(server, certificates));
  t.after(() => proxy.close());
  await proxy.warmUp(account);
  await use(proxy, account);
  await proxy.whenKept(1);
  const { port } = server;
  await server.stop();
  await proxy.whenKept(0);
  assert.equal(await errnoOf(use(proxy, account)), 2003);
  const again = orSkip(t, await startMysql9({ tls: certificates.serverTls, port }));
  if (again === undefined) return;
  t.after(() => again.stop());
  const newAccount = await createAccount(again, 'app');
  assert.equal(await use(proxy, newAccount), 'app');
  assert.equal(proxy.latest().serverConnection, 'fresh');
});

/** A session, and who it says that it is. */
function use(proxy: ReusingProxy, account: Account): Promise<string> {
  return proxy.visit(account, async (connection) => {
    const [rows] = await connection.query('SELECT CURRENT_USER() AS user');
    return String((rows as { user: string }[])[0]?.user).replace(/@.*/, '');
  });
}

async function errnoOf(work: Promise<unknown>): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as { errno?: number }).errno;
  }
}

/** The server sees nobody any more but who asks. */
async function whenGone(server: RealServer): Promise<void> {
  for (;;) {
    const rows = await server.sql(
      "SELECT ID FROM information_schema.PROCESSLIST WHERE USER NOT IN ('root', 'event_scheduler')",
    );
    if (rows.length === 0) return;
    await delay(10);
  }
}
