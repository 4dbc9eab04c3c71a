/** The genuine 5.6 client library, which speaks no TLS 1.2, reads and writes a table of a server that refuses plaintext. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMariadb, startMysql56 } from '../support/servers.js';
import { type Account, createAccount, type Requirement } from './accounts.js';
import { startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, type ServerLegMode, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const columns = '(id INT PRIMARY KEY, name VARCHAR(40), price DECIMAL(8,2), note MEDIUMTEXT)';
const rows = [
  { id: 1, name: 'anvil', price: '19.99', note: null },
  { id: 2, name: 'Gießkanne', price: '7.50', note: 'x'.repeat(70_000) },
  { id: 3, name: '', price: '-0.01', note: 'tab\tand newline\n' },
];
const modes: readonly { mode: ServerLegMode; requirement: Requirement }[] = [
  { mode: 'key pair', requirement: 'X509' },
  { mode: 'server-only', requirement: 'SSL' },
  { mode: 'server-only', requirement: 'NONE' },
];

interface Servers {
  /** Has the FEDERATED engine, and with it the client library. */
  readonly old: RealServer;
  readonly modern: RealServer;
}

describe('a FEDERATED table of MySQL 5.6 on MariaDB', () => {
  let servers: Servers | Unavailable;
  before(async () => {
    servers = await startBoth();
  });
  after(async () => {
    if (isUnavailable(servers)) return;
    await stopServer(servers.old);
    await stopServer(servers.modern);
  });

  for (const { mode, requirement } of modes) {
    test(`server leg with ${mode}, account with REQUIRE ${requirement}`, async (t) => {
      const both = orSkip(t, servers);
      if (both === undefined) return;
      const { old, modern } = both;
      const account = await createAccount(modern, `federated_${requirement}`, { requirement });
      const proxy = await startProxyUnderTest(overTls(modern, certificates, mode));
      t.after(() => proxy.close());
      await modern.sql('DELETE FROM shop.item');
      for (const row of rows.slice(0, 2))
        await modern.sql('INSERT INTO shop.item VALUES (?)', [Object.values(row)]);

      await federate(old, 'direct', modern.port, account);
      // MariaDB says no more than that to a login without TLS.
      await assert.rejects(old.sql('SELECT * FROM shop.direct'), { message: /Access denied for user/ });

      await federate(old, 'proxied', proxy.port, account);
      assert.deepEqual(await old.sql('SELECT * FROM shop.proxied ORDER BY id'), rows.slice(0, 2));
      for (const row of rows.slice(2))
        await old.sql('INSERT INTO shop.proxied VALUES (?)', [Object.values(row)]);
      assert.deepEqual(await modern.sql('SELECT * FROM shop.item ORDER BY id'), rows);
      assert.deepEqual(await old.sql('SELECT * FROM shop.proxied ORDER BY id'), rows);

      const [connection] = proxy.established;
      assert.equal(connection?.clientTls.version, 'none');
      assert.equal(connection?.serverTls.version, 'TLSv1.3');
    });
  }
});

async function federate(server: RealServer, table: string, port: number, account: Account): Promise<void> {
  await server.sql(
    `DROP TABLE IF EXISTS shop.${table}; DROP SERVER IF EXISTS ${table};
     CREATE SERVER ${table} FOREIGN DATA WRAPPER mysql
       OPTIONS (HOST '127.0.0.1', PORT ${port}, USER '${account.user}', PASSWORD '${account.password}', DATABASE 'shop');
     CREATE TABLE shop.${table} ${columns} ENGINE=FEDERATED DEFAULT CHARSET=utf8mb4 CONNECTION='${table}/item'`,
  );
}

async function startBoth(): Promise<Servers | Unavailable> {
  const modern = await startMariadb({
    tls: certificates.serverTls,
    extraArgs: ['--require-secure-transport=ON'],
  });
  if (isUnavailable(modern)) return modern;
  const old = await startMysql56();
  if (isUnavailable(old)) {
    await modern.stop();
    return old;
  }
  for (const { sql } of [old, modern]) await sql('CREATE DATABASE shop');
  await modern.sql(`CREATE TABLE shop.item ${columns} DEFAULT CHARSET=utf8mb4`);
  return { old, modern };
}
