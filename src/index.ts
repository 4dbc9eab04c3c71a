/**
 * The proxy as a library.
 *
 * ```ts
 * import { createProxy } from 'mysql-tls-proxy';
 * const proxy = await createProxy({ listen: '127.0.0.1:0', server: 'db.example:3306', serverSslCa: 'ca.pem' });
 * console.log(proxy.addresses); // [{ route: 'default', address: '127.0.0.1:40123' }]
 * await proxy.close();
 * ```
 */
import { parseConfig } from './config/load.js';
import type { ProxyConfig } from './config/model.js';
import type { ProxyOptions } from './config/proxy-options.js';
import type { Observer } from './observe/events.js';
import { type Service, startService } from './service.js';

export { ConfigError } from './config/config-error.js';
export type {
  ClientLegOptions,
  ProxyOptions,
  RouteOptions,
  ServerLegOptions,
} from './config/proxy-options.js';
export { type ErrorCode, errorTable, ProxyError } from './errors.js';
export type {
  AuthenticationPath,
  CloseReason,
  ConnectionRecord,
  LegBytes,
  LoginAttempt,
  Observer,
  ServerCheck,
  ServerHealth,
  TlsDescription,
} from './observe/events.js';
export type { TlsWeakness } from './observe/weak-tls.js';
export type { BoundAddress } from './proxy/entrance.js';
export type { Closed, CloseOptions } from './proxy/proxy.js';

export interface MysqlTlsProxy extends Omit<Service, 'reload' | 'sockets'> {
  /**
   * Takes other options, or the same ones with certificate files read anew. All or nothing: rejects with ConfigError or
   * Error, and the old state stays. Routes and listen addresses can not change.
   */
  reload(options?: ProxyOptions): Promise<void>;
}

/**
 * Starts a proxy and resolves when it accepts connections. The options are those of the configuration file
 * (docs/configuration.md), in kebab-case or camelCase; nothing is read from the environment but the passwords for which
 * the file in `credentials` names variables. Without `stateDirectory` the proxy's RSA key is kept in memory only. The
 * admin listener is opened only when `adminListen` is given. Log options have no effect: the observer is told everything.
 *
 * Rejects with ConfigError, which holds all problems at once, or with an Error when an address can not be listened on.
 */
export async function createProxy(
  options: ProxyOptions,
  { observer }: { observer?: Observer } = {},
): Promise<MysqlTlsProxy> {
  const service = await startService(configOf(options), observer === undefined ? [] : [observer]);
  return {
    addresses: service.addresses,
    adminAddress: service.adminAddress,
    connections: () => service.connections(),
    close: (how) => service.close(how),
    reload: async (next = options) => service.reload(() => configOf(next)),
  };
}

/** Several proxies may run in one program: none takes the admin port by default. */
function configOf(options: ProxyOptions): ProxyConfig {
  const given = options.adminListen ?? options['admin-listen'];
  return parseConfig(given === undefined ? { ...options, adminListen: 'off' } : options).config;
}
