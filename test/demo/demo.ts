/**
 * The main job, live: programs of the MySQL 5.6 era, which know no TLS newer than 1.0 and no caching_sha2_password, work
 * with a MySQL 9 that demands TLS and a client certificate. `--keep` leaves everything running.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createProxy, type MysqlTlsProxy, type ProxyOptions } from '../../src/index.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, type Row, startMysql9, startMysql56 } from '../support/servers.js';

const keep = process.argv.includes('--keep');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--keep');
if (unknown.length > 0) stopWith(`unknown argument ${unknown.join(' ')}; usage: npm run demo [-- --keep]`);

/** The old programs: who they log in as, what the server demands of the account, and what of 5.6 they cannot do. */
const applications = [
  {
    route: 'key-pair',
    user: 'app_keypair',
    requirement: 'X509',
    title: 'Key pair: the proxy shows a client certificate',
  },
  {
    route: 'server-only',
    user: 'app_tls',
    requirement: 'SSL',
    title: 'Server-only: the proxy shows no certificate',
  },
] as const;
type Application = (typeof applications)[number];
const replicaRoute = 'replica';
const replicaUser = 'replica';

/** Never printed: it goes into files that only their owner can read. */
const password = randomBytes(12).toString('hex');
const statement = 'SELECT id, item, price FROM orders ORDER BY id';
const tableOfOrders = `(id INT PRIMARY KEY, item VARCHAR(40), price DECIMAL(8,2))`;

let steps = 0;

await run();

async function run(): Promise<void> {
  step(
    'Starting the servers: MySQL 9, which refuses plaintext and old passwords, and MySQL 5.6.24, the old one',
  );
  const certificates = makeCertificates(makeTemporaryFolder());
  const server = await startModernServer(certificates);
  const old = required(await startMysql56({ extraArgs: ['--server-id=2'] }));
  say(`new server          MySQL ${server.version} on ${server.host}:${server.port}`);
  say(`old application     the client library of MySQL ${old.version} (its FEDERATED engine), plaintext`);
  say(`old replica         the replication thread of MySQL ${old.version}, TLS 1.0`);

  step('Without the proxy: the old programs go to the new server directly');
  await showDirectAttempts(old, server, certificates);

  step('Starting the proxy');
  const proxy = await createProxy(proxyOptions(server, certificates));
  for (const line of equivalentCommand(server)) say(line);
  for (const { route, address } of proxy.addresses) say(`route ${route.padEnd(13)} listens on ${address}`);

  for (const application of applications) {
    step(
      `The application through the proxy. ${application.title}, account REQUIRE ${application.requirement}`,
    );
    await coolDown(server);
    await showThroughProxy(old, application, addressOf(proxy, application.route));
  }

  step('The replica through the proxy, over TLS 1.0, account REQUIRE X509');
  await coolDown(server);
  await showReplication(old, server, addressOf(proxy, replicaRoute), certificates);

  step("The proxy's own metrics: what each leg got");
  for (const line of await tlsMetrics(proxy)) say(line);

  if (keep) await keepRunning(proxy);
  else
    process.stdout.write(
      '\nThat is the main job. Everything was stopped and removed; npm run demo -- --keep leaves it running.\n',
    );
  await old.sql('STOP SLAVE');
  await proxy.close();
  await Promise.all([old.stop(), server.stop()]);
}

/** MySQL 9; where it can't be had MySQL 5.6.24 itself, over TLS 1.0. */
async function startModernServer({ serverTls }: TestCertificates): Promise<RealServer> {
  const source = ['--server-id=1', '--log-bin=binlog', '--binlog-format=ROW'];
  const mysql9 = await startMysql9({
    tls: serverTls,
    extraArgs: [
      ...source,
      '--require-secure-transport=ON',
      // What a 5.6 replica cannot read: global transaction ids that it has not switched on, and newer collations.
      '--gtid-mode=OFF',
      '--enforce-gtid-consistency=OFF',
      '--collation-server=utf8mb4_general_ci',
    ],
  });
  if (isUnavailable(mysql9))
    say(`MySQL 9 can't be had here (${mysql9.unavailable}): MySQL 5.6.24 takes its place, over TLS 1.0`);
  const server = isUnavailable(mysql9)
    ? required(await startMysql56({ tls: serverTls, extraArgs: source }))
    : mysql9;
  const statusSchema = isUnavailable(mysql9) ? 'information_schema' : 'performance_schema';
  await server.sql(`
    CREATE DATABASE shop;
    CREATE TABLE shop.orders ${tableOfOrders} DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci;
    INSERT INTO shop.orders VALUES (1, 'tea', 3.50), (2, 'bread', 4.20), (3, 'honey', 7.90);
    CREATE VIEW shop.session_tls AS SELECT variable_name AS name, variable_value AS value
      FROM ${statusSchema}.session_status WHERE variable_name IN ('Ssl_version', 'Ssl_cipher')`);
  for (const { user, requirement } of applications)
    await createUser(server, user, requirement, 'SELECT ON shop.*');
  await createUser(server, replicaUser, 'X509', 'REPLICATION SLAVE ON *.*');
  return server;
}

async function createUser(
  server: RealServer,
  user: string,
  requirement: string,
  grant: string,
): Promise<void> {
  await server.sql(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  if (isLegacy(server)) {
    await server.sql(`GRANT ${grant} TO '${user}'@'%' REQUIRE ${requirement}`);
  } else {
    await server.sql(`ALTER USER '${user}'@'%' REQUIRE ${requirement}`);
    await server.sql(`GRANT ${grant} TO '${user}'@'%'`);
  }
}

/** Empties the server's cache of passwords, which would hide what a first login is like. */
async function coolDown(server: RealServer): Promise<void> {
  await server.sql('FLUSH NO_WRITE_TO_BINLOG PRIVILEGES');
}

function isLegacy(server: RealServer): boolean {
  return server.kind === 'mysql56';
}

function proxyOptions(server: RealServer, certificates: TestCertificates): ProxyOptions {
  const { serverTls, client } = certificates;
  const shared = { listen: '127.0.0.1:0', servers: `${server.host}:${server.port}` };
  const serverOnly = {
    sslCa: serverTls.ca,
    ...(isLegacy(server) ? { tlsProfile: 'legacy' as const } : {}),
  };
  const keyPair = { ...serverOnly, sslCert: client.certificateFile, sslKey: client.keyFile };
  return {
    adminListen: '127.0.0.1:0',
    credentials: writeCredentials(),
    routes: [
      { ...shared, name: 'key-pair', server: keyPair },
      { ...shared, name: 'server-only', server: serverOnly },
      {
        ...shared,
        name: replicaRoute,
        authBridge: 'sha256',
        client: {
          sslCert: certificates.server.certificateFile,
          sslKey: certificates.server.keyFile,
          sslMode: 'REQUIRED',
          tlsProfile: 'legacy',
        },
        server: keyPair,
      },
    ],
  };
}

/** The application has no way to hand its password over: the proxy knows it. The replica's it does not need to know. */
function writeCredentials(): string {
  const folder = makeTemporaryFolder();
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  write('application.password', `${password}\n`);
  const entries = applications.map(({ user }) => `- user: ${user}\n  password-file: application.password\n`);
  return write('credentials.yaml', entries.join(''));
}

/** What a user would type for the first route and for the last one. */
function equivalentCommand(server: RealServer): string[] {
  const legacy = isLegacy(server) ? ' --server-tls-profile legacy' : '';
  const toServer = `--server ${server.host}:${server.port} --server-ssl-ca ca.pem${legacy}`;
  const keyPair = '--server-ssl-cert client-cert.pem --server-ssl-key client-key.pem';
  return [
    `$ mysql-tls-proxy ${toServer} ${keyPair} --credentials credentials.yaml`,
    `$ mysql-tls-proxy ${toServer} ${keyPair} --auth-bridge sha256`,
    '    --client-ssl-cert server-cert.pem --client-ssl-key server-key.pem --client-tls-profile legacy',
  ];
}

async function showDirectAttempts(
  old: RealServer,
  server: RealServer,
  certificates: TestCertificates,
): Promise<void> {
  const [application] = applications;
  say(`mysql> ${statement};`);
  try {
    await readOrders(old, application, `${server.host}:${server.port}`, 'direct');
    throw new Error('the server let a plaintext client in: the demo shows nothing');
  } catch (error) {
    if (!isSqlError(error)) throw error;
    say(`ERROR: ${withoutPassword(error)}`);
  }
  say('mysql> START SLAVE;');
  await pointReplica(old, server, `${server.host}:${server.port}`, certificates);
  await old.sql('START SLAVE');
  const status = await replicaStatus(old, ({ Last_IO_Errno }) => Last_IO_Errno !== 0);
  await old.sql('STOP SLAVE');
  say(`ERROR: ${withoutPassword(status['Last_IO_Error'])}`);
  say(
    isLegacy(server)
      ? 'The accounts demand TLS and a client certificate, which these programs were not given.'
      : 'The server speaks TLS 1.2 and newer, and authenticates with caching_sha2_password; 5.6 knows neither.',
  );
}

function isSqlError(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error;
}

async function showThroughProxy(old: RealServer, application: Application, address: string): Promise<void> {
  say(`mysql> ${statement};`);
  sayTable(await readOrders(old, application, address, 'proxied'));
  const seen = await old.sql(`SELECT name, value FROM ${schemaOf(application, 'proxied')}.session_tls`);
  const value = (name: string) =>
    String(seen.find((row) => String(row['name']).toLowerCase() === name)?.['value'] ?? '');
  if (value('ssl_cipher') === '') throw new Error('the server sees no TLS on the connection of the proxy');
  say('client leg  application → proxy   plaintext');
  say(
    `server leg  proxy → server        Ssl_version ${value('ssl_version')}, Ssl_cipher ${value('ssl_cipher')} (as the server sees it)`,
  );
}

/** The same statement each time; only where the FEDERATED tables point to differs. */
async function readOrders(
  old: RealServer,
  application: Application,
  address: string,
  name: string,
): Promise<Row[]> {
  const schema = schemaOf(application, name);
  const connection = (table: string) =>
    `CONNECTION='mysql://${application.user}:${password}@${address}/shop/${table}'`;
  await old.sql(`
    CREATE DATABASE ${schema};
    CREATE TABLE ${schema}.orders ${tableOfOrders} ENGINE=FEDERATED ${connection('orders')};
    CREATE TABLE ${schema}.session_tls (name VARCHAR(64), value VARCHAR(1024))
      ENGINE=FEDERATED ${connection('session_tls')}`);
  return old.sql(`USE ${schema}; ${statement}`);
}

function schemaOf({ user }: Application, name: string): string {
  return `${name}_${user}`;
}

async function showReplication(
  old: RealServer,
  server: RealServer,
  address: string,
  certificates: TestCertificates,
): Promise<void> {
  await old.sql(`CREATE DATABASE shop; CREATE TABLE shop.orders ${tableOfOrders} DEFAULT CHARSET utf8mb4`);
  await pointReplica(old, server, address, certificates);
  await old.sql('START SLAVE');
  say("new server> INSERT INTO orders VALUES (4, 'milk', 1.10);");
  await server.sql(
    "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; INSERT INTO shop.orders VALUES (4, 'milk', 1.10)",
  );
  const end = await binlogEnd(server);
  const status = await replicaStatus(
    old,
    ({ Exec_Master_Log_Pos, Last_SQL_Errno, Last_IO_Errno }) =>
      Exec_Master_Log_Pos === end.position || Last_SQL_Errno !== 0 || Last_IO_Errno !== 0,
  );
  say(`old replica> ${statement};`);
  const rows = await old.sql(`USE shop; ${statement}`);
  if (rows.length === 0) throw new Error(`${status['Last_IO_Error']}${status['Last_SQL_Error']}`);
  sayTable(rows);
  say(`Slave_IO_Running ${status['Slave_IO_Running']}, Slave_SQL_Running ${status['Slave_SQL_Running']}`);
}

async function pointReplica(
  old: RealServer,
  server: RealServer,
  address: string,
  { serverTls }: TestCertificates,
): Promise<void> {
  const [host, port] = address.split(':');
  const { file, position } = await binlogEnd(server);
  await old.sql(
    `CHANGE MASTER TO MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='${replicaUser}',
     MASTER_PASSWORD='${password}', MASTER_SSL=1, MASTER_SSL_CA='${serverTls.ca}', MASTER_CONNECT_RETRY=1,
     MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position}`,
  );
}

async function binlogEnd(server: RealServer): Promise<{ file: string; position: number }> {
  const [end] = await server.sql(isLegacy(server) ? 'SHOW MASTER STATUS' : 'SHOW BINARY LOG STATUS');
  return { file: String(end?.['File']), position: Number(end?.['Position']) };
}

async function replicaStatus(old: RealServer, isThere: (status: Row) => boolean): Promise<Row> {
  for (;;) {
    const [status = {}] = await old.sql('SHOW SLAVE STATUS');
    if (isThere(status)) return status;
    await delay(50);
  }
}

function addressOf(proxy: MysqlTlsProxy, wanted: string): string {
  const bound = proxy.addresses.find(({ route }) => route === wanted);
  if (bound === undefined) throw new Error(`the proxy has no route ${wanted}`);
  return bound.address;
}

async function tlsMetrics(proxy: MysqlTlsProxy): Promise<string[]> {
  const response = await fetch(`http://${proxy.adminAddress}/metrics`);
  const counted = (await response.text())
    .split('\n')
    .filter((line) => line.startsWith('mysql_tls_proxy_tls_handshakes_total{') && !line.endsWith(' 0'));
  for (const route of ['key-pair', 'server-only', replicaRoute]) {
    if (counted.some((line) => line.includes(`route="${route}"`) && line.includes('leg="server"'))) continue;
    throw new Error(`/metrics counts no TLS handshake of the route ${route}`);
  }
  return counted;
}

async function keepRunning(proxy: MysqlTlsProxy): Promise<void> {
  step('Everything stays up. Ctrl-C stops and removes it.');
  const folder = makeTemporaryFolder();
  for (const { route, user } of applications) {
    const file = path.join(folder, `${route}.cnf`);
    const [host, port] = addressOf(proxy, route).split(':');
    writeFileSync(
      file,
      `[client]\nhost=${host}\nport=${port}\nuser=${user}\npassword=${password}\n[mysql]\ndatabase=shop\n`,
      { mode: 0o600 },
    );
    say(`mysql --defaults-file=${file}   # or mariadb; add --skip-ssl where your client insists on TLS`);
  }
  say(`curl http://${proxy.adminAddress}/metrics`);
  await new Promise(() => {
    // A pending promise holds no process: the listeners of the proxy do.
  });
}

function required(server: RealServer | Unavailable): RealServer {
  if (isUnavailable(server)) return stopWith(`The demo needs MySQL 5.6.24: ${server.unavailable}`);
  return server;
}

function withoutPassword(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(password, '***');
}

function step(title: string): void {
  steps += 1;
  process.stdout.write(`\n${steps}. ${title}\n`);
}

function say(text: string): void {
  process.stdout.write(`   ${text}\n`);
}

function sayTable(rows: readonly Row[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((column) =>
    Math.max(column.length, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  for (const text of [
    rule,
    line(columns),
    rule,
    ...rows.map((row) => line(columns.map((column) => String(row[column])))),
    rule,
  ])
    say(text);
}

function stopWith(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
