/** A route as it runs: its configuration with the TLS contexts built from it. Replaced as a whole by a reload. */
import { type RsaKeySource, rsaKeyFromFile } from '../auth/rsa-key.js';
import { demandsTls, formatAddress, type RouteConfig, type UserCredential } from '../config/model.js';
import type { CertificateFact, CertificateInUse, Observer } from '../observe/events.js';
import {
  type ClientLegTls,
  createClientLegTls,
  createServerLegTls,
  type ServerLegTls,
} from '../tls/contexts.js';
import type { ProxySecrets } from './core.js';
import { KeptServers } from './kept-servers.js';
import { NetworkList } from './network-list.js';

export interface Route {
  readonly config: RouteConfig;
  /** Undefined where clients are not offered TLS. */
  readonly clientTls: ClientLegTls | undefined;
  /** Undefined where the server leg stays in plaintext. */
  readonly serverTls: ServerLegTls | undefined;
  readonly plaintextNetworks: NetworkList;
  /** Of balancers, whose connections begin with a PROXY header; undefined where there are none. */
  readonly balancerNetworks: NetworkList | undefined;
  /** The key that clients encrypt their password with where their leg is in plaintext. */
  readonly rsaKey: RsaKeySource;
  /** Those whose login the proxy checks itself, of this route and of all. */
  readonly users: readonly UserCredential[];
  /** Server connections for the clients to come; undefined where each client gets a new one. Ends with the route. */
  readonly kept: KeptServers | undefined;
}

/**
 * Throws where a certificate, key or cipher list is unusable. `observer` is
 * told of kept server connections. `before` is the route that this one replaces.
 */
export function createRoute(
  config: RouteConfig,
  users: readonly UserCredential[],
  { ownKey, ticketSecret }: ProxySecrets,
  observer: Observer,
  before?: Route,
): Route {
  const serverTls = config.client.sslMode === 'PASSTHROUGH' ? undefined : createServerLegTls(config.server);
  // What a server showed last is so after a reload, too; whether it is trusted is decided anew for each connection.
  for (const server of config.servers.map(formatAddress)) {
    const shown = before?.serverTls?.certificates.get(server);
    if (shown !== undefined) serverTls?.certificates.set(server, shown);
  }
  return {
    config,
    clientTls: createClientLegTls(config.client, ticketSecret),
    serverTls,
    plaintextNetworks: new NetworkList(config.client.plaintextFrom),
    balancerNetworks: config.proxyProtocolFrom && new NetworkList(config.proxyProtocolFrom),
    rsaKey: config.rsaPrivateKey === undefined ? ownKey : rsaKeyFromFile(config.rsaPrivateKey),
    users: users.filter(({ route }) => route === undefined || route === config.name),
    kept: keptServers(config, observer),
  };
}

function keptServers(config: RouteConfig, observer: Observer): KeptServers | undefined {
  if (!config.reuseServerConnections || config.client.sslMode === 'PASSTHROUGH') return undefined;
  const { name, reuseMax, reuseIdleTimeout } = config;
  return new KeptServers({ route: name, max: reuseMax, idleTimeout: reuseIdleTimeout, observer });
}

/** Those of the files, and those that servers showed last. */
export function certificatesOf({ config, clientTls, serverTls }: Route): readonly CertificateInUse[] {
  const shown = [...(serverTls?.certificates ?? [])].map(([server, { subject, notBefore, notAfter }]) => ({
    role: 'peer' as const,
    subject,
    notBefore,
    notAfter,
    source: server,
    option: '',
  }));
  const on = (leg: 'client' | 'server') => (certificate: CertificateFact) => ({
    route: config.name,
    leg,
    ...certificate,
  });
  return [
    ...(clientTls?.files ?? []).map(on('client')),
    ...[...(serverTls?.files ?? []), ...shown].map(on('server')),
  ];
}

/** The proxy itself may log in at the server, or ask clients for their password. */
export function takesPartInLogin({ config, users }: Route): boolean {
  return config.authBridge !== 'off' || users.length > 0;
}

/** A client on a unix socket never leaves the machine and counts as secure, as it does for MySQL itself. */
export function mayStayPlaintext(route: Route, client: { isUnix: boolean; remoteAddress: string }): boolean {
  if (client.isUnix) return true;
  if (demandsTls(route.config)) return false;
  return route.plaintextNetworks.has(client.remoteAddress);
}

/** A balancer connects, on behalf of someone whom it names in a PROXY header. Never on a socket file: there is no address. */
export function isBalancer({ balancerNetworks }: Route, peer: { remoteAddress: string }): boolean {
  return balancerNetworks?.has(peer.remoteAddress) === true;
}
