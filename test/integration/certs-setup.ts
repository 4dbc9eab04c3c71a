/** Real servers with what `certs create` makes, and a proxy with it before them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { type ClientOptions, mariadbCli, mysqlCli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RunResult } from '../support/run.js';
import {
  type RealServer,
  type Row,
  type ServerOptions,
  startMariadb,
  startMysql9,
  startMysql56,
} from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import type { ServerLegMode } from './real-server.js';

export const folder = path.join(makeTemporaryFolder(), 'certs');
export const file = (name: string): string => path.join(folder, name);
/** What clients go on using when everything else is renewed. */
export const oldCa = path.join(makeTemporaryFolder(), 'ca.pem');
export const bundle = file('server-client-bundle.pem');
/** `cat server-cert.pem client-cert.pem`, without the CA. */
export const shortBundle = path.join(makeTemporaryFolder(), 'bundle.pem');
export const serverTls = { ca: file('ca.pem'), cert: file('server-cert.pem'), key: file('server-key.pem') };
export const clientTls = { ca: oldCa, cert: file('client-cert.pem'), key: file('client-key.pem') };
/** MySQL 5.6 looks for the host that it was told in the common name: the first one. */
export const host = '127.0.0.1';

export interface Setup {
  readonly modern: RealServer;
  readonly mariadb: RealServer;
  readonly old: RealServer;
  readonly replica: RealServer;
  /** With REQUIRE X509. */
  readonly accounts: ReadonlyMap<RealServer, Account>;
  /** With REQUIRE SSL. */
  readonly keyless: ReadonlyMap<RealServer, Account>;
}

/** What `certs` prints. */
export async function certs(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['certs', ...words]);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

export function rsaArgs(): string[] {
  return ['caching_sha2_password', 'sha256_password'].flatMap((plugin) => [
    `--${plugin}_private_key_path=${file('private_key.pem')}`,
    `--${plugin}_public_key_path=${file('public_key.pem')}`,
  ]);
}

/** @param printed by `certs create`: accounts get their requirement by its SQL. */
export async function startAll(printed: string): Promise<Setup | Unavailable> {
  const started: RealServer[] = [];
  const start = async (
    starter: (options: ServerOptions) => Promise<RealServer | Unavailable>,
    options: ServerOptions,
  ): Promise<RealServer> => {
    const server = await starter(options);
    if (isUnavailable(server)) throw server;
    started.push(server);
    return server;
  };
  try {
    const modern = await start(startMysql9, { tls: serverTls, extraArgs: rsaArgs() });
    const mariadb = await start(startMariadb, { tls: serverTls });
    const old = await start(startMysql56, {
      tls: serverTls,
      extraArgs: ['--server-id=1', '--log-bin=source'],
    });
    const replica = await start(startMysql56, { extraArgs: ['--server-id=2'] });
    const accounts = new Map<RealServer, Account>();
    const keyless = new Map<RealServer, Account>();
    for (const server of [modern, mariadb, old]) {
      accounts.set(server, await createAccount(server, 'app'));
      for (const statement of statementsFor(server, printed)) await server.sql(statement);
      keyless.set(server, await createAccount(server, 'keyless', { requirement: 'SSL' }));
    }
    return { modern, mariadb, old, replica, accounts, keyless };
  } catch (error) {
    for (const server of started) await server.stop();
    if (error instanceof Object && isUnavailable(error as Unavailable)) return error as Unavailable;
    throw error;
  }
}

/** Those that `create` printed, each for the servers that it names. */
function statementsFor({ kind }: RealServer, printed: string): string[] {
  const statements = printed.match(/^ {2}(GRANT|ALTER) .* REQUIRE X509;/gm) ?? [];
  assert.equal(statements.length, 2, printed);
  if (kind === 'mariadb') return statements;
  return statements.filter((statement) => statement.startsWith(kind === 'mysql9' ? '  ALTER' : '  GRANT'));
}

export function accountOf(accounts: ReadonlyMap<RealServer, Account>, server: RealServer): Account {
  const account = accounts.get(server);
  assert.ok(account);
  return account;
}

/** Verifies the server by the old CA, and has the certificate that `create` made for it. */
export async function startProxy(
  t: TestContext,
  server: RealServer,
  mode: ServerLegMode = 'key pair',
): Promise<ProxyUnderTest> {
  const isOld = server.kind === 'mysql56';
  const proxy = await startProxyUnderTest({
    server: `${host}:${server.port}`,
    serverSslCa: oldCa,
    ...(mode === 'key pair'
      ? { serverSslCert: file('client-cert.pem'), serverSslKey: file('client-key.pem') }
      : {}),
    clientSslCert: file('proxy-cert.pem'),
    clientSslKey: file('proxy-key.pem'),
    rsaPrivateKey: file('private_key.pem'),
    ...(isOld ? { serverTlsVersion: 'TLSv1', clientTlsVersion: 'TLSv1,TLSv1.1,TLSv1.2,TLSv1.3' } : {}),
  });
  t.after(() => proxy.close());
  return proxy;
}

/** The client of MySQL 9 knows the plugin of its server's accounts, and that of MariaDB those of MySQL 5.6. */
export function mysqlOrMariadb(server: RealServer, options: ClientOptions): Promise<RunResult | Unavailable> {
  const sql = 'SELECT CURRENT_USER()';
  if (server.kind !== 'mysql9') return mariadbCli(options, sql);
  // Not asked for: the key that the server and the proxy both have.
  const extraArgs = options.tls === 'off' ? [`--server-public-key-path=${file('public_key.pem')}`] : [];
  return mysqlCli({ ...options, extraArgs }, sql);
}

export function sslOf(ca: string): string {
  return (
    `MASTER_SSL_CA='${ca}', MASTER_SSL_CERT='${clientTls.cert}', MASTER_SSL_KEY='${clientTls.key}', ` +
    'MASTER_SSL_VERIFY_SERVER_CERT=0'
  );
}

export function verifying(ca: string): string {
  return sslOf(ca).replace('CERT=0', 'CERT=1');
}

export async function statusWhenDecided(replica: RealServer): Promise<Row> {
  for (;;) {
    const [status = {}] = await replica.sql('SHOW SLAVE STATUS');
    if (status['Slave_IO_Running'] === 'Yes' || status['Last_IO_Errno'] !== 0) return status;
    await delay(50);
  }
}
