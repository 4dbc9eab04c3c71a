/** Decides TLS on both legs, from the server's greeting and the route alone. Pure. */
import { ProxyError } from '../errors.js';
import { CLIENT_SSL, has, offeredToClient } from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import type { Route } from './route.js';

export interface TlsPlan {
  /** Capability flags of the greeting that the client gets. */
  readonly offered: number;
  readonly offerTls: boolean;
}

/** Throws ProxyError `server_tls_not_offered`: a leg that must be encrypted never falls back to plaintext. */
export function planTls(greeting: Greeting, route: Route, server: string): TlsPlan {
  const serverOffersTls = has(greeting.capabilities, CLIENT_SSL);
  const { sslMode } = route.config.server;
  if (!serverOffersTls && sslMode !== 'DISABLED' && sslMode !== 'PREFERRED' && sslMode !== 'AS_CLIENT') {
    throw new ProxyError(
      'server_tls_not_offered',
      `${server} offers no TLS, and the route demands ${sslMode}`,
    );
  }
  // AS_CLIENT: a client must not be promised TLS that would end at the proxy.
  const offerTls = route.clientTls !== undefined && (sslMode !== 'AS_CLIENT' || serverOffersTls);
  return { offered: offeredToClient(greeting.capabilities, offerTls), offerTls };
}

/** Whether the server leg becomes TLS, now that it is known what the client leg is. */
export function useServerTls(greeting: Greeting, route: Route, clientIsTls: boolean): boolean {
  const { sslMode } = route.config.server;
  if (sslMode === 'DISABLED') return false;
  if (sslMode === 'AS_CLIENT') return clientIsTls;
  return sslMode !== 'PREFERRED' || has(greeting.capabilities, CLIENT_SSL);
}
