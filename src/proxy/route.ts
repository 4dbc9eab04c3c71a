/** A route as it runs: its configuration with the TLS contexts built from it. Replaced as a whole by a reload. */
import { BlockList, isIP } from 'node:net';
import type { RouteConfig } from '../config/model.js';
import {
  type ClientLegTls,
  createClientLegTls,
  createServerLegTls,
  type ServerLegTls,
} from '../tls/contexts.js';

export interface Route {
  readonly config: RouteConfig;
  /** Undefined where clients are not offered TLS. */
  readonly clientTls: ClientLegTls | undefined;
  /** Undefined where the server leg stays in plaintext. */
  readonly serverTls: ServerLegTls | undefined;
  readonly plaintextNetworks: BlockList;
}

/** Throws where a certificate, key or cipher list is unusable. */
export function createRoute(config: RouteConfig): Route {
  return {
    config,
    clientTls: createClientLegTls(config.client),
    serverTls: config.client.sslMode === 'PASSTHROUGH' ? undefined : createServerLegTls(config.server),
    plaintextNetworks: networks(config.client.plaintextFrom),
  };
}

function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family);
  }
  return list;
}

/** A client on a unix socket never leaves the machine and counts as secure, as it does for MySQL itself. */
export function mayStayPlaintext(route: Route, client: { isUnix: boolean; remoteAddress: string }): boolean {
  if (client.isUnix) return true;
  if (route.config.client.sslMode === 'REQUIRED') return false;
  const version = isIP(client.remoteAddress);
  // BlockList knows 127.0.0.1 also as ::ffff:127.0.0.1, the form that a dual-stack listener sees.
  return (
    version !== 0 && route.plaintextNetworks.check(client.remoteAddress, version === 6 ? 'ipv6' : 'ipv4')
  );
}
