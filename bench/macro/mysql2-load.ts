/** Load that sysbench can't make, from mysql2 in this process: TLS sessions that are resumed, and idle connections. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { type Connection, createConnection } from 'mysql2/promise';
import { account, itemCount } from './database.js';
import { anonymousKilobytes, cpuMicroseconds, residentKilobytes } from './process-usage.js';
import type { Sample } from './sample.js';
import type { Target } from './workload.js';

export interface ConnectLoad {
  readonly concurrency: number;
  readonly tls: 'full' | 'resumed';
}

/** Opened and closed before, so that what a program takes once and keeps is not counted as memory of a connection. */
const connectionsBefore = 50;
const settleMs = 1500;
/** Connections that are opened at once; a server's backlog holds more. */
const openedAtOnce = 16;

/** Connect, one point select, close, over and over. Throws Error when sessions were not resumed as asked. */
export async function measureConnects(
  target: Target,
  { concurrency, tls }: ConnectLoad,
  seconds: number,
): Promise<Sample> {
  // mysql2 keeps a session for each object that holds TLS options.
  const ca = readFileSync(target.certificates.serverTls.ca);
  const shared = { ca };
  const ssl = () => (tls === 'resumed' ? shared : { ca });
  const pids = target.pids();
  const cpuBefore = cpuMicroseconds(pids);
  const started = performance.now();
  const latencies: number[] = [];
  let resumed = 0;
  const connectInTurn = async (): Promise<void> => {
    while (performance.now() < started + seconds * 1000) {
      const from = performance.now();
      const connection = await createConnection({ ...account, port: target.port, ssl: ssl() });
      await connection.query(`SELECT name FROM item WHERE id = ${1 + (latencies.length % itemCount)}`);
      if (isResumed(connection)) resumed++;
      await connection.end();
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, connectInTurn));
  const taken = (performance.now() - started) / 1000;
  const cpu = cpuMicroseconds(pids) - cpuBefore;
  checkResumption(tls, resumed / latencies.length);
  const sorted = latencies.sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)];
  return {
    throughput: latencies.length / taken,
    cpu: pids.length === 0 ? undefined : cpu / latencies.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    memory: pids.length === 0 ? undefined : residentKilobytes(pids) / 1000,
  };
}

/** Each has sent a query before it rests, as connections of a pool have. */
export async function measureIdleConnections(target: Target, count: number): Promise<Sample> {
  const pids = target.pids();
  await close(await open(target, connectionsBefore));
  await delay(settleMs);
  const before = anonymousKilobytes(pids);
  const connections = await open(target, count);
  await delay(settleMs);
  const after = anonymousKilobytes(pids);
  await close(connections);
  return { idleMemory: (after - before) / count };
}

/** TLS 1.3 sends its tickets after the handshake: the first connections of each round have none to resume. */
function checkResumption(wanted: ConnectLoad['tls'], share: number): void {
  const leastShare = 0.5;
  if (wanted === 'resumed' && share < leastShare)
    throw new Error(`only ${Math.round(share * 100)} % of the TLS sessions were resumed`);
  if (wanted === 'full' && share > 0) throw new Error('TLS sessions were resumed');
}

function isResumed(connection: Connection): boolean {
  const { stream } = (connection as unknown as { connection: { stream: TLSSocket } }).connection;
  return stream.isSessionReused();
}

async function open({ port }: Target, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const several = Array.from({ length: Math.min(openedAtOnce, count - connections.length) }, async () => {
      const connection = await createConnection({ ...account, port });
      await connection.query('SELECT 1');
      return connection;
    });
    connections.push(...(await Promise.all(several)));
  }
  return connections;
}

async function close(connections: readonly Connection[]): Promise<void> {
  await Promise.all(connections.map((connection) => connection.end()));
}
