/** The proxy with what belongs to it: metrics and the admin listener. The command line and programs both start it here. */
import type { ProxyConfig } from './config/model.js';
import { assertNoRestartNeeded } from './config/restart-needed.js';
import { messageOf } from './errors.js';
import type { ListeningSockets } from './listening-socket.js';
import { type AdminServer, startAdminServer } from './observe/admin-server.js';
import type { CommandChange } from './observe/command-statistics.js';
import type { Observer } from './observe/events.js';
import { createMonitor } from './observe/monitor.js';
import type { BoundAddress } from './proxy/entrance.js';
import { type Closed, type CloseOptions, type RunningProxy, startProxy } from './proxy/proxy.js';
import { packageVersion } from './version.js';

export interface Service {
  /** Where clients connect, with real ports. */
  readonly addresses: readonly BoundAddress[];
  /** `HOST:PORT` of the page, metrics and health checks; undefined where there is no admin listener. */
  readonly adminAddress: string | undefined;
  /** Those that listen, for another process of the same configuration. */
  readonly sockets: ListeningSockets;
  /** Connections that are open now, those in their handshake included. */
  connections(): number;
  /**
   * Uses the configuration that `read` returns, and certificate files read anew, for the connections that come from now on.
   * All or nothing: rejects with what `read` throws or with an Error that says why (an option that needs a restart has changed, a
   * file is unusable), and the old state stays.
   */
  reload(read: () => ProxyConfig): Promise<void>;
  /** Lets connections end, cuts those that are left, and frees the ports. By default at once. */
  close(options?: CloseOptions): Promise<Closed>;
}

/** How the proxy runs. `onCommands` is told of commands that observers are not told of one by one. */
export type ProxyStarter = (
  config: ProxyConfig,
  observers: readonly Observer[],
  inherited: ListeningSockets,
  onCommands: (route: string, changes: readonly CommandChange[]) => void,
) => Promise<RunningProxy>;

export interface ServiceOptions {
  /** Else in this process. */
  readonly start?: ProxyStarter;
  /** The `sockets` of the service whose place this one takes. */
  readonly inherited?: ListeningSockets;
}

/** Rejects with an Error that says what to change when an address or a certificate can not be used. */
export async function startService(
  config: ProxyConfig,
  observers: readonly Observer[],
  { start = startProxy, inherited = new Map() }: ServiceOptions = {},
): Promise<Service> {
  const listen = config.adminListen;
  let proxy: RunningProxy | undefined;
  const unreadyReason = () => (proxy?.ready() ? undefined : 'the proxy is stopping');
  const monitor =
    listen === undefined
      ? undefined
      : createMonitor(config, packageVersion(), {
          addresses: () => proxy?.addresses ?? [],
          certificates: () => proxy?.certificates() ?? [],
          keptServers: () => proxy?.keptServers() ?? [],
          waiting: () => proxy?.waiting() ?? new Map(),
          workers: () => proxy?.workers() ?? [],
          refresh: async () => proxy?.refresh(),
          serverConnections: () => proxy?.serverConnections() ?? [],
          unreadyReason,
        });
  let admin: AdminServer | undefined;
  try {
    const onCommands: Parameters<ProxyStarter>[3] = (route, changes) =>
      monitor?.countCommands(route, changes);
    proxy = await start(config, [...(monitor?.observers ?? []), ...observers], inherited, onCommands);
    if (listen !== undefined && monitor !== undefined) {
      const { endpoints, streams } = monitor;
      admin = await startAdminServer({
        listen,
        endpoints,
        streams,
        unreadyReason,
        inheritedFd: inherited.get(ADMIN),
      }).catch(adminFailure);
    }
  } catch (error) {
    await proxy?.close();
    monitor?.close();
    throw error;
  }
  const running = proxy;
  let current = config;
  return {
    addresses: running.addresses,
    adminAddress: admin?.address,
    sockets: new Map([...running.sockets, ...(admin === undefined ? [] : [[ADMIN, admin.fd] as const])]),
    connections: () => running.connections(),
    reload: async (read) => {
      try {
        const next = read();
        assertNoRestartNeeded(current, next);
        await running.reload(next);
        current = next;
        monitor?.reloaded(next);
      } catch (error) {
        monitor?.reloadFailed(error);
        throw error;
      }
    },
    close: async (options) => {
      // Whoever asks is to hear of the one that takes the place of this one.
      if (options?.isHandedOver) await admin?.close();
      const closed = await running.close(options);
      await admin?.close();
      monitor?.close();
      return closed;
    },
  };
}

/** Of the admin listener among the sockets; routes have an address behind their name. */
const ADMIN = 'admin';

function adminFailure(error: unknown): never {
  throw new Error(`can not listen for --admin-listen: ${messageOf(error)}`, { cause: error });
}
