/** A proxy of this process on a free port, with what it told its observer. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ConnectionRecord,
  createProxy,
  type MysqlTlsProxy,
  type ProxyError,
  type ProxyOptions,
  type ServerCheck,
  type ServerHealth,
} from '../../src/index.js';

export interface ProxyUnderTest {
  readonly proxy: MysqlTlsProxy;
  /** Of the first address that it listens on. */
  readonly host: string;
  readonly port: number;
  /** Connections as they were when their login was accepted, oldest first. */
  readonly established: readonly ConnectionRecord[];
  readonly failures: readonly ProxyError[];
  /** Of servers, oldest first. */
  readonly health: readonly ServerHealth[];
  readonly checks: readonly ServerCheck[];
  /** Resolves when no connection is left. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

export async function startProxyUnderTest(options: ProxyOptions): Promise<ProxyUnderTest> {
  const established: ConnectionRecord[] = [];
  const failures: ProxyError[] = [];
  const health: ServerHealth[] = [];
  const checks: ServerCheck[] = [];
  const proxy = await createProxy(
    { listen: '127.0.0.1:0', ...options },
    {
      observer: {
        established: (record) => void established.push({ ...record }),
        failed: (_record, error) => void failures.push(error),
        serverHealth: (one) => void health.push(one),
        serverChecked: (one) => void checks.push(one),
      },
    },
  );
  const { host, port } = splitAddress(proxy.addresses[0]?.address ?? '');
  return {
    proxy,
    host,
    port,
    established,
    failures,
    health,
    checks,
    quiet: async () => {
      while (proxy.connections() > 0) await delay(5);
    },
    close: async () => {
      await proxy.close();
    },
  };
}

/** Port 0 for a socket file. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(address.slice(colon + 1)) || 0 };
}
