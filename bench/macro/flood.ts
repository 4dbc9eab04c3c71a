/** What others notice of a flood: a session that is established, and a client that connects again and again meanwhile. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Connection, createConnection } from 'mysql2/promise';
import { account } from './database.js';
import type { Sample } from './sample.js';
import type { Workload } from './workload.js';

/** Connections that say nothing, a byte now and then, or what is no MySQL. */
export type FloodKind = 'silent' | 'slow' | 'garbage';

export interface FloodOptions {
  /** Undefined: nobody attacks, and the same is measured. */
  readonly kind: FloodKind | undefined;
  /** Whether the session is one at the server itself: what it notices is the machine that is busy, and not the proxy. */
  readonly besides?: boolean;
}

const attackers = 2_000;
const mainFile = fileURLToPath(new URL('./flood-main.js', import.meta.url));

/** Milliseconds from an answer to the next query, and from the end of a connection to the next one. */
const QUERY_PAUSE_MS = 2;
const CONNECT_PAUSE_MS = 100;

/** Until the last attacker of a round is gone, and the server has done with it. */
const SETTLE_MS = 500;

export function sessionInFlood({ kind, besides = false }: FloodOptions): Workload {
  return {
    unit: 'query',
    run: async (target, seconds) => {
      const session = await connect(besides ? target.database.port : target.port);
      const flood = kind === undefined ? undefined : await startFlood(target.port, kind);
      try {
        const until = performance.now() + seconds * 1000;
        const [sample, longestLogin] = await Promise.all([
          queries(session, until),
          logins(target.port, until),
        ]);
        return { ...sample, longestLogin };
      } finally {
        session.destroy();
        await flood?.stop();
      }
    },
  };
}

/** From another address than the attackers: who has theirs is one of them to the proxy. */
function connect(port: number): Promise<Connection> {
  const stream = () => net.connect({ port, host: account.host, localAddress: '127.0.0.2', noDelay: true });
  return createConnection({ ...account, stream, connectTimeout: 30_000 });
}

/** Resolves when all attackers have come once. */
async function startFlood(port: number, kind: FloodKind): Promise<{ stop(): Promise<void> }> {
  const child = fork(mainFile, [String(port), String(attackers), kind]);
  const ended = once(child, 'exit').then(() =>
    Promise.reject(new Error('the attackers ended by themselves')),
  );
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return {
    stop: async () => {
      child.disconnect();
      if (child.exitCode === null) await once(child, 'exit');
      await delay(SETTLE_MS);
    },
  };
}

/** One after the other. */
async function queries(session: Connection, until: number): Promise<Sample> {
  const latencies: number[] = [];
  while (performance.now() < until) {
    const from = performance.now();
    await session.query('SELECT name FROM item WHERE id = 1');
    latencies.push(performance.now() - from);
    await delay(QUERY_PAUSE_MS);
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)];
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The longest time from connect to the first answer, in milliseconds, of a client that does nothing else. */
async function logins(port: number, until: number): Promise<number> {
  let longest = 0;
  while (performance.now() < until) {
    const from = performance.now();
    const client = await connect(port);
    await client.query('SELECT name FROM item WHERE id = 1');
    longest = Math.max(longest, performance.now() - from);
    await client.end();
    await delay(CONNECT_PAUSE_MS);
  }
  return longest;
}
