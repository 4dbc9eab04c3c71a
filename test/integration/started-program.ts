/** The command itself in front of a real server, watched from outside: its log, its figures, its processes. */
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import type { TestCertificates } from '../support/certificates.js';
import { CliProcess, type CliSurroundings } from '../support/cli-process.js';
import type { RealServer } from '../support/servers.js';

export interface StartedProgram {
  readonly cli: CliProcess;
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  /** `HOST:PORT`. */
  readonly admin: string;
  /** The processes that it has started, in the order of their numbers. */
  children(): number[];
  connect(options?: ConnectionOptions): Promise<Connection>;
  /** Sum of the samples with this name whose labels hold each of the texts. */
  metric(name: string, ...labels: readonly string[]): Promise<number>;
  /** Resolves when `condition` holds. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
}

export const account = { user: 'app', password: 'a secret of app' };

export async function createAccount(server: RealServer): Promise<void> {
  await server.sql(
    `CREATE DATABASE shop; CREATE USER 'app'@'%' IDENTIFIED BY '${account.password}'; GRANT ALL ON *.* TO 'app'@'%'`,
  );
}

export interface ProgramSurroundings extends CliSurroundings {
  /** The certificate of the client leg. */
  readonly shown?: { readonly certificateFile: string; readonly keyFile: string };
  /** Where it listens; 127.0.0.1 unless told otherwise. */
  readonly listenHost?: string;
}

/** Ends with the test. The client leg offers TLS. */
export async function startProgram(
  t: TestContext,
  server: RealServer,
  certificates: TestCertificates,
  args: readonly string[] = [],
  { shown = certificates.server, listenHost = '127.0.0.1', ...surroundings }: ProgramSurroundings = {},
): Promise<StartedProgram> {
  const cli = new CliProcess(
    [
      ...['--listen', `${listenHost}:0`, '--admin-listen', `${listenHost}:0`, '--log-format', 'json'],
      ...['--server', `${server.host}:${server.port}`, '--server-ssl-ca', certificates.ca.certificateFile],
      ...['--client-ssl-cert', shown.certificateFile, '--client-ssl-key', shown.keyFile],
      ...args,
    ],
    surroundings,
  );
  const connections: Connection[] = [];
  t.after(async () => {
    for (const connection of connections) connection.destroy();
    // Its output may live on in a process that has taken its place.
    const isOver = cli.child.exitCode !== null || cli.child.signalCode !== null;
    cli.signal('SIGKILL');
    if (!isOver) await once(cli.child, 'exit');
  });
  const ready = await cli.line('ready');
  const [address = ''] = ready['listen'] as string[];
  const [host = '', port] = address.split(':');
  const admin = ready['admin'] as string;
  const pid = cli.child.pid ?? 0;
  return {
    cli,
    pid,
    host,
    port: Number(port),
    admin,
    children: () => childrenOf(pid),
    connect: async (options = {}) => {
      const connection = await createConnection({ host, port: Number(port), ...account, ...options });
      connection.on('error', () => {});
      connections.push(connection);
      return connection;
    },
    metric: async (name, ...labels) => {
      const text = await (await fetch(`http://${admin}/metrics`)).text();
      const samples = text
        .split('\n')
        .filter(
          (line) =>
            line.startsWith(`mysql_tls_proxy_${name}`) && labels.every((label) => line.includes(label)),
        )
        .filter((line) => /[ {]/.test(line.charAt(`mysql_tls_proxy_${name}`.length)));
      return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
    until: async (condition) => {
      const deadline = Date.now() + 20_000;
      while (!(await condition())) {
        if (Date.now() > deadline) throw new Error(`never came true: ${condition}`);
        await delay(20);
      }
    },
  };
}

/** TCP connections of the process on this local port. */
export function establishedSockets(pid: number, port: number): number {
  const inodes = new Set(
    readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(`:${hexadecimal(port)}`) && state === '01')
      .map((fields) => `socket:[${fields[9]}]`),
  );
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => inodes.has(linkOf(`/proc/${pid}/fd/${fd}`))).length;
}

function hexadecimal(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

function childrenOf(parent: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => parentOf(pid) === parent);
  return children.map(Number).sort((one, other) => one - other);
}

/** One that has ended and was not asked for yet does not run. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Undefined where it has ended meanwhile. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
