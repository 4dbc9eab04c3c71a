/** A proxy in a process of its own, to be measured from outside. Linux only: it reads /proc. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ProxyOptions } from '../../src/index.js';

const main = fileURLToPath(new URL('./proxy-process-main.js', import.meta.url));

/** What the proxy's process tells of itself. */
export interface InsideView {
  readonly connections: number;
  /** Of all connections so far, after authentication. */
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
  readonly heapBytes: number;
  /** How many of each kind keep the process alive, as `process.getActiveResourcesInfo()` names them. */
  readonly resources: Readonly<Record<string, number>>;
  /** Listeners on the process itself, by event. */
  readonly processListeners: Readonly<Record<string, number>>;
  /** What Node warned of so far, MaxListenersExceededWarning for example. */
  readonly warnings: readonly string[];
}

export interface ProxyProcess {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  inside(options?: { collectGarbage?: boolean }): Promise<InsideView>;
  /** Resident memory. */
  rssBytes(): number;
  openFiles(): number;
  stop(): Promise<void>;
}

export async function startProxyProcess(options: ProxyOptions): Promise<ProxyProcess> {
  const { NODE_TEST_CONTEXT: _unused, ...env } = process.env;
  const child = fork(main, [], { env, execArgv: ['--expose-gc'] });
  const { address } = (await ask(child, { start: { listen: '127.0.0.1:0', ...options } })) as {
    address: string;
  };
  const pid = child.pid ?? 0;
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    pid,
    inside: async (options = {}) => (await ask(child, { view: options })) as InsideView,
    rssBytes: () => {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      return Number(kilobytes) * 1024;
    },
    openFiles: () => readdirSync(`/proc/${pid}/fd`).length,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      if (child.connected) child.disconnect();
      await exit;
    },
  };
}

/** One question at a time. */
async function ask(child: ChildProcess, question: object): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const answered = once(child, 'message', { signal });
    const failed = once(child, 'exit', { signal }).then(([code, killedBy]) => {
      throw new Error(`the process of the proxy ended by itself (${code ?? killedBy})`);
    });
    child.send(question);
    const [answer] = await Promise.race([answered, failed]);
    return answer;
  } finally {
    settled.abort();
  }
}
