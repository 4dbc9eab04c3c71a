/** Three real servers, one proxy with a route for each kind of connection, and a Prometheus that watches it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { issueCertificate, makeCertificates, saveIdentity } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RunningPrometheus, startPrometheus } from '../support/prometheus.js';
import { type RealServer, startMariadb, startMysql9, startMysql56 } from '../support/servers.js';
import { type Account, createAccount, warmUp } from './accounts.js';
import { type LegTls, now, PASSED_THROUGH, PLAIN, type RouteUnderTest } from './prometheus-counts.js';
import { Tally } from './prometheus-tally.js';
import { stopServer } from './real-server.js';

const folder = makeTemporaryFolder();
export const certificates = makeCertificates(folder);
export const otherCa = saveIdentity(
  issueCertificate({ commonName: 'Other CA', purpose: 'ca' }),
  path.join(folder, 'other-ca.pem'),
  path.join(folder, 'other-ca-key.pem'),
);
const configFile = path.join(folder, 'proxy.yaml');
const credentialsFile = path.join(folder, 'credentials.yaml');

const ruleFiles = ['config/prometheus/recording-rules.yml', 'config/prometheus/alert-rules.yml'];
/** How many clients may come, and how many /metrics/connections shows of them. */
interface Limits {
  readonly clients: number;
  readonly shown: number;
}
export const limits = { usual: { clients: 40, shown: 100 }, low: { clients: 2, shown: 3 } };

export const TLS13: LegTls = ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'];
/** MySQL 9 prefers another cipher; the scene asks it. */
export const AT_MYSQL: LegTls = ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'];
/** All that the yaSSL of MySQL 5.6 has in common with the proxy. */
export const TLS10: LegTls = ['TLSv1', 'AES256-SHA'];
export const TLS12: LegTls = ['TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'];

/** Routes, and the server leg that each has. */
const serverLegs = {
  plain: AT_MYSQL,
  old: AT_MYSQL,
  modern: AT_MYSQL,
  filed: AT_MYSQL,
  untrusted: AT_MYSQL,
  through: PASSED_THROUGH,
  counted: PLAIN,
  tickets: PLAIN,
} as const;
export type RouteName = keyof typeof serverLegs;

export interface Servers {
  readonly mysql: RealServer;
  readonly old: RealServer;
  readonly mariadb: RealServer;
}

export interface Stage extends Servers {
  readonly tally: Tally;
  readonly cli: CliProcess;
  readonly prometheus: RunningPrometheus;
  /** `http://HOST:PORT`. */
  readonly admin: string;
  readonly routes: Readonly<Record<RouteName, RouteUnderTest>>;
  readonly app: Account;
  readonly other: Account;
  readonly replica: Account;
  readonly native: Account;
}

export async function startServers(cleanUps: (() => Promise<unknown>)[]): Promise<Servers | Unavailable> {
  const mysql = await startMysql9({
    tls: certificates.serverTls,
    extraArgs: [
      ...['--require-secure-transport=ON', '--server-id=1', '--log-bin=binlog'],
      // A 5.6 replica can not read global transaction ids that it has not switched on, nor newer collations.
      ...['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF', '--collation-server=utf8mb4_general_ci'],
      // Says which commands came.
      ...['--general-log=ON', '--log-output=TABLE'],
    ],
  });
  if (isUnavailable(mysql)) return mysql;
  cleanUps.push(() => stopServer(mysql));
  const old = await startMysql56({ extraArgs: ['--server-id=2'] });
  if (isUnavailable(old)) return old;
  cleanUps.push(() => stopServer(old));
  const mariadb = await startMariadb();
  if (isUnavailable(mariadb)) return mariadb;
  cleanUps.push(() => stopServer(mariadb));
  return { mysql, old, mariadb };
}

export async function setStage(
  servers: Servers,
  cleanUps: (() => Promise<unknown>)[],
): Promise<Stage | Unavailable> {
  const { mysql, mariadb } = servers;
  const app = await createAccount(mysql, 'app');
  const other = await createAccount(mysql, 'other');
  const replica = await createAccount(mysql, 'replica', { grant: 'REPLICATION SLAVE ON *.*' });
  const native = await createAccount(mariadb, 'native');
  for (const account of [app, other]) await warmUp(mysql, account, certificates);

  const passwordFile = path.join(folder, 'app.password');
  writeFileSync(passwordFile, app.password, { mode: 0o600 });
  writeFileSync(
    credentialsFile,
    stringify([{ user: app.user, 'password-file': passwordFile, route: 'filed' }]),
    { mode: 0o600 },
  );
  writeConfig(servers, limits.usual);
  const cli = new CliProcess(['--config', configFile]);
  cleanUps.push(async () => {
    cli.signal('SIGTERM');
    await cli.ended;
  });
  const ready = await cli.line('ready');
  const listening = ready['routes'] as Record<RouteName, readonly string[]>;
  const routes = Object.fromEntries(
    Object.entries(serverLegs).map(([name, serverTls]) => {
      const port = Number(listening[name as RouteName][0]?.split(':').at(-1));
      const server = addressOf(isAtMariadb(name) ? mariadb : mysql);
      return [name, { name, port, server, serverTls }];
    }),
  ) as Record<RouteName, RouteUnderTest>;

  const target = String(ready['admin']);
  const jobs = [
    { name: 'mysql-tls-proxy', target, path: '/metrics' },
    { name: 'mysql-tls-proxy-connections', target, path: '/metrics/connections' },
  ];
  const prometheus = await startPrometheus(jobs, ruleFiles);
  if (isUnavailable(prometheus)) return prometheus;
  cleanUps.push(() => prometheus.stop());
  const admin = `http://${target}`;
  return { ...servers, tally: new Tally(), cli, prometheus, admin, routes, app, other, replica, native };
}

function isAtMariadb(route: string): boolean {
  return route === 'counted' || route === 'tickets';
}

export function addressOf({ host, port }: RealServer): string {
  return `${host}:${port}`;
}

function writeConfig({ mysql, mariadb }: Servers, { clients, shown }: Limits): void {
  const ca = certificates.ca.certificateFile;
  const atMysql = (name: RouteName, route: object) => ({
    name,
    listen: '127.0.0.1:0',
    servers: addressOf(mysql),
    server: { 'ssl-ca': ca },
    ...route,
  });
  const atMariadb = (name: RouteName, route: object) => ({
    name,
    listen: '127.0.0.1:0',
    servers: addressOf(mariadb),
    server: { 'ssl-mode': 'DISABLED' },
    ...route,
  });
  const offersTls = {
    'ssl-cert': certificates.server.certificateFile,
    'ssl-key': certificates.server.keyFile,
  };
  const keyPair = {
    'ssl-cert': certificates.client.certificateFile,
    'ssl-key': certificates.client.keyFile,
  };
  const routes = [
    atMysql('plain', { server: { 'ssl-ca': ca, ...keyPair } }),
    atMysql('old', { 'auth-bridge': 'sha256', client: { ...offersTls, 'tls-profile': 'legacy' } }),
    atMysql('modern', { client: { ...offersTls, 'ssl-mode': 'REQUIRED' } }),
    atMysql('filed', {}),
    atMysql('untrusted', { server: { 'ssl-ca': otherCa.certificateFile } }),
    atMysql('through', { client: { 'ssl-mode': 'PASSTHROUGH' }, server: {} }),
    atMariadb('counted', {}),
    atMariadb('tickets', { client: offersTls }),
  ];
  const options = {
    'admin-listen': '127.0.0.1:0',
    'log-level': 'info',
    'max-connections': clients,
    'connection-metrics-limit': shown,
    credentials: credentialsFile,
    routes,
  };
  writeFileSync(configFile, stringify(options));
}

/** Resolves with Unix times in seconds, between which the reload succeeded. */
export async function reload(stage: Stage, limit: Limits): Promise<{ after: number; before: number }> {
  writeConfig(stage, limit);
  const after = now();
  await hangUp(stage.cli, 'configuration reloaded');
  return { after, before: now() };
}

export async function failToReload({ cli, tally }: Stage): Promise<void> {
  writeFileSync(configFile, 'routes: none');
  await hangUp(cli, 'reload failed, the old configuration stays in use');
  tally.add('tls_reloads_total', ['failure']);
}

async function hangUp(cli: CliProcess, message: string): Promise<void> {
  const times = () => cli.lines.filter(({ msg }) => msg === message).length;
  const before = times();
  cli.signal('SIGHUP');
  while (times() === before) await delay(10);
}

export interface Scrapes {
  readonly aggregates: string;
  readonly connections: string;
}

export async function scrape({ admin }: Stage): Promise<Scrapes> {
  const textOf = async (url: string) => (await fetch(url)).text();
  return {
    aggregates: await textOf(`${admin}/metrics`),
    connections: await textOf(`${admin}/metrics/connections`),
  };
}

/** A client knows that its connection has ended before the proxy does. */
export async function untilQuiet(stage: Stage): Promise<void> {
  const open = /^mysql_tls_proxy_connections_active\{.*\} [1-9]/m;
  while (open.test((await scrape(stage)).aggregates)) await delay(50);
}
