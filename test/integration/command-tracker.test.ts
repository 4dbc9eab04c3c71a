/** What real clients and servers say to each other in the command phase, and whether the tracker understands all of it. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import type { CommandTracker } from '../../src/wire/command-tracker.js';
import { mariadbCli, mysqlCli } from '../support/clients.js';
import {
  bytes,
  command,
  DEPRECATE_EOF,
  OPTIONAL_METADATA,
  packet,
  packets,
} from '../support/command-phase.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql56, startServer } from '../support/servers.js';
import { RawClient, type RawClientOptions } from './command-phase-client.js';
import { nameOf, orSkip, stopServer } from './real-server.js';
import { type RelayedConnection, startTrackedRelay, type TrackedRelay } from './tracked-relay.js';

interface Setup {
  readonly server: RealServer;
  readonly relay: TrackedRelay;
}

const user = 'app';
const megabyte = 1024 * 1024;
const query = (sql: string) => command(0x03, sql);
const ping = command(0x0e);

for (const kind of ['mysql56', 'mysql9', 'mariadb'] as const) {
  describe(`the tracker between clients and ${nameOf[kind]}`, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      await setup.relay.close();
      await stopServer(setup.server);
    });

    test('mysql2: statements, errors, several results, large rows, procedures', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { connection, tracker } = await openMysql2(ready);
      t.after(() => connection.destroy());
      const statements: readonly [sql: string, fails?: 'fails'][] = [
        ['SELECT 1'],
        ['SELECT NULL, 1 UNION ALL SELECT 2, NULL'],
        ['DO 1'],
        ['SELECT 1 FROM nowhere', 'fails'],
        ['SELECT 1; DO 2; SELECT NULL; SELECT * FROM item WHERE 1 = 0'],
        ['SELECT 1; SELECT 2 FROM nowhere; SELECT 3', 'fails'],
        ['SELECT id, (SELECT id FROM item) FROM item', 'fails'],
        ['CALL several_results()'],
        ['SELECT 0; CALL several_results(); SELECT 1'],
        ['CALL fails_in_the_middle()', 'fails'],
        [`SELECT REPEAT('x', ${17 * megabyte}) UNION ALL SELECT NULL`],
        [`SELECT 1, REPEAT('x', ${0xffffff - 6}) UNION ALL SELECT 2, 'y'`],
        [`SELECT REPEAT('x', ${0xffffff - 4}); SELECT REPEAT('y', ${0xffffff - 5}); SELECT 1`],
        [`SELECT LENGTH('${'x'.repeat(17 * megabyte)}')`],
        [`SELECT ${Array.from({ length: 300 }, (_, index) => index).join(', ')}`],
        ['SELECT a.id FROM item a, item b, item c, item d'],
        ['SHOW WARNINGS'],
        ['ALTER TABLE item ENGINE=InnoDB'],
        ['LOAD DATA LOCAL INFILE "never asked for" INTO TABLE nowhere', 'fails'],
      ];
      for (const [sql, fails] of statements) {
        const answered = connection.query(sql);
        if (fails) await assert.rejects(answered, sql.slice(0, 60));
        else await answered;
        assertIdle(tracker, sql.slice(0, 60));
      }
    });

    test('mysql2: prepared statements', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { connection, tracker } = await openMysql2(ready);
      t.after(() => connection.destroy());
      const statements: readonly [
        sql: string,
        values: readonly (string | number | null)[],
        fails?: 'fails',
      ][] = [
        ['SELECT 1', []],
        ['SELECT ?, ?, id FROM item', ['a', null]],
        ['INSERT INTO item VALUES (?, ?)', [100, 'x'.repeat(1000)]],
        ['DO 1', []],
        ['DO ?', [1]],
        ['SELECT ?', ['x'.repeat(17 * megabyte)]],
        ['SELECT 1 FROM nowhere', [], 'fails'],
        ['INSERT INTO item VALUES (?, ?)', [100, 'again'], 'fails'],
        ['CALL several_results()', []],
        ['CALL fails_in_the_middle()', [], 'fails'],
      ];
      for (const [sql, values, fails] of statements) {
        const answered = connection.execute(sql, [...values]);
        if (fails) await assert.rejects(answered, sql);
        else await answered;
        assertIdle(tracker, sql);
        connection.unprepare(sql);
        await connection.ping();
        assertIdle(tracker, `${sql}, closed`);
      }
    });

    test('mysql2: uploads, alone and among other statements', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { connection, tracker } = await openMysql2(ready);
      t.after(() => connection.destroy());
      const load = "LOAD DATA LOCAL INFILE 'lines' INTO TABLE line";
      const uploads: readonly [sql: string, pieces: readonly Buffer[]][] = [
        [load, [Buffer.from('1\tone\n')]],
        [load, []],
        [`SELECT NULL; ${load}; SELECT 1`, [Buffer.from('1\tone\n'), Buffer.from('2\ttwo\n')]],
        // Each is a packet of its own, so some have sequence id 0, and would be COM_CHANGE_USER as commands.
        [load, Array.from({ length: 600 }, () => Buffer.from('\x11app\0\n'))],
        [load, Array.from({ length: 20 }, () => Buffer.from(`3\t${'x'.repeat(megabyte)}\n`))],
      ];
      for (const [sql, pieces] of uploads) {
        await connection.query({ sql, infileStreamFactory: () => Readable.from(pieces) });
        assertIdle(tracker, sql);
        await connection.ping();
        assertIdle(tracker, sql);
      }
    });

    test('mysql2: busy until the reply is there', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { connection, tracker } = await openMysql2(ready);
      t.after(() => connection.destroy());
      const answered = connection.query('SELECT SLEEP(0.3)');
      await delay(150);
      assert.equal(tracker.isIdle, false);
      assert.equal(tracker.isLost, false);
      await answered;
      assertIdle(tracker, 'SLEEP');
    });

    test('mysql2: a change of user is held back', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { connection, tracker } = await openMysql2(ready);
      t.after(() => connection.destroy());
      await connection.query('SELECT 1');
      connection.changeUser({ user }).catch(() => {});
      while (!tracker.isAtChangeUser) await delay(1);
      assert.equal(tracker.isIdle, true);
      assert.equal(tracker.isLost, false);
    });

    for (const [name, cli, ...ownArgs] of [
      // Without it the newest ones know none of their own commands in a script.
      ['mysql', mysqlCli, '--commands'],
      ['mariadb', mariadbCli],
    ] as const) {
      test(`the ${name} CLI`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { port } = ready.relay;
        // Each asks for other things: COM_FIELD_LIST for names to complete, metadata, statistics, warnings.
        for (const extraArgs of [
          [],
          ['--column-type-info', '--table'],
          ['--auto-rehash', '--show-warnings'],
          ['--quick', '--force'],
        ]) {
          const forces = extraArgs.includes('--force');
          const lines = [
            'SELECT 1; SELECT * FROM item; DO 1; CALL several_results();',
            "PREPARE p FROM 'SELECT ?'; SET @a = 1; EXECUTE p USING @a; EXECUTE p USING @a; DEALLOCATE PREPARE p;",
            '\\s',
            '\\u shop',
            "SELECT 1/0; SELECT REPEAT('x', 17000000);",
            'delimiter //',
            'SELECT 1; SELECT NULL; CALL several_results(); //',
            'delimiter ;',
            ...(forces ? ['SELECT 1 FROM nowhere; CALL fails_in_the_middle();'] : []),
            'SELECT 2;',
          ];
          const result = await cli(
            {
              host: '127.0.0.1',
              port,
              user,
              database: 'shop',
              tls: 'off',
              extraArgs: [...ownArgs, ...extraArgs, '--local-infile=1', '--max-allowed-packet=64M'],
            },
            lines.join('\n'),
          );
          const ran = orSkip(t, result);
          if (ran === undefined) return;
          assert.equal(ran.code, forces ? 1 : 0, ran.stderr);
          const { tracker, sentWhileBusy } = latest(ready.relay);
          assertIdle(tracker, extraArgs.join(' '));
          assert.equal(sentWhileBusy, 0);
        }
      });
    }

    const plugin = kind === 'mysql9' ? 'caching_sha2_password' : 'mysql_native_password';
    for (const flags of kind === 'mysql56' ? [0] : [0, DEPRECATE_EOF]) {
      test(`commands that few clients use, ${flags === 0 ? 'with EOF' : 'without EOF'} packets`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { client, tracker } = await openRaw(ready, { user, plugin, flags });
        t.after(() => client.close());
        const prepare = async (sql: string): Promise<Buffer> => {
          const reply = await assertAnswered(client, tracker, command(0x16, sql));
          return reply.subarray(5, 9);
        };
        const sent: Buffer[] = [
          command(0x02, 'shop'),
          command(0x02, 'nowhere'),
          command(0x04, 'item\0'),
          command(0x04, 'nowhere\0'),
          command(0x09),
          command(0x0a),
          command(0x0d),
          command(0x1b, '\x01\0'),
          command(0x1b, '\x00\0'),
          command(0x1b, '\x07\0'),
          command(0x1f),
          command(0x02, 'shop'),
          command(0x00),
          command(0x0f),
          command(0x7b, 'unknown'),
          command(0x0c, '\x7f\x7f\x7f\x7f'),
          packet(0, ''),
          command(0x03),
          command(0x16, 'not SQL'),
          command(0x17, '\x7f\0\0\0\0\x01\0\0\0'),
          command(0x1a, '\x7f\0\0\0'),
          command(0x1c, '\x7f\0\0\0\x01\0\0\0'),
          command(0x13, '\x04shop\x04item'),
          command(0x15, 'x'),
          Buffer.concat([command(0x19, '\x7f\0\0\0'), command(0x18, '\x7f\0\0\0\0\0x'), ping]),
        ];
        for (const bytes of sent) await assertAnswered(client, tracker, bytes);

        const id = await prepare('SELECT id, name FROM item ORDER BY id');
        const withId = (code: number, rest: Buffer) => packet(0, Buffer.concat([bytes(code), id, rest]));
        const openCursor = withId(0x17, bytes(1, 1, 0, 0, 0));
        const fetchTwo = withId(0x1c, bytes(2, 0, 0, 0));
        await assertAnswered(client, tracker, withId(0x17, bytes(0, 1, 0, 0, 0)));
        await assertAnswered(client, tracker, openCursor);
        await assertAnswered(client, tracker, fetchTwo);
        await assertAnswered(client, tracker, query('SELECT id FROM item'));
        for (let fetches = 0; fetches < 5; fetches++) await assertAnswered(client, tracker, fetchTwo);
        await assertAnswered(client, tracker, openCursor);
        await assertAnswered(
          client,
          tracker,
          Buffer.concat([fetchTwo, withId(0x1a, bytes()), fetchTwo, openCursor, fetchTwo]),
        );
        for (const sql of [
          'CALL several_results()',
          'DO 1',
          'SHOW TABLES',
          'INSERT INTO item SELECT 500 + RAND() * 1e9, 1',
        ]) {
          const other = await prepare(sql);
          await assertAnswered(
            client,
            tracker,
            packet(0, Buffer.concat([bytes(0x17), other, bytes(1, 1, 0, 0, 0)])),
          );
        }
        await assertAnswered(
          client,
          tracker,
          Buffer.concat([
            query('SELECT 1; SELECT NULL'),
            command(0x16, 'SELECT ?'),
            ping,
            query('no SQL'),
            command(0x09),
          ]),
        );
      });
    }

    test('a file that has been asked for', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { client, tracker } = await openRaw(ready, { user, plugin });
      t.after(() => client.close());
      const load = query("SET sql_mode = ''; LOAD DATA LOCAL INFILE 'f' INTO TABLE shop.line; SELECT NULL");
      const uploads = [
        packet(3, ''),
        packets(3, '1\tx\n', '\x11x\n', ''),
        Buffer.concat([packet(3, Buffer.from(`1\t${'x'.repeat(0xffffff - 3)}\n`)), packet(5, '')]),
        packets(3, ...Array.from({ length: 600 }, () => '\x11'), ''),
      ];
      for (const upload of uploads) {
        client.send(load);
        await client.until((received) => received.includes('\xfbf', 0, 'latin1'));
        client.take();
        assert.equal(tracker.isIdle, false);
        await assertAnswered(client, tracker, upload);
      }
    });

    test('a statement that is killed, and one that is too large', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { client, tracker } = await openRaw(ready, { user, plugin });
      t.after(() => client.close());
      const reply = await assertAnswered(client, tracker, query('SELECT CONNECTION_ID()'));
      const thread = /(\d+)[^\d]*$/.exec(reply.subarray(0, -5).toString('latin1'))?.[1];
      const manyRows = 'FROM shop.item a, shop.item b, shop.item c, shop.item d';
      client.send(query(`SELECT REPEAT('x', 1000), SLEEP(0.002) ${manyRows}`));
      await client.until((received) => received.length > 100_000);
      await ready.server.sql(`KILL QUERY ${thread}`);
      await until(() => tracker.isIdle);
      // What the tracker has seen last may still be on its way to the client.
      await delay(200);
      await assertAnswered(client, tracker, ping);
      assert.equal(tracker.isLost, false);
      client.take();
      client.send(query("LOAD DATA LOCAL INFILE 'f' INTO TABLE shop.line"));
      await client.until((received) => received.length > 0);
      client.take();
      client.send(packets(2, '1\tx\n', '2\tx\n'));
      await ready.server.sql(`KILL QUERY ${thread}`);
      await delay(200);
      assert.equal(client.take().length, 0, 'the server reads the file to its end');
      assert.equal(tracker.isLost, false);
      await assertAnswered(client, tracker, packets(4, '3\tx\n', ''));
      // 70 MB, where 64 are allowed: the server may close the connection, too.
      client.send(packet(0, Buffer.alloc(70 * megabyte, 0x03)));
      await client.until((received) => received.length > 10).catch(() => {});
      assert.equal(tracker.isLost, false);
    });

    test('a connection that is closed by the server', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { client, tracker } = await openRaw(ready, { user, plugin });
      t.after(() => client.close());
      await assertAnswered(client, tracker, query('SET SESSION wait_timeout = 1'));
      await delay(1500);
      assertIdle(tracker, client.take().toString('latin1'));
    });

    if (kind === 'mysql9') {
      test('definitions that the client can do without', async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        for (const flags of [OPTIONAL_METADATA, OPTIONAL_METADATA | DEPRECATE_EOF]) {
          const { client, tracker } = await openRaw(ready, { user, plugin, flags });
          t.after(() => client.close());
          for (const setting of ['FULL', 'NONE']) {
            await assertAnswered(client, tracker, query(`SET resultset_metadata = ${setting}`));
            await assertAnswered(
              client,
              tracker,
              query('SELECT 1; SELECT id, name FROM shop.item; SELECT NULL'),
            );
            const prepared = await assertAnswered(
              client,
              tracker,
              command(0x16, 'SELECT ?, id FROM shop.item'),
            );
            assert.ok(prepared.includes('def') === (setting === 'FULL'), 'the setting has an effect');
            const statement = await assertAnswered(
              client,
              tracker,
              command(0x16, 'SELECT id FROM shop.item'),
            );
            const id = statement.subarray(5, 9);
            for (const cursor of [0, 1]) {
              await assertAnswered(
                client,
                tracker,
                packet(0, Buffer.concat([bytes(0x17), id, bytes(cursor, 1, 0, 0, 0)])),
              );
            }
            await assertAnswered(
              client,
              tracker,
              packet(0, Buffer.concat([bytes(0x1c), id, bytes(2, 0, 0, 0)])),
            );
            await assertAnswered(client, tracker, query('CALL shop.several_results()'));
          }
        }
      });
    }

    if (kind === 'mariadb') {
      test('progress reports, and metadata that the client keeps', async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const PROGRESS = 0x1;
        const BULK = 0x4;
        const CACHE_METADATA = 0x10;
        for (const flags of [0, DEPRECATE_EOF]) {
          const { client, tracker } = await openRaw(ready, {
            user,
            plugin,
            flags,
            mariadbFlags: PROGRESS | BULK | CACHE_METADATA,
          });
          t.after(() => client.close());
          await assertAnswered(client, tracker, query('SET progress_report_time = 1'));
          const altered = await assertAnswered(
            client,
            tracker,
            query(
              'ALTER TABLE shop.many ADD COLUMN more INT DEFAULT 1, ALGORITHM=COPY; ALTER TABLE shop.many DROP COLUMN more, ALGORITHM=COPY; SELECT 1',
            ),
          );
          assert.ok(altered.includes('\xff\xff\xff', 0, 'latin1'), 'there was a report');
          const prepared = await assertAnswered(
            client,
            tracker,
            command(0x16, 'SELECT id, name FROM shop.item WHERE id > ?'),
          );
          const id = prepared.subarray(5, 9);
          const executed: Buffer[] = [];
          for (const cursor of [0, 0, 0, 1, 1]) {
            const execute = Buffer.concat([
              bytes(0x17),
              id,
              bytes(cursor, 1, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0),
            ]);
            executed.push(await assertAnswered(client, tracker, packet(0, execute)));
          }
          const without = executed.filter((reply) => !reply.includes('\x03def'));
          assert.ok(without.length > 0, 'definitions were left out');
          const direct = bytes(0xff, 0xff, 0xff, 0xff);
          await assertAnswered(
            client,
            tracker,
            Buffer.concat([
              command(0x16, 'SELECT id FROM shop.item'),
              packet(0, Buffer.concat([bytes(0x17), direct, bytes(0, 1, 0, 0, 0)])),
              packet(0, Buffer.concat([bytes(0x19), direct])),
              command(0x16, 'SELECT id FROM shop.nowhere'),
              packet(0, Buffer.concat([bytes(0x17), direct, bytes(0, 1, 0, 0, 0)])),
            ]),
          );
          const insert = await assertAnswered(
            client,
            tracker,
            command(0x16, 'INSERT INTO shop.line VALUES (?, 1)'),
          );
          const bulk = Buffer.concat([
            bytes(0xfa),
            insert.subarray(5, 9),
            bytes(128, 0, 3, 0),
            bytes(0, 1, 0, 0, 0),
            bytes(0, 2, 0, 0, 0),
          ]);
          await assertAnswered(client, tracker, packet(0, bulk));
        }
      });
    }
  });
}

test('a replica that pulls the binary log', async (t) => {
  const args = ['--binlog-format=ROW'];
  const source = orSkip(
    t,
    await startMysql56({ extraArgs: ['--server-id=1', '--log-bin=source-bin', ...args] }),
  );
  if (source === undefined) return;
  t.after(() => stopServer(source));
  const replica = orSkip(t, await startMysql56({ extraArgs: ['--server-id=2', ...args] }));
  if (replica === undefined) return;
  t.after(() => stopServer(replica));
  const relay = await startTrackedRelay(source);
  t.after(() => relay.close());
  await source.sql("CREATE USER 'replica'@'%'; GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%'");
  await source.sql("CREATE USER 'app'@'%'; CREATE DATABASE shop");
  await replica.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${relay.port}, MASTER_USER='replica', MASTER_CONNECT_RETRY=1`,
  );
  await replica.sql('START SLAVE');
  await until(() => relay.connections.some(({ tracker }) => tracker?.isStream));
  await source.sql('CREATE TABLE shop.late (id INT)');
  await until(
    async () => (await replica.sql("SHOW TABLES FROM shop LIKE 'late'").catch(() => [])).length > 0,
  );
  assert.equal(latest(relay).tracker.isLost, false);

  // One that may not: the connection ends, or goes on without a stream.
  const client = await RawClient.open(relay.port, { user, plugin: 'mysql_native_password' });
  t.after(() => client.close());
  client.send(command(0x12, '\x04\0\0\0\0\0\x63\0\0\0'));
  await client.until((received) => received[4] === 0xff);
  assertIdle(latest(relay).tracker, 'a refused dump');
});

async function prepare(kind: RealServer['kind']): Promise<Setup | Unavailable> {
  const server = await startServer(kind, { extraArgs: ['--local-infile=1'] });
  if (isUnavailable(server)) return server;
  await server.sql(`CREATE USER '${user}'@'%'`);
  await server.sql(`GRANT ALL ON *.* TO '${user}'@'%'`);
  await server.sql(`CREATE DATABASE shop; USE shop;
    CREATE TABLE item (id INT PRIMARY KEY, name TEXT); CREATE TABLE line (id INT, text LONGTEXT) ENGINE=MyISAM;
    INSERT INTO item VALUES (1, 'one'), (2, NULL), (3, ''), (4, 'four'), (5, 'five'), (6, 'six'), (7, 'seven');
    CREATE PROCEDURE several_results() BEGIN SELECT 1; SELECT NULL, 2; DO 3; SELECT id FROM item WHERE 1 = 0; END;
    CREATE PROCEDURE fails_in_the_middle() BEGIN SELECT 1; SELECT 1 FROM nowhere; SELECT 2; END`);
  if (kind === 'mariadb') {
    await server.sql('CREATE TABLE shop.many (id INT, filler CHAR(200)) ENGINE=InnoDB');
    await server.sql("INSERT INTO shop.many SELECT seq, REPEAT('x', 200) FROM shop.seq_1_to_400000");
  }
  return { server, relay: await startTrackedRelay(server) };
}

function latest({ connections }: TrackedRelay): RelayedConnection & { tracker: CommandTracker } {
  const connection = connections.at(-1);
  assert.ok(connection?.tracker, 'logged in');
  return connection as RelayedConnection & { tracker: CommandTracker };
}

function assertIdle(tracker: CommandTracker, after: string): void {
  const { isIdle, isLost, isStream, isAtChangeUser } = tracker;
  const expected = { isIdle: true, isLost: false, isStream: false, isAtChangeUser: false };
  assert.deepEqual({ isIdle, isLost, isStream, isAtChangeUser }, expected, after);
}

async function openMysql2({ relay }: Setup): Promise<{ connection: Connection; tracker: CommandTracker }> {
  const { host, port } = relay;
  const connection = await createConnection({ host, port, user, database: 'shop', multipleStatements: true });
  return { connection, tracker: latest(relay).tracker };
}

async function openRaw(
  { relay }: Setup,
  options: RawClientOptions,
): Promise<{ client: RawClient; tracker: CommandTracker }> {
  const client = await RawClient.open(relay.port, options);
  return { client, tracker: latest(relay).tracker };
}

/** Sends, waits until the tracker says that all is answered, and sees from the next reply that nothing was missing then. */
async function assertAnswered(client: RawClient, tracker: CommandTracker, sent: Buffer): Promise<Buffer> {
  const what = sent.subarray(0, 60).toString('latin1');
  client.send(sent);
  await client.until((received) => received.length > 0);
  await until(() => tracker.isIdle || tracker.isLost);
  assertIdle(tracker, what);
  await delay(5);
  const reply = client.take();
  client.send(ping);
  await client.until((received) => received.length >= 11);
  await until(() => tracker.isIdle || tracker.isLost);
  await delay(2);
  assertIdle(tracker, `a ping after ${what}`);
  const pong = client.take();
  assert.equal(pong.subarray(0, 7).toString('hex'), '07000001000000', `${what}: ${pong.toString('latin1')}`);
  assert.equal(pong.length, 11, what);
  return reply;
}

async function until(isSo: () => boolean | undefined | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, 'waited in vain');
    await delay(1);
  }
}
