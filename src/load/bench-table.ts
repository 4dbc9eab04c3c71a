/** The table that some mixes need: our own, with a name that nobody else has, made before and dropped in the end. */
import { randomBytes } from 'node:crypto';
import type { Connection } from 'mysql2/promise';
import { TABLE_ROWS } from './built-in-mixes.js';
import type { ClientError } from './connector.js';
import { errorCode, messageOf } from './failure-counts.js';
import { LoadError } from './load-error.js';
import { nameOf, type Side } from './side.js';

/** Whoever finds such a table, of a program that was killed, may drop it. */
export const TABLE_PREFIX = 'mysql_tls_proxy_bench_';

const ROWS_PER_INSERT = 1000;

const DROP_TIMEOUT_MS = 10_000;

/** Quoted, with the database. */
export function newTableName({ role, login }: Side): string {
  const database = (login.database ?? '').replaceAll('`', '``');
  return `\`${database}\`.\`${TABLE_PREFIX}${randomBytes(6).toString('hex')}_${role}\``;
}

/** Rejects with LoadError. */
export async function createTable(connection: Connection, table: string, side: Side): Promise<void> {
  try {
    await connection.query(
      `CREATE TABLE ${table} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c VARCHAR(120) NOT NULL, KEY (k))`,
    );
    for (let first = 1; first <= TABLE_ROWS; first += ROWS_PER_INSERT) {
      const rows = Array.from({ length: ROWS_PER_INSERT }, (_, n) => {
        const id = first + n;
        return `(${id}, ${1 + ((id * 7919) % 1000)}, '${String(id).padStart(100, 'row ')}')`;
      });
      await connection.query(`INSERT INTO ${table} (id, k, c) VALUES ${rows.join(', ')}`);
    }
  } catch (error) {
    const { message, code } = describeError(error);
    throw new LoadError(
      'connecting',
      `the table of the mix can not be made through ${nameOf(side)}: ${message} (${code}). GRANT the user ALL on a ` +
        'database of its own, name that with --database, or choose --mix ping.',
    );
  }
}

/** Rejects with what mysql2 says. */
export async function dropTable(connection: Connection, table: string): Promise<void> {
  // A query that was broken off may still run in the server, and keeps the table until then.
  await connection.query({ sql: `DROP TABLE IF EXISTS ${table}`, timeout: DROP_TIMEOUT_MS });
}

function describeError(error: unknown): { readonly message: string; readonly code: string } {
  const known: ClientError = error instanceof Error ? error : new Error(String(error));
  return { message: messageOf(known).replace(/\.$/, ''), code: errorCode(known) };
}
