/** The two connections of a session and how far each has come: what decides the form of an error, and how to leave. */
import type { Socket } from 'node:net';
import type { LegSecurity } from '../auth/leg-security.js';
import type { Address } from '../config/model.js';
import type { TlsDescription } from '../observe/events.js';
import type { PacketPort } from './packet-port.js';

const NO_BYTES = Buffer.alloc(0);

export interface ClientLeg {
  /** Replaced when the leg becomes TLS. */
  port: PacketPort;
  readonly isUnix: boolean;
  /** Numeric, without the port; empty on a unix socket. */
  readonly remoteAddress: string;
  /** What the route says of its address. */
  mayStayPlaintext: boolean;
  stage: 'accepted' | 'greeted' | 'upgrading' | 'answering';
  /** Known once the client has sent its flags; without it an ERR packet has no SQLSTATE. */
  isProtocol41: boolean;
  /** The client's library shows no error whose number is a client's own (2000-2999). */
  hidesClientErrors: boolean;
  isTls: boolean;
  /**
   * 20 bytes: the nonce of the greeting, or of the last switch to mysql_native_password. Libraries up to MySQL 5.7 answer
   * a switch to that plugin within a session with this one, whatever the switch says; servers repeat it, too.
   */
  nativeNonce: Buffer;
}

export interface ServerLeg {
  port: PacketPort;
  readonly address: Address;
  /** `HOST:PORT`, for messages, logs and the session cache. */
  readonly name: string;
  /** Payload of the server's first packet: a greeting, or an ERR in its place. Empty after the login. */
  firstPacket: Buffer;
  /** `login-sent`: the server's turn; `asking`: the client's; `idle`: it waits for a command. */
  stage: 'greeted' | 'upgrading' | 'upgraded' | 'login-sent' | 'asking' | 'decided' | 'idle';
  /** Payload of the SSLRequest that this server got: the login behind it must begin with the same bytes. */
  sslRequest: Buffer | undefined;
  /** A PROXY header that waits until the client's TLS is known, and then goes ahead of the first packet. */
  lateHeader?: ((clientTls: TlsDescription) => Buffer) | undefined;
  /** The server was sent a PROXY header, early or late. */
  isAnnounced?: boolean;
  /** Where the connection may serve other clients afterwards: each nonce that a client was asked to answer, as latin1. */
  nonces?: Set<string> | undefined;
}

/**
 * After the login nobody asks for the first packets any more. Small as they are, each would keep the 8 KiB of Node's buffer
 * pool that it is part of, for as long as the session lasts.
 */
export function forgetFirstPackets(server: ServerLeg): void {
  server.firstPacket = NO_BYTES;
  server.sslRequest = undefined;
}

/** A copy that is no part of Node's buffer pool, for what a session keeps: V8 has up to 64 bytes in its own heap. */
export function smallCopy(bytes: Buffer): Buffer {
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  return copy;
}

export function legSecurity(
  leg: Pick<ClientLeg, 'isUnix'> | Pick<ServerLeg, 'address'>,
  isTls: boolean,
): LegSecurity {
  return { tls: isTls, unix: 'isUnix' in leg ? leg.isUnix : leg.address.kind === 'unix' };
}

/**
 * Of both legs' sockets: they have small packets to pass on at once, and still deliver what the other leg sends when a peer has
 * closed its side.
 */
export const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true } as const;

/** After this, a socket has someone who listens for its errors, whoever else does: without one, Node ends the process. */
export function ignoreErrors(socket: Socket): void {
  socket.on('error', () => {});
}
