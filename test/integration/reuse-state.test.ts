/** The session on a reused server connection is as new as one on a connection of its own: item by item, on a real server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Connection, createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { orSkip, overTls, stopServer } from './real-server.js';
import { type ReusingProxy, startReusingProxy } from './reuse-setup.js';

const certificates = makeCertificates(makeTemporaryFolder());

interface Item {
  readonly name: string;
  /** What the first client does and leaves behind. */
  readonly leave: readonly string[];
  /** What it and the next one see of that. */
  readonly look: string;
}

const SETTINGS = `SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.session_variables
  WHERE VARIABLE_NAME NOT IN ('pseudo_thread_id', 'timestamp', 'rand_seed1', 'rand_seed2', 'statement_id')
  ORDER BY VARIABLE_NAME`;

const items: readonly Item[] = [
  { name: 'prepared statements', leave: ["PREPARE p FROM 'SELECT 1'"], look: 'EXECUTE p' },
  {
    name: 'temporary tables',
    leave: ['CREATE TEMPORARY TABLE shop.item_t (a INT)'],
    look: 'SELECT * FROM shop.item_t',
  },
  {
    name: 'a temporary table in the place of a table',
    leave: ['CREATE TEMPORARY TABLE shop.item (a INT)'],
    look: 'SELECT * FROM shop.item',
  },
  { name: 'user variables', leave: ["SET @who = 'first'"], look: 'SELECT @who' },
  {
    name: 'session variables, each of them',
    leave: [
      "SET SESSION sort_buffer_size = 65536, time_zone = '+05:00', lc_time_names = 'de_DE', max_execution_time = 7",
      'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY',
      'SET SESSION wait_timeout = 99, net_write_timeout = 98, session_track_gtids = OWN_GTID, autocommit = 0',
      'SET SESSION sql_safe_updates = 1, foreign_key_checks = 0, unique_checks = 0, updatable_views_with_limit = NO',
      "SET SESSION optimizer_switch = 'mrr=off', div_precision_increment = 9",
    ],
    look: SETTINGS,
  },
  { name: 'the character set', leave: ['SET NAMES latin1'], look: "SHOW SESSION VARIABLES LIKE 'c%\\_set%'" },
  {
    name: 'the collation',
    leave: ['SET NAMES utf8mb4 COLLATE utf8mb4_bin'],
    look: "SELECT COLLATION('a'), 'a' = 'A'",
  },
  { name: 'the SQL mode', leave: ["SET sql_mode = 'ANSI_QUOTES'"], look: 'SELECT @@sql_mode' },
  { name: 'the default schema', leave: ['USE shop'], look: 'SELECT DATABASE()' },
  {
    name: 'last_insert_id',
    leave: ['INSERT INTO shop.numbered (a) VALUES (1)'],
    look: 'SELECT LAST_INSERT_ID(), @@identity',
  },
  {
    name: 'insert_id and timestamp',
    leave: ['SET insert_id = 77, timestamp = 1'],
    look: 'SELECT @@insert_id, NOW() > 2000',
  },
  { name: 'warnings', leave: ["SELECT CAST('x' AS SIGNED)"], look: 'SHOW WARNINGS' },
  { name: 'the count of warnings', leave: ["SELECT CAST('x' AS SIGNED)"], look: 'SELECT @@warning_count' },
  {
    name: 'found_rows and row_count',
    leave: ['SELECT SQL_CALC_FOUND_ROWS * FROM shop.item LIMIT 1'],
    look: 'SELECT FOUND_ROWS(), ROW_COUNT()',
  },
  {
    name: 'named locks',
    leave: ["SELECT GET_LOCK('one', 0), GET_LOCK('two', 0)"],
    look: "SELECT IS_FREE_LOCK('one'), IS_FREE_LOCK('two')",
  },
  {
    name: 'locked tables',
    leave: ['LOCK TABLES shop.item READ'],
    look: 'SELECT * FROM shop.numbered LIMIT 0',
  },
  { name: 'open handlers', leave: ['HANDLER shop.item OPEN AS h'], look: 'HANDLER h READ FIRST' },
  { name: 'roles', leave: ['SET ROLE clerk'], look: 'SELECT CURRENT_ROLE()' },
  {
    name: 'statements that were profiled',
    leave: ['SET profiling = 1', "SELECT 'a secret'"],
    look: 'SHOW PROFILES',
  },
  {
    name: 'the next transaction being read only',
    leave: ['SET TRANSACTION READ ONLY'],
    look: 'UPDATE shop.item SET id = id',
  },
  {
    name: 'counters of the session',
    leave: ['CHECKSUM TABLE shop.item', 'SHOW ENGINES'],
    look: "SHOW SESSION STATUS WHERE Variable_name IN ('Com_checksum', 'Com_show_storage_engines')",
  },
];

describe('what a session leaves behind is gone when the next client has its server connection', () => {
  let server: RealServer | Unavailable;
  let proxy: ReusingProxy | undefined;
  let account: Account;
  before(async () => {
    server = await startMysql9({ tls: certificates.serverTls });
    if (isUnavailable(server)) return;
    account = await createAccount(server, 'app');
    await server.sql(`CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY);
      CREATE TABLE shop.numbered (n INT PRIMARY KEY AUTO_INCREMENT, a INT); INSERT INTO shop.item VALUES (1), (2), (3);
      CREATE ROLE clerk; GRANT SELECT ON shop.* TO clerk; GRANT clerk TO app@'%'`);
    proxy = await startReusingProxy(overTls(server, certificates));
    await proxy.warmUp(account);
  });
  after(async () => {
    await proxy?.close();
    await stopServer(server);
  });

  test('the server is found to be safe', (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    const [judgement, ...others] = proxy.judgements;
    assert.equal(judgement?.because, undefined);
    assert.deepEqual(others, []);
  });

  for (const { name, leave, look } of items) {
    test(name, async (t) => {
      const ready = orSkip(t, server);
      if (ready === undefined || proxy === undefined) return;
      const fresh = await onFreshConnection(ready, account, look);
      const dirty = await proxy.visit(account, async (connection) => {
        for (const statement of leave) await connection.query(statement);
        return resultOf(connection, look);
      });
      const first = proxy.latest();
      assert.notDeepEqual(dirty, fresh, 'the first client does not leave what is looked for');
      await proxy.whenKept(1);
      const reused = await proxy.visit(account, (connection) => resultOf(connection, look));
      const second = proxy.latest();
      assert.equal(second.serverConnection, 'reused');
      assert.equal(second.serverThreadId, first.serverThreadId);
      assert.deepEqual(reused, fresh);
      await proxy.whenKept(1);
    });
  }

  test('statements prepared in binary are closed', async (t) => {
    const ready = orSkip(t, server);
    if (ready === undefined || proxy === undefined) return;
    const prepared = async () => {
      const [row] = await ready.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
      return Number(row?.['Value']);
    };
    const during = await proxy.visit(account, async (connection) => {
      for (let n = 0; n < 3; n++) await connection.execute(`SELECT ? + ${n}`, [1]);
      return prepared();
    });
    assert.equal(during, 3);
    await proxy.whenKept(1);
    assert.equal(await prepared(), 0);
  });

  test('attributes are those of the new client', async (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    const look = `SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs
      WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME IN ('desk', 'till')`;
    const attributesWith = (connectAttributes: Record<string, string>) =>
      proxy?.visit(account, (connection) => resultOf(connection, look), { connectAttributes });
    assert.deepEqual(await attributesWith({ desk: 'one' }), [{ ATTR_NAME: 'desk', ATTR_VALUE: 'one' }]);
    await proxy.whenKept(1);
    assert.deepEqual(await attributesWith({ till: 'two' }), [{ ATTR_NAME: 'till', ATTR_VALUE: 'two' }]);
    assert.equal(proxy.latest().serverConnection, 'reused');
    await proxy.whenKept(1);
  });

  test('schema and character set are those of the new login', async (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    const look = 'SELECT DATABASE(), @@character_set_client, @@collation_connection';
    const seen = [];
    for (const options of [
      { database: 'shop', charset: 'latin1_swedish_ci' },
      { charset: 'UTF8MB4_BIN' },
      { database: 'mysql' },
    ]) {
      seen.push(await proxy.visit(account, (connection) => resultOf(connection, look), options));
      await proxy.whenKept(1);
    }
    assert.deepEqual(
      seen.map((rows) => Object.values((rows as object[])[0] ?? {})),
      [
        ['shop', 'latin1', 'latin1_swedish_ci'],
        [null, 'utf8mb4', 'utf8mb4_bin'],
        ['mysql', 'utf8mb4', 'utf8mb4_unicode_ci'],
      ],
    );
    assert.equal(proxy.latest().serverConnection, 'reused');
  });

  const locks = [
    { name: 'GET_LOCK', take: "SELECT GET_LOCK('job', 0)", need: "SELECT GET_LOCK('job', 0) AS got" },
    {
      name: 'LOCK TABLES',
      take: 'LOCK TABLES shop.item WRITE',
      need: 'SELECT COUNT(*) = 3 AS got FROM shop.item',
    },
    {
      name: 'FLUSH TABLES WITH READ LOCK',
      take: 'FLUSH TABLES WITH READ LOCK',
      need: 'INSERT INTO shop.numbered (a) VALUES (5); SELECT 1 AS got',
    },
    {
      name: 'LOCK INSTANCE FOR BACKUP',
      take: 'LOCK INSTANCE FOR BACKUP',
      need: 'CREATE TABLE shop.t1 (a INT); DROP TABLE shop.t1; SELECT 1 AS got',
    },
  ];
  for (const { name, take, need } of locks) {
    test(`${name}: nobody waits for a client that has gone`, async (t) => {
      const ready = orSkip(t, server);
      if (ready === undefined || proxy === undefined) return;
      await proxy.visit(account, (connection) => connection.query(take));
      await proxy.whenKept(1);
      const [row] = await ready.sql(`SET SESSION lock_wait_timeout = 2; ${need}`);
      assert.equal(Number(row?.['got']), 1);
    });
  }
});

/** Not through the proxy. */
async function onFreshConnection(
  { host, port }: RealServer,
  account: Account,
  look: string,
): Promise<unknown> {
  const ssl = { ca: certificates.ca.certificate };
  const connection = await createConnection({ host, port, ...account, ssl });
  try {
    return await resultOf(connection, look);
  } finally {
    await connection.end();
  }
}

/** Rows, or the number of the error. */
async function resultOf(connection: Connection, sql: string): Promise<unknown> {
  try {
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? rows : 'done';
  } catch (error) {
    // Behind an error nothing is known of a transaction, and the connection would not be kept.
    await connection.query('DO 0');
    return (error as { errno?: number }).errno;
  }
}
