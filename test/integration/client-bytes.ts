/** What a client has sent and got, as MySQL counts it: in plaintext until it changes to TLS, and inside TLS from then on. */
import { syncBuiltinESMExports } from 'node:module';
import type { Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';

/** In the directions of the proxy. */
export interface ClientBytes {
  readonly in: number;
  readonly out: number;
}

interface Upgrade {
  readonly inPlaintext: ClientBytes;
  readonly inside: TLSSocket;
}

/** By the socket on both sides of TLS. */
const upgrades = new WeakMap<Socket, Upgrade>();

// The handshake begins inside `connect`, and of a login that fails mysql2 shows nobody the TLS socket.
const connect = tls.connect;
tls.connect = ((options: tls.ConnectionOptions, onSecure?: () => void) => {
  const socket = options.socket as Socket;
  const inPlaintext = bytesOnWire(socket);
  const inside = connect(options, onSecure);
  for (const side of [socket, inside]) upgrades.set(side, { inPlaintext, inside });
  return inside;
}) as typeof tls.connect;
syncBuiltinESMExports();

/** As they go over the wire, encrypted or not. */
export function bytesOnWire({ bytesWritten, bytesRead }: Socket): ClientBytes {
  return { in: bytesWritten, out: bytesRead };
}

export function clientBytes(socket: Socket): ClientBytes {
  const upgrade = upgrades.get(socket);
  if (upgrade === undefined) return bytesOnWire(socket);
  const { inPlaintext, inside } = upgrade;
  return { in: inPlaintext.in + inside.bytesWritten, out: inPlaintext.out + inside.bytesRead };
}
