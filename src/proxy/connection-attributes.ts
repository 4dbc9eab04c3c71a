/**
 * What the proxy does with the connection attributes of a login or COM_CHANGE_USER: it reads the client's program, and
 * tells the server about the client leg, which the server can not see.
 */

import { plainAddress } from '../admission/client-address.js';
import type { ConnectionRecord } from '../observe/events.js';
import { CLIENT_CONNECT_ATTRS, has } from '../wire/capabilities.js';
import {
  type AddedAttributes,
  type ConnectionAttributes,
  clientProgram,
  decodeAttributes,
  withAttributes,
} from '../wire/connection-attributes.js';
import type { ClientLeg } from './legs.js';
import type { Route } from './route.js';

/** A login or a COM_CHANGE_USER, as far as attributes go. */
interface Tailed {
  /** What follows the plugin. */
  readonly tail: Buffer;
  /** Agreed on with the client, which implies the server: by these both lay the packet out. */
  readonly capabilities: number;
}

const SSL_VERSION = '_client_ssl_version';
const SSL_CIPHER = '_client_ssl_cipher';
const ADDRESS = '_client_ip';
const NAMES = [SSL_VERSION, SSL_CIPHER, ADDRESS];

/** Empty where the client does not say. */
export function clientProgramOf(packet: Tailed): string {
  const attributes = attributesOf(packet);
  return attributes === undefined ? '' : clientProgram(attributes);
}

/** The packet's tail as the server gets it. */
export function tailForServer(
  packet: Tailed,
  { client, record, route }: { client: ClientLeg; record: ConnectionRecord; route: Route },
): Buffer {
  const attributes = route.config.connectionAttributes === 'on' ? attributesOf(packet) : undefined;
  return attributes === undefined
    ? packet.tail
    : withAttributes(attributes, NAMES, clientLegAttributes(client, record));
}

function attributesOf({ tail, capabilities }: Tailed): ConnectionAttributes | undefined {
  return has(capabilities, CLIENT_CONNECT_ATTRS) ? decodeAttributes(tail) : undefined;
}

function clientLegAttributes(client: ClientLeg, { clientTls }: ConnectionRecord): AddedAttributes {
  const tls = [
    [SSL_VERSION, clientTls.version],
    [SSL_CIPHER, clientTls.cipher],
  ] as const;
  return client.isUnix ? tls : [...tls, [ADDRESS, plainAddress(client)]];
}
