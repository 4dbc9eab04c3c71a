/** The proxy with what belongs to it: metrics and the admin listener. The command line and programs both start it here. */
import type { ProxyConfig } from './config/model.js';
import { type AdminServer, startAdminServer } from './observe/admin-server.js';
import type { Observer } from './observe/events.js';
import { createMetrics } from './observe/metrics/aggregates.js';
import { type BoundAddress, startProxy } from './proxy/proxy.js';
import { packageVersion } from './version.js';

export interface Service {
  /** Where clients connect, with real ports. */
  readonly addresses: readonly BoundAddress[];
  /** `HOST:PORT` of /metrics, /livez and /readyz; undefined where there is no admin listener. */
  readonly adminAddress: string | undefined;
  /** Connections that are open now, those in their handshake included. */
  connections(): number;
  /**
   * Uses another configuration, and certificate files read anew, for the connections that come from now on. All or
   * nothing: rejects with an Error that says why, and the old state stays.
   */
  reload(config: ProxyConfig): Promise<void>;
  /** Stops listening, cuts the connections that are left after `graceMs` milliseconds (default 0), and frees the ports. */
  close(options?: { graceMs?: number }): Promise<void>;
}

/** Rejects with an Error that says what to change when an address or a certificate can not be used. */
export async function startService(config: ProxyConfig, observers: readonly Observer[]): Promise<Service> {
  const metrics = createMetrics(
    config.routes.map(({ name }) => name),
    packageVersion(),
  );
  const proxy = await startProxy(config, [metrics.observer, ...observers]);
  let admin: AdminServer | undefined;
  if (config.adminListen !== undefined) {
    try {
      admin = await startAdminServer({
        listen: config.adminListen,
        metrics: metrics.registry,
        unreadyReason: () => (proxy.ready() ? undefined : 'the proxy is stopping'),
      });
    } catch (error) {
      await proxy.close();
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`can not listen for --admin-listen: ${reason}`, { cause: error });
    }
  }
  return {
    addresses: proxy.addresses,
    adminAddress: admin?.address,
    connections: () => proxy.connections(),
    reload: (next) => proxy.reload(next),
    close: async (options) => {
      await proxy.close(options);
      await admin?.close();
    },
  };
}
