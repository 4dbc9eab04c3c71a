/** Old and new clients at real servers through one proxy, watched by a real Prometheus, with a tally of what they did. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { stringify } from 'yaml';
import { issueCertificate, makeCertificates, saveIdentity } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RunningPrometheus, startPrometheus } from '../support/prometheus.js';
import { type RealServer, startMariadb, startMysql9, startMysql56 } from '../support/servers.js';
import { type Account, createAccount, warmUp } from './accounts.js';
import {
  countCommands,
  countConnection,
  countHandshake,
  countLogin,
  countReached,
  countRejected,
  distrustfulCli,
  type LegTls,
  mysql2Client,
  PASSED_THROUGH,
  PLAIN,
  portProbe,
  type RouteUnderTest,
  rawSession,
  refusedMysql2Client,
  resumingSessions,
  tooOldClient,
  useMysql2,
} from './prometheus-clients.js';
import { type Snapshot, Tally, takeSnapshot } from './prometheus-tally.js';
import { stopServer } from './real-server.js';
import { binlogEnd, statusWhen } from './replica-status.js';

const folder = makeTemporaryFolder();
export const certificates = makeCertificates(folder);
export const otherCa = saveIdentity(
  issueCertificate({ commonName: 'Other CA', purpose: 'ca' }),
  path.join(folder, 'other-ca.pem'),
  path.join(folder, 'other-ca-key.pem'),
);
const configFile = path.join(folder, 'proxy.yaml');
const credentialsFile = path.join(folder, 'credentials.yaml');

export const ruleFiles = ['config/prometheus/recording-rules.yml', 'config/prometheus/alert-rules.yml'];
export const limits = { usual: 40, low: 2 };

export const TLS13: LegTls = ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'];
/** MySQL 9 prefers another cipher; the scene asks it. */
export const AT_MYSQL: LegTls = ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'];
/** All that the yaSSL of MySQL 5.6 has in common with the proxy. */
export const TLS10: LegTls = ['TLSv1', 'AES256-SHA'];
const TLS12: LegTls = ['TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'];

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
type RouteName = keyof typeof serverLegs;

interface Servers {
  readonly mysql: RealServer;
  readonly old: RealServer;
  readonly mariadb: RealServer;
}

interface Stage extends Servers {
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

export interface Scene {
  readonly prometheus: RunningPrometheus;
  readonly tally: Tally;
  readonly snapshots: {
    /** Before the first connection. */
    readonly idle: Snapshot;
    /** While five clients are logged in. */
    readonly open: Snapshot;
    /** While no more are let in. */
    readonly full: Snapshot;
    /** After a reload that failed, and with the server of `counted` stopped. */
    readonly broken: Snapshot;
    /** After the last connection. */
    readonly end: Snapshot;
  };
  readonly addresses: { readonly mysql: string; readonly mariadb: string };
  /** Unix times in seconds, between which the last reload succeeded. */
  readonly lastReload: { readonly after: number; readonly before: number };
  /** What MySQL 9 says of itself. */
  readonly seenByMysql: {
    /** TLS sessions that were resumed. */
    readonly resumed: number;
    /** Commands of the 5.6 replica. */
    readonly replicaCommands: Readonly<Record<string, number>>;
  };
  /** Texts of the scrapes, at the end. */
  readonly scrapes: { readonly aggregates: string; readonly connections: string };
}

/** What a scene needs, until `close`. */
export interface Theatre {
  readonly servers: Servers;
  readonly scene: Scene;
  close(): Promise<void>;
}

export async function playScene(): Promise<Theatre | Unavailable> {
  const cleanUps: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  };
  try {
    const servers = await startServers(cleanUps);
    if (isUnavailable(servers)) {
      await close();
      return servers;
    }
    const stage = await setStage(servers, cleanUps);
    if (isUnavailable(stage)) {
      await close();
      return stage;
    }
    return { servers, scene: await play(stage, cleanUps), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startServers(cleanUps: (() => Promise<unknown>)[]): Promise<Servers | Unavailable> {
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

async function setStage(
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

function addressOf({ host, port }: RealServer): string {
  return `${host}:${port}`;
}

function writeConfig({ mysql, mariadb }: Servers, maxConnections: number): void {
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
    'max-connections': maxConnections,
    credentials: credentialsFile,
    routes,
  };
  writeFileSync(configFile, stringify(options));
}

async function play(stage: Stage, cleanUps: (() => Promise<unknown>)[]): Promise<Scene> {
  const { mysql, mariadb, tally, prometheus, admin } = stage;
  const idle = await takeSnapshot(prometheus);
  await workTogether(stage);
  await failDeliberately(stage);
  const { open, full } = await holdOpen(stage);
  const lastReload = await reload(stage, limits.usual);
  tally.add('tls_reloads_total', ['success']);

  await failToReload(stage);
  await mariadb.stop();
  await findServerGone(stage);
  const broken = await takeSnapshot(prometheus);
  const again = await startMariadb({ port: mariadb.port });
  if (isUnavailable(again)) throw new Error(again.unavailable);
  cleanUps.push(() => again.stop());
  await portProbe(tally, stage.routes.counted);

  await untilQuiet(stage);
  const end = await takeSnapshot(prometheus);
  return {
    prometheus,
    tally,
    snapshots: { idle, open, full, broken, end },
    addresses: { mysql: addressOf(mysql), mariadb: addressOf(mariadb) },
    lastReload,
    seenByMysql: {
      resumed: Number((await mysql.sql("SHOW GLOBAL STATUS LIKE 'Ssl_session_cache_hits'"))[0]?.['Value']),
      replicaCommands: await commandsOfReplica(mysql),
    },
    scrapes: {
      aggregates: await (await fetch(`${admin}/metrics`)).text(),
      connections: await (await fetch(`${admin}/metrics/connections`)).text(),
    },
  };
}

/** The load: three kinds of clients and some more, all at once. */
async function workTogether(stage: Stage): Promise<void> {
  const { tally, routes, app, other, native } = stage;
  const ca = certificates.ca.certificate;
  const times = (count: number, work: () => Promise<unknown>) => Array.from({ length: count }, () => work());
  await Promise.all([
    ...times(8, async () => {
      const client = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
      tally.add('auth_total', [
        'plain',
        'caching_sha2_password',
        'caching_sha2_password',
        'relayed',
        'accepted',
      ]);
      await useMysql2(tally, routes.plain, client, 20);
      await client.end();
    }),
    ...times(6, async () => {
      const client = await mysql2Client(tally, routes.modern, app, { ssl: { ca }, clientTls: TLS13 });
      tally.add('auth_total', [
        'modern',
        'caching_sha2_password',
        'caching_sha2_password',
        'relayed',
        'accepted',
      ]);
      await useMysql2(tally, routes.modern, client, 10);
      await client.end();
    }),
    replicate(stage),
    rawSession(tally, routes.counted, native).then(async (session) => {
      tally.add('auth_total', ['counted', 'mysql_native_password', 'none', 'relayed', 'accepted']);
      await session.end();
    }),
    resumingSessions(tally, routes.tickets, native, { ca, clientTls: TLS12, resumptions: 3 }).then(() =>
      tally.add('auth_total', ['tickets', 'mysql_native_password', 'none', 'relayed', 'accepted'], 4),
    ),
    ...times(2, async () => {
      const client = await mysql2Client(tally, routes.filed, app, { clientTls: PLAIN });
      tally.add('auth_total', [
        'filed',
        'mysql_native_password',
        'caching_sha2_password',
        'credentials',
        'accepted',
      ]);
      await client.connection.query('SELECT 1');
      countCommands(tally, routes.filed, { COM_QUERY: 1 });
      await client.end();
    }),
    mysql2Client(tally, routes.through, other, { ssl: { ca }, clientTls: PASSED_THROUGH }).then((client) =>
      client.end(),
    ),
  ]);
}

/** The replication thread of MySQL 5.6 over TLS 1.0, until it has what was written. */
async function replicate(stage: Stage): Promise<void> {
  const { mysql, old } = stage;
  await startReplica(stage);
  await mysql.sql(
    'SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; CREATE DATABASE shop; CREATE TABLE shop.log (id INT PRIMARY KEY)',
  );
  const { position } = await binlogEnd(mysql);
  await statusWhen(old, ({ Exec_Master_Log_Pos }) => Exec_Master_Log_Pos === position);
  await old.sql('STOP SLAVE');
}

async function startReplica({ mysql, old, tally, routes, replica }: Stage): Promise<void> {
  const { file, position } = await binlogEnd(mysql);
  await old.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${routes.old.port}, MASTER_USER='${replica.user}',
     MASTER_PASSWORD='${replica.password}', MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position},
     MASTER_CONNECT_RETRY=1, MASTER_SSL=1, MASTER_SSL_CA='${certificates.serverTls.ca}'; START SLAVE`,
  );
  await statusWhen(old, ({ Slave_IO_State }) => Slave_IO_State === 'Waiting for master to send event');
  countReached(tally, routes.old);
  countHandshake(tally, routes.old, 'client', TLS10);
  countLogin(tally, routes.old, TLS10);
  for (const weakness of ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc'])
    tally.add('weak_tls_connections_total', ['old', 'client', weakness]);
  tally.add('auth_total', ['old', 'mysql_native_password', 'caching_sha2_password', 'bridged', 'accepted']);
}

async function failDeliberately(stage: Stage): Promise<void> {
  const { mysql, tally, routes, app } = stage;
  const ca = certificates.ca.certificate;
  const wrong = { ...app, password: 'wrong' };
  for (let attempt = 0; attempt < 3; attempt++) {
    await refusedMysql2Client(tally, routes.plain, wrong, { errno: 1045 });
    countReached(tally, routes.plain);
    countRejected(tally, routes.plain, 'login_refused');
    countHandshake(tally, routes.plain, 'server', AT_MYSQL);
    tally.add('auth_total', [
      'plain',
      'caching_sha2_password',
      'caching_sha2_password',
      'translated',
      'refused',
    ]);
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    await refusedMysql2Client(tally, routes.modern, wrong, { ssl: { ca }, errno: 1045 });
    countReached(tally, routes.modern);
    countRejected(tally, routes.modern, 'login_refused');
    countHandshake(tally, routes.modern, 'client', TLS13);
    countHandshake(tally, routes.modern, 'server', AT_MYSQL);
    tally.add('auth_total', [
      'modern',
      'caching_sha2_password',
      'caching_sha2_password',
      'relayed',
      'refused',
    ]);

    await refusedMysql2Client(tally, routes.modern, app, { errno: 3159 });
    countReached(tally, routes.modern);
    countRejected(tally, routes.modern, 'client_tls_required');

    await tooOldClient(tally, routes.modern);
  }
  await distrustfulCli(tally, routes.modern, app, otherCa.certificateFile);

  await refusedMysql2Client(tally, routes.filed, wrong, { errno: 1045 });
  countReached(tally, routes.filed);
  countRejected(tally, routes.filed, 'access_denied');
  tally.add('auth_total', ['filed', 'mysql_native_password', 'none', 'credentials', 'refused']);

  for (let attempt = 0; attempt < 3; attempt++) {
    await refusedMysql2Client(tally, routes.untrusted, app, { errno: 2026 });
    countReached(tally, routes.untrusted);
    countRejected(tally, routes.untrusted, 'server_certificate_untrusted');
    tally.add('tls_handshake_failures_total', ['untrusted', 'server', 'server_certificate_untrusted']);
    tally.add('auth_total', ['untrusted', 'caching_sha2_password', 'none', 'relayed', 'failed']);
  }

  // The server has forgotten the password: the client hands it over, encrypted for the proxy.
  await mysql.sql('FLUSH NO_WRITE_TO_BINLOG PRIVILEGES');
  const cold = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
  tally.add('auth_total', [
    'plain',
    'caching_sha2_password',
    'caching_sha2_password',
    'translated',
    'accepted',
  ]);
  const [cipher] = await cold.connection.query<RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'");
  assert.equal(cipher[0]?.['Value'], AT_MYSQL[1]);
  countCommands(tally, routes.plain, { COM_QUERY: 1 });
  await cold.end();
}

/** Five clients stay logged in, then one too many comes. */
async function holdOpen(stage: Stage): Promise<{ open: Snapshot; full: Snapshot }> {
  const { old, tally, prometheus, routes, app, other, native } = stage;
  const ca = certificates.ca.certificate;
  const plain = [
    await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN }),
    await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN }),
  ] as const;
  tally.add(
    'auth_total',
    ['plain', 'caching_sha2_password', 'caching_sha2_password', 'relayed', 'accepted'],
    2,
  );
  const modern = await mysql2Client(tally, routes.modern, app, { ssl: { ca }, clientTls: TLS13 });
  tally.add('auth_total', [
    'modern',
    'caching_sha2_password',
    'caching_sha2_password',
    'relayed',
    'accepted',
  ]);
  // Another login, and a command that counts, but not the time that it takes.
  await plain[0].connection.changeUser(other);
  tally.add('auth_total', ['plain', 'caching_sha2_password', 'caching_sha2_password', 'relayed', 'accepted']);
  tally.add('commands_total', ['plain', 'COM_CHANGE_USER']);
  const counted = await rawSession(tally, routes.counted, native);
  tally.add('auth_total', ['counted', 'mysql_native_password', 'none', 'relayed', 'accepted']);
  await startReplica(stage);
  const open = await takeSnapshot(prometheus);

  await reload(stage, limits.low);
  tally.add('tls_reloads_total', ['success']);
  await refusedMysql2Client(tally, routes.plain, app, { errno: 1040 });
  countConnection(tally, routes.plain);
  countRejected(tally, routes.plain, 'too_many_connections');
  const full = await takeSnapshot(prometheus);

  for (const client of [...plain, modern, counted]) await client.end();
  await old.sql('STOP SLAVE');
  return { open, full };
}

/** Resolves with Unix times in seconds, between which the reload succeeded. */
async function reload(stage: Stage, maxConnections: number): Promise<{ after: number; before: number }> {
  writeConfig(stage, maxConnections);
  const after = Date.now() / 1000;
  await hangUp(stage.cli, 'configuration reloaded');
  return { after, before: Date.now() / 1000 };
}

async function failToReload({ cli, tally }: Stage): Promise<void> {
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

async function findServerGone({ tally, routes, native }: Stage): Promise<void> {
  await refusedMysql2Client(tally, routes.counted, native, { errno: 2003 });
  countConnection(tally, routes.counted);
  countRejected(tally, routes.counted, 'server_port_closed');
}

/** A client knows that its connection has ended before the proxy does. */
async function untilQuiet({ admin }: Stage): Promise<void> {
  const open = /^mysql_tls_proxy_connections_active\{.*\} [1-9]/m;
  while (open.test(await (await fetch(`${admin}/metrics`)).text())) await delay(50);
}

/** As MySQL's own log has them. */
async function commandsOfReplica(mysql: RealServer): Promise<Record<string, number>> {
  const rows = await mysql.sql(
    `SELECT command_type AS type, COUNT(*) AS count FROM mysql.general_log
     WHERE thread_id IN (SELECT thread_id FROM mysql.general_log WHERE command_type = 'Connect' AND argument LIKE 'replica@%')
     GROUP BY command_type`,
  );
  return Object.fromEntries(rows.map(({ type, count }) => [String(type), Number(count)]));
}
