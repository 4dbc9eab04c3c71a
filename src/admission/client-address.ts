/** A client's end of its connection, and names for it. */
import type { Socket } from 'node:net';
import { formatAddress } from '../config/model.js';
import type { Endpoint } from '../wire/proxy-protocol.js';
import type { ProxiedTls } from '../wire/proxy-protocol-tlvs.js';

export interface ClientEnd {
  /** It came through a socket file. */
  readonly isUnix: boolean;
  /** Numeric; empty on a socket file, and of a client that was gone before it was accepted. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** What a balancer said of it; undefined where it connected itself. */
  readonly proxied?: Proxied;
}

export interface Proxied {
  /** Address and port of the balancer. */
  readonly via: string;
  /** Where the client had connected to. */
  readonly destination: Endpoint;
  /** The TLS that it used toward the balancer. */
  readonly tls: ProxiedTls | undefined;
}

export function clientEndOf(socket: Socket, isUnix: boolean): ClientEnd {
  const { remoteAddress = '', remotePort = 0 } = socket;
  return { isUnix, remoteAddress: isUnix ? '' : remoteAddress, remotePort };
}

/** As servers write it: a listener for both families sees 127.0.0.1 as ::ffff:127.0.0.1. Empty on a unix socket. */
export function plainAddress({ remoteAddress }: Pick<ClientEnd, 'remoteAddress'>): string {
  return remoteAddress.replace(/^::ffff:/, '');
}

/** As in logs: without the `::ffff:` that a listener for both kinds of addresses sees. */
export function clientAddressOf(client: ClientEnd): string {
  if (client.isUnix) return 'unix';
  if (client.remoteAddress === '') return 'unknown';
  return formatAddress({ kind: 'tcp', host: plainAddress(client), port: client.remotePort });
}

/** The same for all connections from one place. */
export function clientHostOf({ isUnix, remoteAddress }: Pick<ClientEnd, 'isUnix' | 'remoteAddress'>): string {
  return isUnix ? 'unix' : remoteAddress;
}

/**
 * What limits count as one source: an IPv4 address, or the /64 network of an IPv6 address, any of which one machine may use.
 * Of an IPv6 address: its first four groups.
 */
export function sourceNetworkOf(remoteAddress: string): string {
  const plain = plainAddress({ remoteAddress });
  if (!plain.includes(':')) return plain;
  const [before = '', after] = plain.split('::');
  const groups = before === '' ? [] : before.split(':');
  if (after === undefined) return groups.slice(0, 4).join(':');
  const rest = after === '' ? [] : after.split(':');
  const zeros = new Array<string>(Math.max(8 - groups.length - rest.length, 0)).fill('0');
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':');
}
