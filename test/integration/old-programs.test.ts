/**
 * Genuine MySQL 5.6.24 programs at MySQL 9 accounts with REQUIRE X509: the client library in plaintext (FEDERATED), and
 * the replication thread over TLS 1.0 and in plaintext. The server's cache of passwords is cold each time.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9, startMysql56 } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';
import { binlogEnd, statusWhen } from './replica-status.js';

const certificates = makeCertificates(makeTemporaryFolder());
const columns = '(id INT PRIMARY KEY, name VARCHAR(40)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci';

interface Setup {
  readonly old: RealServer;
  readonly modern: RealServer;
  readonly application: Account;
  readonly replica: Account;
}

describe('MySQL 5.6 programs at MySQL 9', () => {
  let setup: Setup | Unavailable;
  before(async () => {
    setup = await prepare();
  });
  after(async () => {
    if (isUnavailable(setup)) return;
    await stopServer(setup.old);
    await stopServer(setup.modern);
  });

  test('FEDERATED in plaintext, with a credentials file and the key pair', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { old, modern, application } = ready;
    const proxy = await startProxy(t, ready, { credentials: credentialsFor(application) });
    await modern.sql("DELETE FROM shop.item; INSERT INTO shop.item VALUES (1, 'anvil'), (2, 'Gießkanne')");
    await coolDown(modern);
    await federate(old, 'shop_by_file', proxy, application);
    assert.deepEqual(await old.sql('SELECT * FROM shop_by_file.item ORDER BY id'), [
      { id: 1, name: 'anvil' },
      { id: 2, name: 'Gießkanne' },
    ]);
    await old.sql("INSERT INTO shop_by_file.item VALUES (3, 'written')");
    assert.equal((await modern.sql('SELECT name FROM shop.item WHERE id = 3'))[0]?.['name'], 'written');
    const [connection] = proxy.established;
    assert.equal(connection?.clientTls.version, 'none');
    assert.equal(connection?.serverTls.version, 'TLSv1.3');
    assert.equal(connection?.authentication, 'credentials');
    assert.equal(connection?.serverPlugin, 'caching_sha2_password');
  });

  test('FEDERATED in plaintext is mapped to another user of the server', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { old, modern, application } = ready;
    const mapped = { user: 'old_name', password: 'an old password' };
    const proxy = await startProxy(t, ready, { credentials: credentialsFor(mapped, application) });
    await coolDown(modern);
    await federate(old, 'shop_mapped', proxy, mapped);
    await old.sql('SELECT * FROM shop_mapped.item');
    assert.equal(proxy.established[0]?.user, 'old_name');
    assert.equal(proxy.established[0]?.serverUser, 'application');
    const [row] = await modern.sql(
      "SELECT COUNT(*) AS logins FROM information_schema.processlist WHERE user = 'application'",
    );
    assert.notEqual(row?.['logins'], 0);
  });

  // The engine shows the first 100 characters of an error.
  test('FEDERATED with a wrong password gets the words of the server', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { old, application } = ready;
    const proxy = await startProxy(t, ready, { credentials: credentialsFor(application) });
    const wrong = { ...application, password: 'wrong' };
    await federate(old, 'shop_wrong', proxy, wrong);
    await assert.rejects(old.sql('SELECT * FROM shop_wrong.item'), {
      message: /Access denied for user 'application'@'127\.0\.0\.1' \(using password/,
    });
  });

  test('FEDERATED in plaintext can not hand its password over: yaSSL has no RSA', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const proxy = await startProxy(t, ready, { authBridge: 'sha256' });
    await federate(ready.old, 'shop_bridged', proxy, ready.application);
    await assert.rejects(ready.old.sql('SELECT * FROM shop_bridged.item'), {
      message: /Authentication plugin 'sha256_password' reported error: Authenti/,
    });
  });

  for (const { way, options } of [
    { way: 'auth-bridge', options: () => ({ authBridge: 'sha256' as const }) },
    { way: 'credentials', options: ({ replica }: Setup) => ({ credentials: credentialsFor(replica) }) },
  ]) {
    test(`the replication thread over TLS 1.0, with ${way} and the key pair`, async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const proxy = await startProxy(t, ready, { ...options(ready), ...legacyClientLeg() });
      await replicateOnce(ready, proxy, `MASTER_SSL=1, MASTER_SSL_CA='${certificates.serverTls.ca}'`);
      const [connection] = proxy.established;
      assert.equal(connection?.clientTls.version, 'TLSv1');
      assert.equal(connection?.clientTls.cipher, 'AES256-SHA');
      assert.equal(connection?.serverTls.version, 'TLSv1.3');
      assert.equal(connection?.authentication, way === 'credentials' ? 'credentials' : 'bridged');
    });
  }

  test('the replication thread in plaintext, with a credentials file', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const proxy = await startProxy(t, ready, { credentials: credentialsFor(ready.replica) });
    await replicateOnce(ready, proxy, 'MASTER_SSL=0');
    assert.equal(proxy.established[0]?.clientTls.version, 'none');
  });

  test('the replication thread in plaintext can not hand its password over', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const proxy = await startProxy(t, ready, { authBridge: 'sha256' });
    await pointAt(ready, proxy, 'MASTER_SSL=0');
    await ready.old.sql('START SLAVE');
    t.after(() => ready.old.sql('STOP SLAVE'));
    const status = await statusWhen(ready.old, ({ Last_IO_Errno }) => Last_IO_Errno !== 0);
    assert.equal(status['Last_IO_Errno'], 2061);
  });
});

async function prepare(): Promise<Setup | Unavailable> {
  const modern = await startMysql9({
    tls: certificates.serverTls,
    extraArgs: [
      '--require-secure-transport=ON',
      '--server-id=1',
      '--log-bin=binlog',
      // A 5.6 replica can not read global transaction ids that it has not switched on, nor newer collations.
      '--gtid-mode=OFF',
      '--enforce-gtid-consistency=OFF',
      '--collation-server=utf8mb4_general_ci',
    ],
  });
  if (isUnavailable(modern)) return modern;
  const old = await startMysql56({ extraArgs: ['--server-id=2'] });
  if (isUnavailable(old)) {
    await modern.stop();
    return old;
  }
  const application = await createAccount(modern, 'application', { requirement: 'X509' });
  const replica = await createAccount(modern, 'replica', {
    requirement: 'X509',
    grant: 'REPLICATION SLAVE ON *.*',
  });
  await modern.sql(
    `CREATE DATABASE shop; CREATE TABLE shop.item ${columns}; CREATE TABLE shop.log ${columns}`,
  );
  await old.sql(`CREATE DATABASE shop; CREATE TABLE shop.log ${columns}`);
  return { old, modern, application, replica };
}

async function startProxy(t: TestContext, { modern }: Setup, options: ProxyOptions): Promise<ProxyUnderTest> {
  const proxy = await startProxyUnderTest({ ...overTls(modern, certificates, 'key pair'), ...options });
  t.after(() => proxy.close());
  return proxy;
}

function legacyClientLeg(): ProxyOptions {
  return {
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
    clientTlsVersion: 'TLSv1,TLSv1.1,TLSv1.2,TLSv1.3',
  };
}

/** The path of a credentials file for one client, which the server knows as the same user or as another. */
function credentialsFor(client: Account, server: Account = client): string {
  const folder = makeTemporaryFolder();
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  write('client.password', client.password);
  write('server.password', server.password);
  return write(
    'credentials.yaml',
    `- user: ${client.user}\n  password-file: client.password\n` +
      `  server-user: ${server.user}\n  server-password-file: server.password\n`,
  );
}

async function coolDown(modern: RealServer): Promise<void> {
  // Not in the binary log: the replica could not read the statement's collation.
  await modern.sql('FLUSH NO_WRITE_TO_BINLOG PRIVILEGES');
}

async function federate(
  old: RealServer,
  schema: string,
  { port }: ProxyUnderTest,
  { user, password }: Account,
): Promise<void> {
  await old.sql(
    `CREATE DATABASE ${schema};
     CREATE SERVER ${schema} FOREIGN DATA WRAPPER mysql
       OPTIONS (HOST '127.0.0.1', PORT ${port}, USER '${user}', PASSWORD '${password}', DATABASE 'shop');
     CREATE TABLE ${schema}.item ${columns} ENGINE=FEDERATED CONNECTION='${schema}/item'`,
  );
}

/** A row that is written on the source arrives at the replica. */
async function replicateOnce(setup: Setup, proxy: ProxyUnderTest, ssl: string): Promise<void> {
  const { old, modern } = setup;
  await pointAt(setup, proxy, ssl);
  await coolDown(modern);
  const id = proxy.port;
  await old.sql('START SLAVE');
  try {
    await modern.sql(
      `SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; INSERT INTO shop.log VALUES (${id}, 'replicated')`,
    );
    const { position } = await binlogEnd(modern);
    const status = await statusWhen(
      old,
      ({ Exec_Master_Log_Pos, Last_IO_Errno, Last_SQL_Errno }) =>
        Exec_Master_Log_Pos === position || Last_IO_Errno !== 0 || Last_SQL_Errno !== 0,
    );
    assert.equal(status['Last_IO_Error'], '');
    assert.equal(status['Last_SQL_Error'], '');
    assert.deepEqual(await old.sql('SELECT * FROM shop.log WHERE id = ?', [id]), [
      { id, name: 'replicated' },
    ]);
  } finally {
    await old.sql('STOP SLAVE');
  }
}

async function pointAt(
  { old, modern, replica }: Setup,
  { port }: ProxyUnderTest,
  ssl: string,
): Promise<void> {
  const { file, position } = await binlogEnd(modern);
  await old.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='${replica.user}',
     MASTER_PASSWORD='${replica.password}', MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position},
     MASTER_CONNECT_RETRY=1, ${ssl}`,
  );
}
