/** One query through the proxy with each client, and what the client learned by it. */
import type { TLSSocket } from 'node:tls';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { SavedIdentity, TestCertificates } from '../support/certificates.js';
import { mariadbCli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RealServer } from '../support/servers.js';
import type { Account } from './accounts.js';
import type { ProxyUnderTest } from './proxy-under-test.js';

export const testClients = ['mysql2', 'mariadb CLI'] as const;
export type ClientLegMode = 'plaintext' | 'TLS';

export interface Refusal {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

export interface Answer {
  readonly currentUser: string;
  /** As the server sees its own connection. */
  readonly sslVersion: string;
  readonly sslCipher: string;
  readonly rows: readonly { id: string; name: string }[];
  /** As the client sees its own connection. */
  readonly clientTls: { version: string; cipher: string };
}

interface Task {
  readonly proxy: ProxyUnderTest;
  readonly account: Account;
  readonly clientLeg: ClientLegMode;
  readonly ca: SavedIdentity;
}

export function queryWith(
  client: (typeof testClients)[number],
  task: Task,
): Promise<Answer | { refusal: Refusal } | Unavailable> {
  return client === 'mysql2' ? queryWithMysql2(task) : queryWithMariadbCli(task);
}

const statements = [
  'SELECT CURRENT_USER() AS user',
  "SHOW SESSION STATUS LIKE 'Ssl_version'",
  "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
  'SELECT id, name FROM shop.item ORDER BY id',
] as const;

async function queryWithMysql2({
  proxy,
  account,
  clientLeg,
  ca,
}: Task): Promise<Answer | { refusal: Refusal }> {
  const { host, port } = proxy;
  const ssl = clientLeg === 'TLS' ? { ssl: { ca: ca.certificate, verifyIdentity: true } } : {};
  const connecting = createConnection({ host, port, ...account, ...ssl, charset: 'utf8mb4' });
  const connection = await connecting.catch(refusalOf);
  if ('refusal' in connection) return connection;
  try {
    const results: RowDataPacket[][] = [];
    for (const statement of statements) results.push((await connection.query<RowDataPacket[]>(statement))[0]);
    const [users, versions, ciphers, items] = results;
    const stream = streamOf(connection);
    return {
      currentUser: users?.[0]?.['user'],
      sslVersion: versions?.[0]?.['Value'],
      sslCipher: ciphers?.[0]?.['Value'],
      rows: (items ?? []).map(({ id, name }) => ({ id: String(id), name: String(name ?? 'NULL') })),
      clientTls: { version: stream.getProtocol?.() ?? 'none', cipher: stream.getCipher?.().name ?? 'none' },
    };
  } finally {
    await connection.end();
  }
}

/** The socket, a TLS one or not, which mysql2 does not show in its types. */
function streamOf(connection: Connection): Partial<TLSSocket> {
  return (connection as unknown as { connection: { stream: Partial<TLSSocket> } }).connection.stream;
}

async function queryWithMariadbCli({
  proxy,
  account,
  clientLeg,
  ca,
}: Task): Promise<Answer | { refusal: Refusal } | Unavailable> {
  const { host, port } = proxy;
  const tls = clientLeg === 'TLS' ? { ca: ca.certificateFile, checkName: true } : 'off';
  // `status` tells the client's own view; the server's is in the rows of the statements.
  const script = `${statements.join(';\n')};\nstatus`;
  const extraArgs = ['--default-character-set=utf8mb4'];
  const result = await mariadbCli({ host, port, ...account, tls, extraArgs }, script);
  if (isUnavailable(result)) return result;
  if (result.code !== 0) return { refusal: parseRefusal(result.stderr) };
  const lines = result.stdout.split('\n');
  const after = (header: string) => lines[lines.indexOf(header) + 1];
  const value = (name: string) => lines.find((line) => line.startsWith(`${name}\t`))?.split('\t')[1];
  const firstRow = lines.indexOf('id\tname') + 1;
  const cipher = /^SSL:\s+Cipher in use is (\S+)/m.exec(result.stdout)?.[1];
  return {
    currentUser: after('user') ?? '',
    sslVersion: value('Ssl_version') ?? '',
    sslCipher: value('Ssl_cipher') ?? '',
    rows: lines.slice(firstRow, firstRow + 3).map((line) => {
      const [id = '', name = ''] = line.split('\t');
      return { id, name };
    }),
    // The name of a TLS 1.3 cipher says the version, too; the client does not.
    clientTls: { version: versionOf(cipher), cipher: cipher ?? 'none' },
  };
}

function versionOf(cipher: string | undefined): string {
  if (cipher === undefined) return 'none';
  return cipher.startsWith('TLS_') ? 'TLSv1.3' : 'older than TLSv1.3';
}

function parseRefusal(stderr: string): Refusal {
  const [, errno, sqlState = '', message = stderr] = /^ERROR (\d+) \((\w+)\): (.*)$/m.exec(stderr) ?? [];
  return { errno: Number(errno), sqlState, message };
}

function refusalOf(error: Error & Partial<{ errno: number; sqlState: string; sqlMessage: string }>): {
  refusal: Refusal;
} {
  const { errno = 0, sqlState = '', sqlMessage } = error;
  return { refusal: { errno, sqlState, message: sqlMessage ?? error.message } };
}

/** The server's own words, without a proxy, for a login that lacks the client certificate. */
export async function directRefusal(
  server: RealServer,
  account: Account,
  certificates: TestCertificates,
): Promise<Refusal> {
  const { host, port } = server;
  // 5.6 takes plaintext, and says the same there; mysql2 can not speak TLS with it.
  const ssl = server.kind === 'mysql56' ? {} : { ssl: { ca: certificates.ca.certificate } };
  const answer = await createConnection({ host, port, ...account, ...ssl }).catch(refusalOf);
  if ('refusal' in answer) return answer.refusal;
  answer.destroy();
  throw new Error('the server accepted a login without the client certificate that the account demands');
}
