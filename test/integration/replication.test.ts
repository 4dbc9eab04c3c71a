/** A 5.6 replica without TLS pulls the binary log of a source whose replication account has REQUIRE SSL. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, type Row, startMysql56 } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
/** In row format a row is one event, and an event of more than 16 MB takes more than one packet. */
const largeRowLength = 20 * 1024 * 1024;
const bothArgs = ['--binlog-format=ROW', '--slave-max-allowed-packet=64M', '--slave-net-timeout=600'];

interface Setup {
  readonly source: RealServer;
  readonly replica: RealServer;
  readonly proxy: ProxyUnderTest;
  readonly account: Account;
}

describe('replication of MySQL 5.6 through the proxy', () => {
  let setup: Setup | Unavailable;
  before(async () => {
    setup = await prepare();
  });
  after(async () => {
    if (isUnavailable(setup)) return;
    await stopServer(setup.replica);
    await setup.proxy.close();
    await stopServer(setup.source);
  });

  test('the source refuses the replica without the proxy', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { source, replica, account } = ready;
    await pointAt(replica, source.port, account);
    await replica.sql('START SLAVE');
    const status = await statusWhen(replica, ({ Last_IO_Errno }) => Last_IO_Errno !== 0);
    assert.equal(status['Last_IO_Errno'], 1045);
    await replica.sql('STOP SLAVE');
  });

  test('rows arrive, one of more than 16 MB among them', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { source, replica, proxy, account } = ready;
    await pointAt(replica, proxy.port, account);
    await replica.sql('START SLAVE');
    await source.sql("INSERT INTO shop.item VALUES (1, 'first'), (2, NULL)");
    await source.sql(`INSERT INTO shop.item SELECT 3, REPEAT('0123456789abcdef', ${largeRowLength / 16})`);
    await assertCaughtUp(ready);
    const [row] = await replica.sql('SELECT LENGTH(note) AS length FROM shop.item WHERE id = 3');
    assert.equal(row?.['length'], largeRowLength);
    const [connection] = proxy.established;
    assert.equal(connection?.clientTls.version, 'none');
    assert.equal(connection?.serverTls.version, 'TLSv1');
  });

  test('a replica that was stopped goes on where it was', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { source, replica, proxy } = ready;
    await replica.sql('STOP SLAVE');
    await source.sql("UPDATE shop.item SET note = 'second' WHERE id = 2");
    const before = proxy.established.length;
    await replica.sql('START SLAVE');
    await source.sql("INSERT INTO shop.item VALUES (4, 'last')");
    await assertCaughtUp(ready);
    assert.equal(proxy.established.length, before + 1);
  });

  test('a replica whose connection is killed on the source comes back', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { source, proxy } = ready;
    const before = proxy.established.length;
    const [dump] = await source.sql(
      "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'",
    );
    assert.equal(dump?.['id'], proxy.established.at(-1)?.serverThreadId);
    await source.sql(`KILL ${dump?.['id']}`);
    await source.sql("INSERT INTO shop.item VALUES (5, 'after the kill')");
    await assertCaughtUp(ready);
    assert.equal(proxy.established.length, before + 1);
  });
});

async function prepare(): Promise<Setup | Unavailable> {
  const source = await startMysql56({
    tls: certificates.serverTls,
    extraArgs: ['--server-id=1', '--log-bin=source-bin', ...bothArgs],
  });
  if (isUnavailable(source)) return source;
  const replica = await startMysql56({ extraArgs: ['--server-id=2', ...bothArgs] });
  if (isUnavailable(replica)) {
    await source.stop();
    return replica;
  }
  const account = await createAccount(source, 'replica', {
    requirement: 'SSL',
    grant: 'REPLICATION SLAVE ON *.*',
  });
  // MyISAM: the redo log of InnoDB is too small for the large row.
  await source.sql(
    'CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, note LONGTEXT) ENGINE=MyISAM',
  );
  // The version itself instead of the profile: that is to work as well.
  const tls = { serverTlsProfile: undefined, serverTlsVersion: 'TLSv1' } as const;
  const proxy = await startProxyUnderTest({ ...overTls(source, certificates), ...tls });
  return { source, replica, proxy, account };
}

async function pointAt(replica: RealServer, port: number, { user, password }: Account): Promise<void> {
  await replica.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='${user}',
     MASTER_PASSWORD='${password}', MASTER_SSL=0, MASTER_CONNECT_RETRY=1`,
  );
}

async function statusWhen(replica: RealServer, isThere: (status: Row) => boolean): Promise<Row> {
  for (;;) {
    const [status = {}] = await replica.sql('SHOW SLAVE STATUS');
    if (isThere(status)) return status;
    await delay(50);
  }
}

/** Waits until the replica has read and applied all that the source has written, and compares the tables. */
async function assertCaughtUp({ source, replica }: Setup): Promise<void> {
  const [end] = await source.sql('SHOW MASTER STATUS');
  const status = await statusWhen(
    replica,
    ({ Relay_Master_Log_File, Exec_Master_Log_Pos, Last_SQL_Errno }) =>
      Last_SQL_Errno !== 0 ||
      (Relay_Master_Log_File === end?.['File'] && Exec_Master_Log_Pos === end?.['Position']),
  );
  assert.equal(status['Last_SQL_Error'], '');
  assert.equal(status['Slave_IO_Running'], 'Yes');
  assert.equal(status['Master_SSL_Allowed'], 'No');
  const content = 'SELECT id, MD5(note) AS note FROM shop.item ORDER BY id';
  assert.deepEqual(await replica.sql(content), await source.sql(content));
}
