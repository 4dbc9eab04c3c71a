/** Records sessions of real clients with a real MySQL 9. Nothing of it is kept on the disk: it holds scrambles. */
import { Readable } from 'node:stream';
import { createConnection as connectMariadb } from 'mariadb';
import { type Connection, createConnection } from 'mysql2/promise';
import { decodeGreeting } from '../../src/wire/greeting.js';
import { type RecordingRelay, startRecordingRelay, type Turn } from '../../test/support/recording-relay.js';
import { packetsOf, type Traffic } from './traffic.js';

export interface RecordedServer {
  readonly host: string;
  readonly port: number;
  sql(statements: string): Promise<unknown>;
}

export interface Recorded {
  readonly traffic: readonly Traffic[];
  /** A login in plaintext, for which the password was encrypted with the server's key. */
  readonly login: readonly Turn[];
}

const user = 'bench';
const schema = 'bench';
/** Of an account of a server that lives as long as the recording. */
const password = 'only for the recording';

const ITEMS = 1000;
const POINT_SELECTS = 300;
const EXECUTIONS = 300;
const PINGS = 300;
const LARGE_VALUES = 2;
const UPLOADED_BYTES = 1024 * 1024;

export async function recordTraffic(server: RecordedServer): Promise<Recorded> {
  await prepare(server);
  const relay = await startRecordingRelay(server);
  try {
    const mysql2 = await openMysql2(relay);
    const ofMysql2 = (name: string, work: () => Promise<void>) =>
      recordWork(relay, name, capabilitiesOf(mysql2.login), work);
    const mariadb = await openMariadb(relay);
    const ofMariadb = (name: string, work: () => Promise<void>) =>
      recordWork(relay, name, capabilitiesOf(mariadb.login), work);
    const traffic = [
      await ofMysql2('point selects', () => pointSelects(mysql2.connection)),
      await ofMariadb('point selects, without EOF', async () => {
        for (let n = 0; n < POINT_SELECTS; n++)
          await mariadb.connection.query(`SELECT name FROM item WHERE id = ${1 + (n % ITEMS)}`);
      }),
      await ofMysql2('prepared statements', () => preparedStatements(mysql2.connection)),
      await ofMysql2('pings', () => pings(mysql2.connection)),
      await ofMysql2('1,000 rows', () => query(mysql2.connection, 'SELECT * FROM item', 5)),
      await ofMariadb('1,000 rows, without EOF', async () => {
        for (let n = 0; n < 5; n++) await mariadb.connection.query('SELECT * FROM item');
      }),
      await ofMysql2('values of 1 MiB', () =>
        query(mysql2.connection, "SELECT REPEAT('x', 1048576) AS large", LARGE_VALUES),
      ),
      await ofMysql2('LOAD DATA LOCAL', () => upload(mysql2.connection)),
    ];
    await mysql2.connection.end();
    await mariadb.connection.end();
    return { traffic, login: mysql2.login };
  } finally {
    await relay.close();
  }
}

async function prepare({ sql }: RecordedServer): Promise<void> {
  await sql(`
    CREATE DATABASE ${schema};
    CREATE TABLE ${schema}.item (id INT PRIMARY KEY, name VARCHAR(40), price DECIMAL(8,2), added DATETIME);
    CREATE TABLE ${schema}.line (text VARCHAR(200));
    SET SESSION cte_max_recursion_depth = ${ITEMS};
    INSERT INTO ${schema}.item
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ITEMS})
      SELECT i, CONCAT('item ', i), i / 7, '2025-01-02 03:04:05' FROM n;
    CREATE USER ${user}@'%' IDENTIFIED BY '${password}';
    GRANT ALL ON ${schema}.* TO ${user}@'%'`);
}

async function openMysql2({ host, port, takeTurns }: RecordingRelay) {
  takeTurns();
  const connection = await createConnection({ host, port, user, password, database: schema });
  return { connection, login: takeTurns() };
}

/** It can do without EOF packets, which mysql2 can not. */
async function openMariadb({ host, port, takeTurns }: RecordingRelay) {
  takeTurns();
  const allowPublicKeyRetrieval = true;
  const connection = await connectMariadb({
    ...{ host, port, user, password, database: schema, allowPublicKeyRetrieval },
  });
  return { connection, login: takeTurns() };
}

async function recordWork(
  relay: RecordingRelay,
  name: string,
  capabilities: number,
  work: () => Promise<void>,
): Promise<Traffic> {
  relay.takeTurns();
  await work();
  const turns = relay.takeTurns();
  // Throws where one ends within a packet.
  for (const { bytes } of turns) packetsOf(bytes);
  return { name, capabilities, turns };
}

async function pointSelects(connection: Connection): Promise<void> {
  for (let n = 0; n < POINT_SELECTS; n++)
    await connection.query(`SELECT name FROM item WHERE id = ${1 + (n % ITEMS)}`);
}

async function preparedStatements(connection: Connection): Promise<void> {
  for (let n = 0; n < EXECUTIONS; n++)
    await connection.execute('SELECT id, name FROM item WHERE id = ?', [1 + (n % ITEMS)]);
  connection.unprepare('SELECT id, name FROM item WHERE id = ?');
  await connection.ping();
}

async function pings(connection: Connection): Promise<void> {
  for (let n = 0; n < PINGS; n++) await connection.ping();
}

async function query(connection: Connection, sql: string, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await connection.query(sql);
}

async function upload(connection: Connection): Promise<void> {
  const line = `${'a line of the file '.repeat(8)}\n`;
  const block = Buffer.from(line.repeat(100));
  const blocks = Math.ceil(UPLOADED_BYTES / block.length);
  await connection.query({
    sql: "LOAD DATA LOCAL INFILE 'lines' INTO TABLE line",
    infileStreamFactory: () => Readable.from(Array.from({ length: blocks }, () => block)),
  });
}

/** Those of the client that the server has, too. */
export function capabilitiesOf(login: readonly Turn[]): number {
  const [greeting, response] = payloadsOf(login);
  if (greeting === undefined || response === undefined) throw new Error('there was no login');
  return (decodeGreeting(greeting).capabilities & response.readUInt32LE(0)) >>> 0;
}

export function payloadsOf(turns: readonly Turn[]): Buffer[] {
  return turns.flatMap(({ bytes }) => packetsOf(bytes).map((packet) => packet.subarray(4)));
}
