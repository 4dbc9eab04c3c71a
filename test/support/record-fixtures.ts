/**
 * Records test/fixtures/recordings/ anew from real servers and clients. Run by hand after a build, with names (or parts
 * of names) to record only those:  node dist/test/support/record-fixtures.js [name...]
 */
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import { startRecorder } from '../fixtures/recorder.js';
import { type RecordedPacket, type RecordingFile, recordingsFolder } from '../fixtures/recordings.js';
import { redact } from '../fixtures/redact.js';
import { checkoutFolder } from './cache.js';
import { makeCertificates } from './certificates.js';
import { makeTemporaryFolder } from './clean-up.js';
import { type ClientOptions, mariadbCli, mysqlCli } from './clients.js';
import { mariadb, mysql9, type ServerKind } from './downloads.js';
import { isUnavailable, type Unavailable, versionLine } from './programs.js';
import { type RealServer, type ServerOptions, startServer } from './servers.js';

/** Lets a client connect to the recorder's port; what becomes of it does not matter. */
type StartClient = (port: number, server: RealServer) => Promise<unknown>;

interface Scenario {
  readonly server: string;
  readonly client: string;
  readonly password?: string;
  /** Runs on the server before the client comes. */
  readonly prepare?: string;
  readonly start: StartClient;
}

const user = 'app';
const schema = 'shop';
const goodPassword = 'a good password';
const wrongPassword = 'a wrong password';
const certificates = makeCertificates(makeTemporaryFolder());
const { ca } = certificates.serverTls;
const deadlineMs = 20_000;
const errHeader = 0xff;

const servers: Record<string, { kind: ServerKind; about: string; options: ServerOptions }> = {
  'mysql-5.6': { kind: 'mysql56', about: 'without TLS', options: { extraArgs: ['--server-id=1'] } },
  'mysql-5.6-tls': {
    kind: 'mysql56',
    about: 'with TLS',
    options: { tls: certificates.serverTls, extraArgs: ['--server-id=1'] },
  },
  'mysql-9': { kind: 'mysql9', about: 'without TLS', options: { extraArgs: ['--tls-version='] } },
  'mysql-9-tls': { kind: 'mysql9', about: 'with TLS', options: { tls: certificates.serverTls } },
  'mariadb-10.11': { kind: 'mariadb', about: 'without TLS', options: {} },
  'mariadb-10.11-tls': {
    kind: 'mariadb',
    about: 'with TLS',
    options: { tls: certificates.serverTls, extraArgs: ['--plugin-load-add=auth_ed25519'] },
  },
};

const account = (port: number): ClientOptions => ({ host: '127.0.0.1', port, user, password: goodPassword });
const viaMysql2 =
  (options: ConnectionOptions = {}): StartClient =>
  (port) =>
    createConnection({ ...account(port), ...options } as ConnectionOptions).then((connection) =>
      connection.destroy(),
    );
const viaMariadbCli =
  (options: Partial<ClientOptions> = {}): StartClient =>
  (port) =>
    mariadbCli({ ...account(port), ...options }, 'SELECT 1');
const viaMysqlCli =
  (options: Partial<ClientOptions> = {}): StartClient =>
  (port) =>
    mysqlCli({ ...account(port), ...options }, 'SELECT 1');

const mysql2Version = JSON.parse(
  readFileSync(path.join(checkoutFolder, 'node_modules/mysql2/package.json'), 'utf8'),
).version;
const mysql2 = `mysql2 ${mysql2Version}`;
const mariadbProgram = `the mariadb CLI (${await versionOf(mariadb())})`;
const mysqlProgram = `the mysql CLI (${await versionOf(mysql9())})`;
const federated = 'the FEDERATED engine of MySQL 5.6.24';
const replica = 'the replication I/O thread of MySQL 5.6.24 with MASTER_SSL_CA';

const fewConnections = 'SET GLOBAL max_connections = 10';
const coldCache = 'FLUSH PRIVILEGES';
const plainTls = { ca };
const mysql2Tls = { ssl: { ca: certificates.ca.certificate } };
const wrong = { password: wrongPassword };

const scenarios: Record<string, Scenario> = {
  'mysql2-to-mysql-5.6': { server: 'mysql-5.6', client: mysql2, start: viaMysql2({ database: schema }) },
  'mysql2-to-mysql-5.6-tls-unused': { server: 'mysql-5.6-tls', client: mysql2, start: viaMysql2() },
  'mysql2-to-mysql-5.6-denied': { server: 'mysql-5.6', client: mysql2, ...wrong, start: viaMysql2(wrong) },
  'mysql2-to-mysql-9-rsa': { server: 'mysql-9', client: mysql2, prepare: coldCache, start: viaMysql2() },
  'mysql2-to-mysql-9-tls-cold': {
    server: 'mysql-9-tls',
    client: mysql2,
    prepare: coldCache,
    start: viaMysql2({ ...mysql2Tls, database: schema }),
  },
  'mysql2-to-mysql-9-tls-warm': { server: 'mysql-9-tls', client: mysql2, start: viaMysql2(mysql2Tls) },
  'mysql2-to-mysql-9-tls-denied': {
    server: 'mysql-9-tls',
    client: mysql2,
    ...wrong,
    start: viaMysql2({ ...mysql2Tls, ...wrong }),
  },
  'mysql2-to-mariadb-compressed': {
    server: 'mariadb-10.11',
    client: mysql2,
    start: viaMysql2({ compress: true, database: schema }),
  },
  'mysql2-to-mariadb-tls': { server: 'mariadb-10.11-tls', client: mysql2, start: viaMysql2(mysql2Tls) },
  'mariadb-cli-to-mariadb': {
    server: 'mariadb-10.11',
    client: mariadbProgram,
    start: viaMariadbCli({ tls: 'off', database: schema }),
  },
  'mariadb-cli-to-mariadb-tls': {
    server: 'mariadb-10.11-tls',
    client: mariadbProgram,
    start: viaMariadbCli({ tls: plainTls, database: schema }),
  },
  'mariadb-cli-to-mariadb-denied': {
    server: 'mariadb-10.11-tls',
    client: mariadbProgram,
    ...wrong,
    start: viaMariadbCli({ ...wrong, tls: plainTls }),
  },
  'mariadb-cli-to-mariadb-ed25519': {
    server: 'mariadb-10.11-tls',
    client: mariadbProgram,
    start: viaMariadbCli({ user: 'signer', tls: plainTls }),
  },
  'mariadb-cli-to-mysql-9-tls': {
    server: 'mysql-9-tls',
    client: mariadbProgram,
    prepare: coldCache,
    start: viaMariadbCli({ tls: plainTls }),
  },
  'mariadb-cli-to-mysql-5.6': {
    server: 'mysql-5.6',
    client: mariadbProgram,
    start: viaMariadbCli({ tls: 'off' }),
  },
  'mysql-cli-to-mysql-9-rsa': {
    server: 'mysql-9',
    client: mysqlProgram,
    prepare: coldCache,
    start: viaMysqlCli({ tls: 'off', extraArgs: ['--get-server-public-key'] }),
  },
  'mysql-cli-to-mysql-9-tls-zstd': {
    server: 'mysql-9-tls',
    client: mysqlProgram,
    start: viaMysqlCli({
      tls: plainTls,
      database: schema,
      extraArgs: ['--compression-algorithms=zstd', '--zstd-compression-level=7'],
    }),
  },
  'mysql-cli-to-mysql-9-tls-sha256': {
    server: 'mysql-9-tls',
    client: mysqlProgram,
    start: viaMysqlCli({ tls: plainTls, extraArgs: ['--default-auth=sha256_password'] }),
  },
  'mysql-cli-to-mysql-5.6': { server: 'mysql-5.6', client: mysqlProgram, start: viaMysqlCli({ tls: 'off' }) },
  'mysql-cli-to-mariadb-tls': {
    server: 'mariadb-10.11-tls',
    client: mysqlProgram,
    start: viaMysqlCli({ tls: plainTls }),
  },
  'federated-to-mysql-5.6': { server: 'mysql-5.6', client: federated, start: viaFederated },
  'federated-to-mysql-9': { server: 'mysql-9-tls', client: federated, start: viaFederated },
  'federated-to-mariadb': { server: 'mariadb-10.11-tls', client: federated, start: viaFederated },
  'replica-to-mysql-5.6-tls': { server: 'mysql-5.6-tls', client: replica, start: viaReplica },
  'full-mysql-5.6': { server: 'mysql-5.6', client: 'a socket', prepare: fewConnections, start: whenFull },
  'full-mysql-9': { server: 'mysql-9-tls', client: 'a socket', prepare: fewConnections, start: whenFull },
  'full-mariadb': { server: 'mariadb-10.11', client: 'a socket', prepare: fewConnections, start: whenFull },
};

const running = new Map<string, Promise<RealServer>>();
mkdirSync(recordingsFolder, { recursive: true });
const wanted = process.argv.slice(2);
for (const [name, scenario] of Object.entries(scenarios)) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const file = await recordScenario(scenario);
  writeFileSync(path.join(recordingsFolder, `${name}.json`), `${JSON.stringify(file, undefined, 2)}\n`);
  process.stdout.write(`${name}: ${file.packets.length} packets\n`);
}
for (const server of running.values()) await (await server).stop();

async function recordScenario(scenario: Scenario): Promise<RecordingFile> {
  const server = await preparedServer(scenario.server);
  if (scenario.prepare !== undefined) await server.sql(scenario.prepare);
  const recorder = await startRecorder(server.port, certificates.server);
  const client = scenario.start(recorder.port, server).catch(() => {});
  const packets = await Promise.race([recorder.dialogue, delay(deadlineMs, undefined, { ref: false })]);
  if (packets === undefined) throw new Error(`the dialogue did not end within ${deadlineMs / 1000} s`);
  await client;
  redact(packets, scenario.password ?? goodPassword);
  return {
    server: `${nameOf(server)} ${servers[scenario.server]?.about}`,
    client: scenario.client,
    recorded: new Date().toISOString().slice(0, 'YYYY-MM-DD'.length),
    packets: packets.map((packet: RecordedPacket) => ({
      ...packet,
      payload: packet.payload.toString('hex'),
    })),
  };
}

function preparedServer(name: string): Promise<RealServer> {
  const server = running.get(name) ?? startPrepared(name);
  running.set(name, server);
  return server;
}

async function startPrepared(name: string): Promise<RealServer> {
  const definition = servers[name];
  if (definition === undefined) throw new Error(`no server is called ${name}`);
  const server = available(await startServer(definition.kind, definition.options));
  await server.sql(`CREATE DATABASE ${schema}`);
  await server.sql(`CREATE TABLE ${schema}.item (id INT PRIMARY KEY)`);
  await server.sql(`CREATE USER '${user}'@'%' IDENTIFIED BY '${goodPassword}'`);
  await server.sql(`GRANT ALL ON *.* TO '${user}'@'%'`);
  if (definition.kind === 'mariadb' && definition.options.tls !== undefined) {
    await server.sql(`CREATE USER 'signer'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${goodPassword}')`);
  }
  return server;
}

async function viaFederated(port: number): Promise<void> {
  const engine = await preparedServer('mysql-5.6');
  const table = `${schema}.remote_${port}`;
  await engine.sql(
    `CREATE SERVER s${port} FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', PORT ${port}, USER '${user}',
     PASSWORD '${goodPassword}', DATABASE '${schema}')`,
  );
  await engine.sql(`CREATE TABLE ${table} (id INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='s${port}/item'`);
  await engine.sql(`SELECT * FROM ${table}`);
}

async function viaReplica(port: number): Promise<void> {
  const server = available(await startServer('mysql56', { extraArgs: ['--server-id=2'] }));
  await server.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='${user}',
     MASTER_PASSWORD='${goodPassword}', MASTER_SSL=1, MASTER_SSL_CA='${ca}'`,
  );
  await server.sql('START SLAVE IO_THREAD');
  await delay(2_000);
  await server.stop();
}

/** Takes every connection that the server has to give, and then one more through the recorder. */
async function whenFull(port: number, server: RealServer): Promise<void> {
  const taken: net.Socket[] = [];
  let firstByte: number | undefined;
  while (firstByte !== errHeader) {
    const socket = net.connect(server.port, server.host);
    taken.push(socket);
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    firstByte = bytes[4];
  }
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  await once(socket.resume(), 'close');
  for (const socket of taken) socket.destroy();
}

async function versionOf(program: ReturnType<typeof mysql9>): Promise<string> {
  const { client } = available(await program);
  if (client === undefined) throw new Error('comes without a client');
  const line = await versionLine(client);
  if (typeof line !== 'string') throw new Error(line.unavailable);
  return line.replace(/^\S*\s+/, '');
}

/** MariaDB's version says by itself whose it is. */
function nameOf({ kind, version }: RealServer): string {
  return kind === 'mariadb' ? version : `MySQL ${version}`;
}

function available<T extends object>(found: T | Unavailable): T {
  if (isUnavailable(found)) throw new Error(found.unavailable);
  return found;
}
