/** Clients from npm packages, run in this process. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mariadb';
import mysql, { type Connection as MysqljsConnection } from 'mysql';
import { createConnection as createMysql2Connection } from 'mysql2/promise';
import {
  type ClientError,
  type ClientJob,
  type ClientResult,
  type Credentials,
  loginDeadlineMs,
  type StepResult,
  unsupported,
} from './client-jobs.js';

interface Session {
  query(sql: string): Promise<string[][]>;
  changeUser(user: Credentials): Promise<void>;
  ping(): Promise<void>;
}

type Value = string | null;

/** mysqljs, which knows only mysql_native_password, does not compress and checks no name in a certificate. */
export async function mysqljs(job: ClientJob): Promise<ClientResult> {
  if (job.compress) return { connectError: unsupported('mysqljs can not compress') };
  const connection = mysql.createConnection({
    ...targetOf(job),
    ...tlsOf(job),
    charset: job.charset ?? 'utf8mb4',
    connectTimeout: loginDeadlineMs,
    typeCast: (column) => column.string(),
  });
  // Told to the step under way, too; without a listener a lost connection would end this process.
  connection.on('error', () => {});
  try {
    await promised((done) => connection.connect(done));
  } catch (error) {
    connection.destroy();
    return { connectError: clientError(error) };
  }
  const results = await resultsOf(job, {
    query: (sql) => mysqljsRows(connection, sql),
    changeUser: (user) => promised((done) => connection.changeUser(user, done)),
    ping: () => promised((done) => connection.ping(done)),
  });
  connection.destroy();
  return { results };
}

/**
 * MariaDB Connector/Node.js. It changes the user only with a MariaDB server, and only when both logins name a
 * database: without one it leaves a field out of the packet.
 */
export async function mariadbConnector(job: ClientJob): Promise<ClientResult> {
  const connecting = createConnection({
    ...targetOf(job),
    ...tlsOf(job),
    ...(job.compress ? { compress: true } : {}),
    // Without TLS it would neither know nor ask for the key that encrypts a password.
    allowPublicKeyRetrieval: true,
    connectTimeout: loginDeadlineMs,
    rowsAsArray: true,
    typeCast: (column) => column.string(),
  });
  const connection = await connecting.catch((error: unknown) => ({ connectError: clientError(error) }));
  if ('connectError' in connection) return connection;
  connection.on('error', () => {});
  const results = await resultsOf(job, {
    query: async (sql) => {
      const rows = await connection.query<unknown>(sql);
      return Array.isArray(rows) ? (rows as Value[][]).map((row) => row.map(textOf)) : [];
    },
    changeUser: (user) => connection.changeUser(user),
    ping: () => connection.ping(),
  });
  connection.destroy();
  return { results };
}

/** mysql2, which has every plugin of MySQL and none of MariaDB's own. */
export async function mysql2Client(job: ClientJob): Promise<ClientResult> {
  const { ssl } = tlsOf(job);
  const connecting = createMysql2Connection({
    ...targetOf(job),
    ...(ssl === undefined ? {} : { ssl: { ...ssl, verifyIdentity: ssl.rejectUnauthorized } }),
    ...(job.compress ? { compress: true } : {}),
    charset: job.charset ?? 'utf8mb4',
    connectTimeout: loginDeadlineMs,
    rowsAsArray: true,
    typeCast: (column) => column.string(),
  });
  const connection = await connecting.catch((error: unknown) => ({ connectError: clientError(error) }));
  if ('connectError' in connection) return connection;
  connection.on('error', () => {});
  const results = await resultsOf(job, {
    query: async (sql) => {
      const [rows] = await connection.query(sql);
      return Array.isArray(rows) ? (rows as Value[][]).map((row) => row.map(textOf)) : [];
    },
    changeUser: (user) => connection.changeUser(user),
    ping: () => connection.ping(),
  });
  connection.destroy();
  return { results };
}

async function resultsOf(job: ClientJob, session: Session): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const step of job.steps) {
    for (let count = step.repeat ?? 1; count > 0; count--) {
      try {
        let rows: string[][] = [];
        if ('query' in step) rows = await session.query(step.query);
        else if ('changeUser' in step) await session.changeUser(step.changeUser);
        else if ('sleep' in step) await delay(step.sleep * 1000);
        else await session.ping();
        results.push({ rows });
      } catch (error) {
        results.push({ error: clientError(error) });
      }
    }
  }
  return results;
}

function mysqljsRows(connection: MysqljsConnection, sql: string): Promise<string[][]> {
  return new Promise((resolve, reject) => {
    connection.query(sql, (error, rows, columns = []) => {
      if (error) reject(error);
      else if (!Array.isArray(rows)) resolve([]);
      // Not its values as they come: numbers as names would change their order.
      else resolve(rows.map((row: Record<string, Value>) => columns.map(({ name }) => textOf(row[name]))));
    });
  });
}

function promised(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}

function targetOf(job: ClientJob): Credentials & ({ host: string; port: number } | { socketPath: string }) {
  const { user, password, database } = job;
  const target = 'socketPath' in job ? { socketPath: job.socketPath } : { host: job.host, port: job.port };
  return { user, password, ...(database === undefined ? {} : { database }), ...target };
}

function tlsOf({ tls }: ClientJob): { ssl?: { ca?: string; rejectUnauthorized: boolean } } {
  if (tls === undefined || tls === 'off') return {};
  const ca = tls.ca === undefined ? {} : { ca: readFileSync(tls.ca, 'utf8') };
  return { ssl: { ...ca, rejectUnauthorized: tls.verify } };
}

function clientError(error: unknown): ClientError {
  const { errno, sqlState, sqlMessage, message, code } = error as Error & {
    errno?: number;
    sqlState?: string;
    sqlMessage?: string | null;
    code?: string;
  };
  return {
    errno: errno ?? 0,
    message: sqlMessage ?? (message || code || String(error)),
    ...(sqlState === undefined ? {} : { sqlState }),
  };
}

function textOf(value: Value | undefined): string {
  return value ?? 'NULL';
}
