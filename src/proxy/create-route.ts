/** Makes a route of its configuration: reads its files, builds its TLS contexts, and what serves its connections. */
import { createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { NetworkList } from '../admission/network-list.js';
import { type RsaKeySource, rsaKeyFromFile } from '../auth/rsa-key.js';
import { formatAddress, handshakeTimeoutOf, type RouteConfig, type UserCredential } from '../config/model.js';
import type { Observer, ServerHealth } from '../observe/events.js';
import { createClientLegTls, createServerLegTls, type ServerLegTls } from '../tls/contexts.js';
import { ownHeader } from './announce-client.js';
import { checkServer } from './health-check.js';
import { HealthMonitor } from './health-monitor.js';
import { KeptServers } from './kept-servers.js';
import type { OwnLogin } from './own-login.js';
import type { Route, RouteTimeouts } from './route.js';
import { ServerPool } from './server-pool.js';

/** The same in all processes of a proxy. */
export interface ProxySecrets {
  /** Serves routes that are given no RSA key. */
  readonly ownKey: RsaKeySource;
  /** For the TLS sessions that clients resume: 32 random bytes. */
  readonly ticketSecret: Uint8Array;
}

export interface RouteSurroundings {
  /** Of the process. */
  readonly timeouts: RouteTimeouts;
  readonly users: readonly UserCredential[];
  readonly secrets: ProxySecrets;
  /** Told of kept server connections, and of the health of servers. */
  readonly observer: Observer;
  /** The route that this one replaces. */
  readonly before: Route | undefined;
}

/** Throws where a certificate, key, cipher list or password file is unusable. */
export function createRoute(config: RouteConfig, surroundings: RouteSurroundings): Route {
  const { users, secrets, observer, before } = surroundings;
  const { ownKey, ticketSecret } = secrets;
  const serverTls = config.client.sslMode === 'PASSTHROUGH' ? undefined : createServerLegTls(config.server);
  // What a server showed last is so after a reload, too; whether it is trusted is decided anew for each connection.
  for (const server of config.servers.map(formatAddress)) {
    const shown = before?.serverTls?.certificates.get(server);
    if (shown !== undefined) serverTls?.certificates.set(server, shown);
  }
  const timeouts = {
    connectTimeout: surroundings.timeouts.connectTimeout,
    handshakeTimeout: handshakeTimeoutOf(config, surroundings.timeouts),
  };
  const { pool, checks } = checkedServers(config, serverTls, { ...surroundings, timeouts });
  return {
    config,
    timeouts,
    clientTls: createClientLegTls(config.client, ticketSecret),
    serverTls,
    plaintextNetworks: new NetworkList(config.client.plaintextFrom),
    balancerNetworks: config.proxyProtocolFrom && new NetworkList(config.proxyProtocolFrom),
    rsaKey: config.rsaPrivateKey === undefined ? ownKey : rsaKeyFromFile(config.rsaPrivateKey),
    users: users.filter(({ route }) => route === undefined || route === config.name),
    kept: keptServers(config, observer, pool),
    pool,
    checks,
  };
}

function checkedServers(
  config: RouteConfig,
  serverTls: ServerLegTls | undefined,
  { timeouts, observer, before }: RouteSurroundings,
): Pick<Route, 'pool' | 'checks'> {
  const { name: route, servers, routingStrategy: strategy, healthCheckInterval: interval } = config;
  const isChecked = interval !== undefined;
  let monitor: HealthMonitor | undefined;
  const onHealth = (health: ServerHealth) => {
    observer.serverHealth?.(health);
    if (health.error !== undefined) monitor?.failed(health.server);
  };
  const { maxServerConnections: maxConnections } = config;
  const pool = new ServerPool(
    { route, servers, strategy, isChecked, maxConnections, onHealth },
    before?.pool,
  );
  if (!isChecked) return { pool, checks: monitor };
  const { sslMode, proxyProtocol } = config.server;
  const [header, login] = [ownHeader(proxyProtocol), healthCheckLogin(config)];
  const terms = { sslMode, serverTls, header, login, ...timeouts };
  monitor = new HealthMonitor({
    route,
    pool,
    interval,
    observer,
    check: ({ address }, signal) => checkServer(address, terms, signal),
  });
  return { pool, checks: monitor };
}

function healthCheckLogin({
  healthCheckUser: user,
  healthCheckPasswordFile: file,
}: RouteConfig): OwnLogin | undefined {
  if (user === undefined || file === undefined) return undefined;
  const bytes = readFileSync(file);
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : undefined;
  const password = createSecretKey(bytes.subarray(0, end));
  bytes.fill(0);
  return { user, password };
}

function keptServers(config: RouteConfig, observer: Observer, pool: ServerPool): KeptServers | undefined {
  if (!config.reuseServerConnections || config.client.sslMode === 'PASSTHROUGH') return undefined;
  const { name, reuseMax, reuseIdleTimeout } = config;
  const isRoomWanted = () => pool.isWaitedFor;
  return new KeptServers({
    route: name,
    max: reuseMax,
    idleTimeout: reuseIdleTimeout,
    isRoomWanted,
    observer,
  });
}
