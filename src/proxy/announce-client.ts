/**
 * What a server is told of the client in a PROXY header (`--server-proxy-protocol`), and when.
 *
 * A header in front of everything else suits all: Percona Server reads it before it greets, MariaDB together with the first
 * packet of its client. What it can not hold is the TLS of the client leg, which begins only after the greeting. So `v2-ssl`
 * sends it later, ahead of the proxy's own first packet, and is for MariaDB alone (docs/decisions/0023).
 */
import type { Socket } from 'node:net';
import type { ClientEnd } from '../admission/client-address.js';
import type { ProxyProtocol } from '../config/model.js';
import type { TlsDescription } from '../observe/events.js';
import type { Endpoint } from '../wire/proxy-protocol.js';
import {
  encodeProxyV1,
  encodeProxyV2,
  encodeProxyV2WithTls,
  type ProxiedConnection,
} from '../wire/proxy-protocol-encode.js';
import type { ProxiedTls } from '../wire/proxy-protocol-tlvs.js';
import type { ServerLeg } from './legs.js';

export interface Announcement {
  /** To be sent as soon as the server has accepted. */
  readonly atOnce: Buffer | undefined;
  /** To be sent ahead of the first packet. */
  readonly late: ((clientTls: TlsDescription) => Buffer) | undefined;
}

const NOTHING: Announcement = { atOnce: undefined, late: undefined };

/** `socket`: the client's, as it was accepted. */
export function announcementOf(
  version: ProxyProtocol,
  { isUnix, remoteAddress, remotePort, proxied }: ClientEnd,
  socket: Socket,
): Announcement {
  if (version === 'off') return NOTHING;
  const { localAddress = '', localPort = 0 } = socket;
  const connection = isUnix
    ? undefined
    : connectionBetween(
        { address: remoteAddress, port: remotePort },
        proxied?.destination ?? { address: localAddress, port: localPort },
      );
  if (connection === undefined) return { atOnce: ownHeader(version), late: undefined };
  if (version === 'v1') return { atOnce: encodeProxyV1(connection), late: undefined };
  if (version === 'v2') return { atOnce: encodeProxyV2(connection), late: undefined };
  return {
    atOnce: undefined,
    late: (clientTls) => encodeProxyV2WithTls(connection, tlsOf(clientTls) ?? proxied?.tls),
  };
}

/** For connections that the proxy makes for itself; undefined: none is to be sent. */
export function ownHeader(version: ProxyProtocol): Buffer | undefined {
  if (version === 'off') return undefined;
  return version === 'v1' ? encodeProxyV1(undefined) : encodeProxyV2(undefined);
}

/** Sends what waits for the client's TLS, in one segment with the packet that follows. */
export function announceLate(server: ServerLeg, clientTls: TlsDescription): void {
  if (server.lateHeader === undefined) return;
  server.port.writeUnframed(server.lateHeader(clientTls));
  server.lateHeader = undefined;
  server.isAnnounced = true;
}

/**
 * Undefined for clients on this machine: what they call 127.0.0.1 is not the server's, whose accounts for localhost would let
 * them in. Percona Server refuses such a header.
 */
function connectionBetween(source: Endpoint, destination: Endpoint): ProxiedConnection | undefined {
  const ends = [source, destination].map(({ address, port }) => ({ address: withoutZone(address), port }));
  // A listener for both families sees IPv4 inside IPv6.
  const areMapped = ends.every(({ address }) => MAPPED.test(address) || !address.includes(':'));
  const [from = source, to = destination] = areMapped
    ? ends.map(({ address, port }) => ({ address: address.replace(MAPPED, ''), port }))
    : ends;
  const isSelf = LOCALHOST.includes(from.address.replace(MAPPED, ''));
  const isOneFamily = from.address.includes(':') === to.address.includes(':');
  return isSelf || !isOneFamily || from.address === '' || to.address === ''
    ? undefined
    : { source: from, destination: to };
}

const MAPPED = /^::ffff:(?=\d+\.)/;

/** Not all of 127.0.0.0/8: these alone mean localhost to servers. */
const LOCALHOST = ['127.0.0.1', '::1'];

/** A link-local address may have `%eth0` behind it. */
const withoutZone = (address: string): string => address.replace(/%.*$/, '');

function tlsOf({ version, cipher, peerSubject }: TlsDescription): ProxiedTls | undefined {
  if (version === 'none') return undefined;
  // A subject as one text can not be taken apart for certain, and a common name may decide who someone is.
  return { version, cipher, isCertified: peerSubject !== '', commonName: '' };
}
