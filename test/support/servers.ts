/** Starts real servers on free ports with data folders of their own, and stops them again. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { hasEnded, makeTemporaryFolder, removeTemporaryFolder, startChild, stopChild } from './clean-up.js';
import { copyFreshDataFolder, storageArgs, userArgs } from './data-folders.js';
import { type ServerKind, type ServerProgram, serverProgram } from './downloads.js';
import { isUnavailable, type Unavailable } from './programs.js';

export interface ServerOptions {
  /** The address to listen on; 127.0.0.1 unless told otherwise. */
  host?: string;
  /** A free one unless told otherwise. */
  port?: number;
  /** Paths of PEM files. Without them 9.x uses certificates it makes itself, and the others offer no TLS. */
  tls?: { ca: string; cert: string; key: string };
  /** Looks up the names of its clients, which MySQL needs to keep count of their broken connections. */
  resolvesNames?: boolean;
  /** Come last, so they override the arguments that the tests use otherwise. */
  extraArgs?: readonly string[];
}

export type Row = Record<string, unknown>;

export interface RealServer {
  kind: ServerKind;
  /** As `SELECT VERSION()` gives it. */
  version: string;
  host: string;
  port: number;
  socketPath: string;
  dataFolder: string;
  /** Another one after `restart`. */
  readonly pid: number;
  /** The last part of the server's error log. */
  log(): string;
  /** Runs statements as root over the Unix socket, and gives the rows of the last one that has any. */
  sql(statements: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Ends it as a crash would, and keeps the data folder. */
  kill(): Promise<void>;
  /** After `kill`, on the same port with the same data. */
  restart(): Promise<void>;
  /** May be called twice. Removes the data folder. */
  stop(): Promise<void>;
}

const startDeadlineMs = 60_000;
const bindAttempts = 5;
const logTailLength = 4000;

/** The same for every server: quick to start and to stop, and nothing worth keeping after a crash. */
const testArgs = [
  '--skip-slave-start',
  '--max-connections=500',
  '--max-allowed-packet=64M',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-doublewrite=0',
  '--innodb-use-native-aio=0',
  '--secure-file-priv=',
  // A slow query's last packet has a flag that says so: the same statement would give other bytes on a busy machine.
  '--long-query-time=3600',
];
const testArgsByKind: Record<ServerKind, readonly string[]> = {
  // A performance schema of the usual size would take 450 MB in 5.6, and 300 MB in 9.x.
  mysql56: ['--federated', '--performance-schema=0'],
  mysql9: [
    '--mysqlx=OFF',
    '--skip-log-bin',
    '--innodb-log-buffer-size=1M',
    '--performance-schema-error-size=0',
    '--performance-schema-digests-size=200',
    '--performance-schema-events-statements-history-long-size=10',
  ],
  mariadb: [],
  mariadb11: [],
};

export const startMysql56 = (options?: ServerOptions): Promise<RealServer | Unavailable> =>
  startServer('mysql56', options);
export const startMysql9 = (options?: ServerOptions): Promise<RealServer | Unavailable> =>
  startServer('mysql9', options);
export const startMariadb = (options?: ServerOptions): Promise<RealServer | Unavailable> =>
  startServer('mariadb', options);

export const startMariadb11 = (options?: ServerOptions): Promise<RealServer | Unavailable> =>
  startServer('mariadb11', options);

export async function startServer(
  kind: ServerKind,
  options: ServerOptions = {},
): Promise<RealServer | Unavailable> {
  const program = await serverProgram(kind);
  if (isUnavailable(program)) return program;
  const folder = makeTemporaryFolder();
  try {
    await copyFreshDataFolder(program, path.join(folder, 'data'));
    for (let attempt = 1; ; attempt++) {
      const server = await startOnce(program, folder, options);
      if (server !== 'port taken') return server;
      // Another process may take a free port before the server does.
      const triesAnother = options.port === undefined && attempt < bindAttempts;
      if (!triesAnother) throw new Error(`${kind} found its port taken:\n${logTail(folder)}`);
    }
  } catch (error) {
    removeTemporaryFolder(folder);
    throw error;
  }
}

async function startOnce(
  program: ServerProgram,
  folder: string,
  options: ServerOptions,
): Promise<RealServer | 'port taken'> {
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? (await freePort(host));
  const socketPath = path.join(folder, 'socket');
  const dataFolder = path.join(folder, 'data');
  const args = [
    `--datadir=${dataFolder}`,
    `--tmpdir=${folder}`,
    `--pid-file=${path.join(folder, 'pid')}`,
    `--socket=${socketPath}`,
    `--bind-address=${host}`,
    `--port=${port}`,
    ...userArgs,
    ...storageArgs[program.kind],
    ...testArgs,
    // Not among those that can be overridden: MySQL takes `--skip-name-resolve=0` for the same as without value.
    ...(options.resolvesNames ? [] : ['--skip-name-resolve']),
    ...testArgsByKind[program.kind],
    ...tlsArgs(options.tls),
    ...(options.extraArgs ?? []),
  ];
  const start = (logMode: 'w' | 'a'): ChildProcess => {
    const output = openSync(logFile(folder), logMode);
    const started = startChild(program.server, args, output);
    closeSync(output);
    return started;
  };
  let child = start('w');
  const sql = (statements: string, values: readonly unknown[] = []): Promise<Row[]> =>
    runAsRoot(socketPath, statements, values);
  const version = await versionWhenReady(child, sql).catch(async (error) => {
    await stopChild(child);
    if (/address already in use/i.test(logTail(folder))) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${program.kind} did not start: ${reason}\n${logTail(folder)}`);
  });
  if (version === undefined) return 'port taken';
  return {
    kind: program.kind,
    version,
    host,
    port,
    socketPath,
    dataFolder,
    get pid() {
      return child.pid ?? 0;
    },
    log: () => logTail(folder),
    sql,
    kill: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
    restart: async () => {
      child = start('a');
      await versionWhenReady(child, sql);
    },
    stop: async () => {
      await stopChild(child);
      removeTemporaryFolder(folder);
    },
  };
}

async function versionWhenReady(child: ChildProcess, sql: RealServer['sql']): Promise<string> {
  let spawnFailure: Error | undefined;
  child.once('error', (error) => {
    spawnFailure = error;
  });
  const deadline = Date.now() + startDeadlineMs;
  for (;;) {
    try {
      const [row] = await sql('SELECT VERSION() AS version');
      return String(row?.['version']);
    } catch (error) {
      if (spawnFailure) throw spawnFailure;
      if (hasEnded(child)) throw new Error('it ended at once', { cause: error });
      if (Date.now() > deadline) throw error;
    }
    await delay(50);
  }
}

async function runAsRoot(socketPath: string, statements: string, values: readonly unknown[]): Promise<Row[]> {
  const connection = await createConnection({ socketPath, user: 'root', multipleStatements: true });
  try {
    const [results] = await connection.query(statements, [...values]);
    return lastRows(results);
  } finally {
    await connection.end();
  }
}

/** One statement gives rows or a header; several give an array of these. */
function lastRows(results: unknown): Row[] {
  if (!Array.isArray(results)) return [];
  const rowSets = results.filter((result) => Array.isArray(result));
  if (rowSets.length > 0) return rowSets.at(-1) as Row[];
  const isHeader = (result: object): boolean => result.constructor.name === 'ResultSetHeader';
  return results.some(isHeader) ? [] : (results as Row[]);
}

function tlsArgs(tls: ServerOptions['tls']): string[] {
  return tls ? [`--ssl-ca=${tls.ca}`, `--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key}`] : [];
}

function logFile(folder: string): string {
  return path.join(folder, 'server.log');
}

function logTail(folder: string): string {
  try {
    return readFileSync(logFile(folder), 'utf8').slice(-logTailLength);
  } catch {
    return '';
  }
}

/** A port that nothing listened on a moment ago. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
