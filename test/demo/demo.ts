/**
 * The main job, live: an application of the MySQL 5.6 era, which knows no TLS newer than 1.0, reads a table from a
 * server that demands TLS and a client certificate. `--keep` leaves everything running.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createProxy, type MysqlTlsProxy, type ProxyOptions } from '../../src/index.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, type Row, startMariadb, startMysql56 } from '../support/servers.js';

const keep = process.argv.includes('--keep');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--keep');
if (unknown.length > 0) stopWith(`unknown argument ${unknown.join(' ')}; usage: npm run demo [-- --keep]`);

/** One account for each of the two ways in which a server may demand TLS. */
const ways = [
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
type Way = (typeof ways)[number];

/** Never printed: `--keep` writes it to a file that only its owner can read. */
const password = randomBytes(12).toString('hex');
const statement = 'SELECT id, item, price FROM orders ORDER BY id';

let steps = 0;

await run();

async function run(): Promise<void> {
  step('Starting the servers: a modern one that refuses plaintext, and MySQL 5.6.24 as the old application');
  const certificates = makeCertificates(makeTemporaryFolder());
  const server = await startModernServer(certificates);
  const application = required(await startMysql56());
  say(`modern server       ${server.version} on ${server.host}:${server.port}`);
  say(`old application     the client library of MySQL ${application.version} (its FEDERATED engine)`);

  step('Without the proxy: the application goes to the server directly');
  await showDirectAttempt(application, server);

  step('Starting the proxy');
  const proxy = await createProxy(proxyOptions(server, certificates));
  say(`$ mysql-tls-proxy ${equivalentFlags(server)}`);
  for (const { route, address } of proxy.addresses)
    say(`route ${route.padEnd(13)} listens on ${address}, in plaintext`);

  for (const way of ways) {
    step(`Through the proxy. ${way.title}, the account demands REQUIRE ${way.requirement}`);
    await showThroughProxy(application, way, addressOf(proxy, way));
  }

  step("The proxy's own metrics");
  for (const line of await serverLegMetrics(proxy)) say(line);

  if (keep) await keepRunning(proxy);
  else
    process.stdout.write(
      '\nThat is the main job. Everything was stopped and removed; npm run demo -- --keep leaves it running.\n',
    );
  await proxy.close();
  await Promise.all([application.stop(), server.stop()]);
}

/** MariaDB; where it can't be had MySQL 5.6.24 itself, over TLS 1.0. */
async function startModernServer({ serverTls }: TestCertificates): Promise<RealServer> {
  const mariadb = await startMariadb({
    tls: serverTls,
    extraArgs: ['--require-secure-transport=ON', '--tls-version=TLSv1.2,TLSv1.3'],
  });
  if (isUnavailable(mariadb))
    say(`MariaDB can't be had here (${mariadb.unavailable}): MySQL 5.6.24 takes its place, over TLS 1.0`);
  const server = isUnavailable(mariadb) ? required(await startMysql56({ tls: serverTls })) : mariadb;
  await server.sql(`
    CREATE DATABASE shop;
    CREATE TABLE shop.orders (id INT PRIMARY KEY, item VARCHAR(40), price DECIMAL(8,2));
    INSERT INTO shop.orders VALUES (1, 'tea', 3.50), (2, 'bread', 4.20), (3, 'honey', 7.90);
    CREATE SQL SECURITY INVOKER VIEW shop.session_tls AS SELECT variable_name AS name, variable_value AS value
      FROM information_schema.session_status WHERE variable_name IN ('Ssl_version', 'Ssl_cipher')`);
  for (const { user, requirement } of ways) {
    await server.sql(
      `GRANT SELECT ON shop.* TO '${user}'@'%' IDENTIFIED BY '${password}' REQUIRE ${requirement}`,
    );
  }
  return server;
}

function isLegacy(server: RealServer): boolean {
  return server.kind === 'mysql56';
}

function proxyOptions(server: RealServer, { serverTls, client }: TestCertificates): ProxyOptions {
  const shared = {
    listen: '127.0.0.1:0',
    servers: `${server.host}:${server.port}`,
  };
  const verified = { sslCa: serverTls.ca, ...(isLegacy(server) ? { tlsVersion: 'TLSv1' as const } : {}) };
  return {
    adminListen: '127.0.0.1:0',
    routes: [
      {
        ...shared,
        name: 'key-pair',
        server: { ...verified, sslCert: client.certificateFile, sslKey: client.keyFile },
      },
      { ...shared, name: 'server-only', server: verified },
    ],
  };
}

/** What a user would type for the first of the two routes. */
function equivalentFlags(server: RealServer): string {
  const legacy = isLegacy(server) ? ' --server-tls-version TLSv1' : '';
  return (
    `--listen 127.0.0.1:3307 --server ${server.host}:${server.port} --server-ssl-ca ca.pem ` +
    `--server-ssl-cert client-cert.pem --server-ssl-key client-key.pem${legacy}`
  );
}

async function showDirectAttempt(application: RealServer, server: RealServer): Promise<void> {
  const [way] = ways;
  say(`mysql> ${statement};`);
  try {
    await readOrders(application, way, `${server.host}:${server.port}`, 'direct');
  } catch (error) {
    say(`ERROR: ${withoutPassword(error)}`);
    say('The account demands TLS and a client certificate, which this application knows nothing of.');
    return;
  }
  throw new Error('the server let a plaintext client in: the demo shows nothing');
}

async function showThroughProxy(application: RealServer, way: Way, address: string): Promise<void> {
  say(`mysql> ${statement};`);
  sayTable(await readOrders(application, way, address, 'proxied'));
  const seen = await application.sql(`SELECT name, value FROM ${schemaOf(way, 'proxied')}.session_tls`);
  const value = (name: string) =>
    String(seen.find((row) => String(row['name']).toLowerCase() === name)?.['value'] ?? '');
  if (value('ssl_cipher') === '') throw new Error('the server sees no TLS on the connection of the proxy');
  say('client leg  application → proxy   plaintext');
  say(
    `server leg  proxy → server        Ssl_version ${value('ssl_version')}, Ssl_cipher ${value('ssl_cipher')} (as the server sees it)`,
  );
}

/** The same statement each time; only where the FEDERATED tables point to differs. */
async function readOrders(application: RealServer, way: Way, address: string, name: string): Promise<Row[]> {
  const schema = schemaOf(way, name);
  const connection = (table: string) =>
    `CONNECTION='mysql://${way.user}:${password}@${address}/shop/${table}'`;
  await application.sql(`
    CREATE DATABASE ${schema};
    CREATE TABLE ${schema}.orders (id INT PRIMARY KEY, item VARCHAR(40), price DECIMAL(8,2))
      ENGINE=FEDERATED ${connection('orders')};
    CREATE TABLE ${schema}.session_tls (name VARCHAR(64), value VARCHAR(1024))
      ENGINE=FEDERATED ${connection('session_tls')}`);
  return application.sql(`USE ${schema}; ${statement}`);
}

function schemaOf(way: Way, name: string): string {
  return `${name}_${way.user}`;
}

function addressOf(proxy: MysqlTlsProxy, way: Way): string {
  const bound = proxy.addresses.find(({ route }) => route === way.route);
  if (bound === undefined) throw new Error(`the proxy has no route ${way.route}`);
  return bound.address;
}

async function serverLegMetrics(proxy: MysqlTlsProxy): Promise<string[]> {
  const response = await fetch(`http://${proxy.adminAddress}/metrics`);
  const lines = (await response.text()).split('\n');
  const counted = lines.filter(
    (line) =>
      line.startsWith('mysql_tls_proxy_tls_handshakes_total{') &&
      line.includes('leg="server"') &&
      !line.endsWith(' 0'),
  );
  for (const { route } of ways) {
    if (counted.some((line) => line.includes(`route="${route}"`))) continue;
    throw new Error(`/metrics counts no TLS handshake of the route ${route}`);
  }
  return counted;
}

async function keepRunning(proxy: MysqlTlsProxy): Promise<void> {
  step('Everything stays up. Ctrl-C stops and removes it.');
  const folder = makeTemporaryFolder();
  for (const way of ways) {
    const file = path.join(folder, `${way.route}.cnf`);
    const [host, port] = addressOf(proxy, way).split(':');
    writeFileSync(
      file,
      `[client]\nhost=${host}\nport=${port}\nuser=${way.user}\npassword=${password}\n[mysql]\ndatabase=shop\n`,
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
