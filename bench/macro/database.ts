/** The servers that are queried: started as the tests start them, with the same rows and the same account in each. */
import { readFileSync } from 'node:fs';
import { type Connection, createConnection } from 'mysql2/promise';
import type { TestCertificates } from '../../test/support/certificates.js';
import { isUnavailable, type Unavailable } from '../../test/support/programs.js';
import { startServer } from '../../test/support/servers.js';

export type DatabaseKind = 'mysql9' | 'mariadb' | 'mysql56';

export interface Database {
  readonly kind: DatabaseKind;
  /** Such as `MySQL 9.7.4`. */
  readonly version: string;
  readonly port: number;
  readonly certificates: TestCertificates;
  /** A global status counter, such as `Com_select`. */
  count(counter: string): Promise<number>;
  stop(): Promise<void>;
}

/** How a client logs in, wherever it connects. */
export const account = { host: '127.0.0.1', user: 'bench', password: 'bench', database: 'bench' } as const;

/** Bytes of the one value in the table `big`, and of each that is inserted into `sink`: a MB. */
export const bigValueBytes = 1_000_000;

export const itemCount = 1000;

/** Over its Unix socket, so that no figure counts it. */
export async function startDatabase(
  kind: DatabaseKind,
  certificates: TestCertificates,
): Promise<Database | Unavailable> {
  const server = await startServer(kind, {
    tls: certificates.serverTls,
    extraArgs: ['--max-connections=3000'],
  });
  if (isUnavailable(server)) return server;
  await server.sql(setUp(kind));
  const root = await createConnection({ socketPath: server.socketPath, user: 'root' });
  if (kind === 'mysql9') await warmAccount(server.port, certificates);
  return {
    kind,
    version: `${kind === 'mariadb' ? 'MariaDB' : 'MySQL'} ${server.version.split('-')[0]}`,
    port: server.port,
    certificates,
    count: (counter) => statusOf(root, counter),
    stop: async () => {
      await root.end();
      await server.stop();
    },
  };
}

function setUp(kind: DatabaseKind): string {
  const items = Array.from({ length: itemCount }, (_, n) => `(${n + 1}, 'item ${n + 1}')`);
  // Writes nothing to a disk, whose speed is not the question here.
  const sink = kind === 'mysql9' ? 'CREATE TABLE sink (pad LONGBLOB) ENGINE=BLACKHOLE;' : '';
  return `
    CREATE DATABASE bench;
    USE bench;
    CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(40));
    INSERT INTO item VALUES ${items.join()};
    CREATE TABLE big (pad LONGBLOB);
    INSERT INTO big VALUES (REPEAT('x', ${bigValueBytes}));
    ${sink}
    CREATE USER bench@'%' IDENTIFIED BY '${account.password}';
    GRANT ALL ON bench.* TO bench@'%'`;
}

/**
 * One full authentication, after which the server keeps what the quick one needs: a client in plaintext and a MySQL Router
 * that offers it no TLS can not do the full one.
 */
async function warmAccount(port: number, { serverTls }: TestCertificates): Promise<void> {
  const connection = await createConnection({ ...account, port, ssl: { ca: readFileSync(serverTls.ca) } });
  await connection.end();
}

async function statusOf(root: Connection, counter: string): Promise<number> {
  const [rows] = await root.query(`SHOW GLOBAL STATUS LIKE '${counter}'`);
  const [row] = rows as { Value: string }[];
  return Number(row?.Value);
}
