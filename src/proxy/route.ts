/** A route as it runs: its configuration with the TLS contexts built from it. Replaced as a whole by a reload. */

import type { NetworkList } from '../admission/network-list.js';
import type { RsaKeySource } from '../auth/rsa-key.js';
import { demandsTls, type ProxyConfig, type RouteConfig, type UserCredential } from '../config/model.js';
import type { CertificateFact, CertificateInUse } from '../observe/events.js';
import type { ClientLegTls, ServerLegTls } from '../tls/contexts.js';
import type { KeptServers } from './kept-servers.js';
import type { ServerPool } from './server-pool.js';

export interface Route {
  readonly config: RouteConfig;
  readonly timeouts: RouteTimeouts;
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
  readonly pool: ServerPool;
  /** Undefined where servers are not checked. To be started; ends with the route. */
  readonly checks: HealthChecks | undefined;
}

export interface HealthChecks {
  start(): void;
  /** Resolves when none is under way any more. */
  close(): Promise<void>;
}

/** Milliseconds. */
export type RouteTimeouts = Pick<ProxyConfig, 'connectTimeout' | 'handshakeTimeout'>;

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
