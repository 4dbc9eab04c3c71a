/** A proxy that reuses server connections, in front of one server, and what it tells of that. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import {
  type ConnectionRecord,
  createProxy,
  type MysqlTlsProxy,
  type ProxyOptions,
} from '../../src/index.js';
import type { KeptEnd, ReuseJudgement } from '../../src/observe/events.js';
import type { Account } from './accounts.js';

export interface ReusingProxy {
  readonly proxy: MysqlTlsProxy;
  readonly port: number;
  /** Logins that were accepted, oldest first, as they were then. */
  readonly established: readonly ConnectionRecord[];
  readonly judgements: readonly ReuseJudgement[];
  /** Why kept connections ended, oldest first. */
  readonly ended: readonly KeptEnd[];
  readonly failures: readonly string[];
  /** The latest login. */
  latest(): ConnectionRecord;
  /** How many server connections wait for a client, by `/state`. */
  kept(): Promise<number>;
  /** Resolves when so many wait, and no client is connected. */
  whenKept(count: number): Promise<void>;
  /** A session of mysql2, which ends with COM_QUIT. */
  visit<T>(
    account: Account,
    work: (connection: Connection) => Promise<T>,
    options?: ConnectionOptions,
  ): Promise<T>;
  /** Has a server probed by a first visit. */
  warmUp(account: Account): Promise<void>;
  close(): Promise<void>;
}

/** A connection that is not kept would be waited for without end. */
const WAIT_MS = 20_000;

export async function startReusingProxy(options: ProxyOptions): Promise<ReusingProxy> {
  const established: ConnectionRecord[] = [];
  const judgements: ReuseJudgement[] = [];
  const ended: KeptEnd[] = [];
  const failures: string[] = [];
  const proxy = await createProxy(
    { listen: '127.0.0.1:0', adminListen: '127.0.0.1:0', reuseServerConnections: true, ...options },
    {
      observer: {
        established: (record) => void established.push({ ...record }),
        reuseJudged: (judgement) => void judgements.push(judgement),
        keptServerEnded: (_route, _server, reason) => void ended.push(reason),
        failed: (_record, error) => void failures.push(error.code),
      },
    },
  );
  const port = Number(proxy.addresses[0]?.address.split(':').at(-1));
  const kept = async (): Promise<number> => {
    const reply = await fetch(`http://${proxy.adminAddress}/state`);
    const { routes } = (await reply.json()) as { routes: { kept_server_connections: number }[] };
    return routes.reduce((sum, route) => sum + route.kept_server_connections, 0);
  };
  const underTest: ReusingProxy = {
    proxy,
    port,
    established,
    judgements,
    ended,
    failures,
    latest: () => {
      const latest = established.at(-1);
      if (latest === undefined) throw new Error('nobody has logged in');
      return latest;
    },
    kept,
    whenKept: async (count) => {
      const deadline = Date.now() + WAIT_MS;
      while (proxy.connections() > 0 || (await kept()) !== count) {
        if (Date.now() > deadline) throw new Error(`${await kept()} are kept, not ${count}`);
        await delay(5);
      }
    },
    visit: async (account, work, more = {}) => {
      const connection = await createConnection({ host: '127.0.0.1', port, ...account, ...more });
      try {
        return await work(connection);
      } finally {
        await connection.end();
      }
    },
    warmUp: async (account) => {
      const deadline = Date.now() + WAIT_MS;
      // One visit, or two: a server may ask the decoy with another plugin than its own.
      while (judgements.length === 0) {
        if (Date.now() > deadline) throw new Error(`no judgement, but ${ended.join()}`);
        await underTest.visit(account, (connection) => connection.query('DO 0'));
        while (proxy.connections() > 0) await delay(5);
        await delay(50);
      }
    },
    close: async () => {
      await proxy.close();
    },
  };
  return underTest;
}
