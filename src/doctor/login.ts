/** Logs in through the proxy itself, with mysql2, to see what the account demands. */
import { createRequire } from 'node:module';
import type { Connection, ConnectionOptions, RowDataPacket } from 'mysql2/promise';
import type { ProxyConfig, RouteConfig } from '../config/model.js';
import { messageOf, ProxyError } from '../errors.js';
import type { ConnectionRecord } from '../observe/events.js';
import { startProxy } from '../proxy/proxy.js';
import { timeLimit } from '../proxy/time-limit.js';
import type { Requirement } from './client-settings.js';
import { doctorFinding, type Finding, findingFromError } from './findings.js';
import { explainFailure, type MysqlError } from './login-failure.js';
import type { VisitLimits } from './visit.js';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface Account {
  /** `app@%`, as the server matched it. */
  readonly name: string;
  readonly requirement: Requirement;
  /** What REQUIRE lists besides, in the server's words: `SUBJECT '/CN=client'`. */
  readonly specified: string;
  readonly plugin: string;
  /** Whether the server takes plaintext connections from accounts that demand nothing. */
  readonly serverAcceptsPlaintext: boolean | undefined;
}

export interface LoginResult {
  /** Undefined where the login came to nothing. */
  readonly account: Account | undefined;
  readonly findings: readonly Finding[];
}

/** Never rejects for what the server or the network does. */
export async function tryLogin(
  route: RouteConfig,
  credentials: Credentials,
  limits: VisitLimits,
): Promise<LoginResult> {
  const records: ConnectionRecord[] = [];
  const failures: ProxyError[] = [];
  const proxy = await startProxy(proxyConfig(route, limits), [
    {
      opened: (record) => void records.push(record),
      failed: (_record, error) => void failures.push(error),
    },
  ]);
  const address = proxy.addresses[0]?.address ?? '';
  try {
    const first = await logIn(address, credentials, limits);
    if (!('error' in first)) return await lookAtAccount(first.connection, records.at(-1), limits);
    const [failure] = failures;
    if (failure !== undefined) return { account: undefined, findings: [findingFromError(failure)] };
    // A right password is in the server's cache after the first attempt: only then does it say so before it refuses.
    const second = await logIn(address, credentials, limits);
    if (!('error' in second)) return await lookAtAccount(second.connection, records.at(-1), limits);
    const passwordIsRight = first.passwordIsRight || second.passwordIsRight;
    return {
      account: undefined,
      findings: [
        explainFailure(second.error, {
          passwordIsRight,
          user: credentials.user,
          route,
          record: records.at(-1),
        }),
      ],
    };
  } finally {
    await proxy.close();
  }
}

function proxyConfig(route: RouteConfig, { connectTimeout, handshakeTimeout }: VisitLimits): ProxyConfig {
  const { healthCheckInterval: _, ...unchecked } = route;
  return {
    routes: [
      {
        ...unchecked,
        listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
        client: {
          sslMode: 'DISABLED',
          tlsProfile: 'intermediate',
          tlsVersion: ['TLSv1.2', 'TLSv1.3'],
          plaintextFrom: ['127.0.0.0/8'],
        },
      },
    ],
    users: [],
    connectTimeout,
    handshakeTimeout,
    workers: 1,
    drainDelay: 0,
    drainTimeout: 0,
    maxConnections: 10,
    reloadOnChange: 'off',
    metrics: 'none',
    connectionMetricsLimit: 1,
    logLevel: 'silent',
    logFormat: 'json',
  };
}

type LoginAttempt =
  | { readonly connection: Connection }
  | { readonly error: MysqlError; readonly passwordIsRight: boolean };

const FAST_AUTH_SUCCESS = Buffer.from([0x03]);

async function logIn(
  address: string,
  { user, password }: Credentials,
  { handshakeTimeout }: VisitLimits,
): Promise<LoginAttempt> {
  const { createConnection } = await import('mysql2/promise');
  const colon = address.lastIndexOf(':');
  let passwordIsRight = false;
  const caching = standardPlugin('caching_sha2_password');
  try {
    const connection = await createConnection({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      user,
      password,
      connectTimeout: handshakeTimeout,
      authPlugins: {
        caching_sha2_password: (context) => {
          const answer = caching(context);
          return (data) => {
            if (FAST_AUTH_SUCCESS.equals(data)) passwordIsRight = true;
            return answer(data);
          };
        },
      },
    });
    return { connection };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)), passwordIsRight };
  }
}

type Plugin = NonNullable<ConnectionOptions['authPlugins']>[string];

/** mysql2's own; its types do not tell that the factories take no options. */
function standardPlugin(name: string): Plugin {
  const { authPlugins } = createRequire(import.meta.url)('mysql2') as {
    authPlugins: Readonly<Record<string, (options: object) => Plugin>>;
  };
  const plugin = authPlugins[name];
  if (plugin === undefined) throw new Error(`mysql2 has no plugin ${name}`);
  return plugin({});
}

async function lookAtAccount(
  connection: Connection,
  record: ConnectionRecord | undefined,
  { handshakeTimeout }: VisitLimits,
): Promise<LoginResult> {
  const tooLate = new ProxyError('server_timeout', 'the server did not answer the first queries in time');
  const limit = timeLimit(handshakeTimeout, () => tooLate);
  const expired = new Promise<LoginResult>((resolve) => {
    limit.signal.onCancel(() => resolve({ account: undefined, findings: [findingFromError(tooLate)] }));
  });
  try {
    return await Promise.race([askAboutAccount(connection, record), expired]);
  } catch (error) {
    const what = `the login was accepted, and the first query failed: ${messageOf(error)}`;
    return { account: undefined, findings: [doctorFinding('login_failed', what)] };
  } finally {
    await Promise.race([connection.end(), expired]).catch(() => {});
    limit.clear();
    connection.destroy();
  }
}

async function askAboutAccount(
  connection: Connection,
  record: ConnectionRecord | undefined,
): Promise<LoginResult> {
  // An account whose password has expired may log in, and do nothing else.
  const [[first]] = await connection.query<RowDataPacket[]>('SELECT CURRENT_USER() AS name');
  const name = String(first?.['name']);
  // MySQL 5.7, MariaDB 10.2 and newer; SHOW GRANTS tells REQUIRE, and shows hashes, in the older ones.
  const statement =
    (await lastColumn(connection, 'SHOW CREATE USER CURRENT_USER()')) ??
    (await lastColumn(connection, 'SHOW GRANTS')) ??
    '';
  const secureOnly = await lastColumn(connection, 'SELECT @@require_secure_transport');
  const account = {
    name,
    ...requirementIn(String(statement)),
    // A server that asks for nothing takes the answer to its greeting.
    plugin: record?.serverPlugin || record?.clientPlugin || '',
    serverAcceptsPlaintext: secureOnly === undefined ? undefined : String(secureOnly) === '0',
  };
  const findings: Finding[] = [];
  if (account.requirement === 'NONE') {
    findings.push(
      doctorFinding('account_without_requirement', `the account ${name} demands no TLS (REQUIRE NONE)`),
    );
  }
  if (account.serverAcceptsPlaintext === true) {
    findings.push(
      doctorFinding(
        'server_accepts_plaintext',
        'the server takes plaintext connections, too (require_secure_transport=OFF)',
      ),
    );
  }
  return { account, findings };
}

/** The last column of the first row; undefined where the server does not know the statement or denies it. */
async function lastColumn(connection: Connection, statement: string): Promise<unknown> {
  try {
    const [rows] = await connection.query<RowDataPacket[]>(statement);
    return Object.values(rows[0] ?? {}).at(-1);
  } catch {
    return undefined;
  }
}

/** Takes nothing else out of the statement: it holds the hash of the password. */
export function requirementIn(statement: string): { requirement: Requirement; specified: string } {
  const specified = [...statement.matchAll(/\b(SUBJECT|ISSUER|CIPHER) '((?:[^'\\]|\\.|'')*)'/g)];
  const listed = specified.map(([whole]) => whole).join(' ');
  if (listed !== '' && /\bREQUIRE\b/.test(statement)) return { requirement: 'SPECIFIED', specified: listed };
  const word = /\bREQUIRE (NONE|SSL|X509)\b/.exec(statement)?.[1] as Requirement;
  return { requirement: word ?? (statement === '' ? undefined : 'NONE'), specified: '' };
}
