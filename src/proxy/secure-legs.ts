/** Turns one of the two legs into a TLS leg in the middle of the handshake. */

import type { Socket } from 'node:net';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord, Observer } from '../observe/events.js';
import type { ClientLegTls, ServerLegTls } from '../tls/contexts.js';
import { acceptTls, connectTls, type Upgraded } from '../tls/upgrade.js';
import { failureBehindHeader, refusalBehindGreeting } from './header-refusal.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';

export interface UpgradeContext {
  readonly record: ConnectionRecord;
  readonly observer: Observer;
  /** Deadline and shutdown. */
  readonly deadline: CancelSignal;
  /** Those, and the client's disappearance. */
  readonly signal: CancelSignal;
  /** Called when the client goes away. */
  readonly onClientGone: (reason: ProxyError) => void;
}

/** Rejects with the ProxyError of the leg, which the client can read only once its TLS stands. */
export async function secureClient(
  client: ClientLeg,
  tls: ClientLegTls,
  context: UpgradeContext,
): Promise<void> {
  const { record, observer, signal, onClientGone } = context;
  client.stage = 'upgrading';
  const upgraded = await upgrade(
    client,
    'client',
    context,
    (raw) => acceptTls(raw, tls, signal),
    onClientGone,
  );
  client.isTls = true;
  client.stage = 'answering';
  record.clientTls = upgraded.description;
  if (upgraded.rejection === undefined) return observer.tlsEstablished?.(record, 'client');
  observer.tlsFailed?.(record, 'client', upgraded.rejection);
  // The client looks for an error only after it has sent its login.
  await client.port.read(signal);
  throw upgraded.rejection;
}

/** Sends the SSLRequest first. Rejects with the ProxyError of the leg, or with the signal's reason. */
export async function secureServer(
  server: ServerLeg,
  tls: ServerLegTls,
  sslRequest: Buffer,
  context: UpgradeContext,
): Promise<void> {
  const { record, observer, deadline, signal } = context;
  server.port.assertOpen();
  // Nothing may be said between greeting and TLS; taken for part of what comes encrypted, it would be an injection.
  const early = server.port.socket.readableLength;
  if (early > 0) {
    refusalBehindGreeting(server);
    throw new ProxyError(
      'server_protocol_error',
      `${server.name} sent ${early} bytes in plaintext behind its greeting`,
    );
  }
  server.port.write(sslRequest);
  server.sslRequest = sslRequest;
  server.stage = 'upgrading';
  const host = server.address.kind === 'tcp' ? server.address.host : 'localhost';
  // Not to be broken off when the client goes away: the server would count it as a broken handshake.
  const upgraded = await upgrade(server, 'server', context, (raw) =>
    connectTls(raw, tls, host, server.name, deadline).catch((error) => {
      throw failureBehindHeader(server, error);
    }),
  );
  server.stage = 'upgraded';
  record.serverTls = upgraded.description;
  if (upgraded.rejection !== undefined) {
    observer.tlsFailed?.(record, 'server', upgraded.rejection);
    throw upgraded.rejection;
  }
  observer.tlsEstablished?.(record, 'server');
  signal.throwIfCancelled();
}

/** Takes the leg's socket out of its port, and puts the TLS socket into a new one that goes on counting. */
async function upgrade(
  leg: ClientLeg | ServerLeg,
  name: 'client' | 'server',
  { record, observer }: UpgradeContext,
  handshake: (raw: Socket) => Promise<Upgraded>,
  onGone?: (reason: ProxyError) => void,
): Promise<Upgraded> {
  const { nextSequenceId, bytes } = leg.port;
  const peer = name === 'client' ? record.clientAddress : record.serverAddress;
  try {
    const upgraded = await handshake(leg.port.release());
    leg.port = new PacketPort(upgraded.socket, { leg: name, peer, bytes, nextSequenceId, onGone });
    return upgraded;
  } catch (error) {
    // A client that goes away while the server leg negotiates is no failure of that leg.
    if (error instanceof ProxyError && error.definition.leg === name)
      observer.tlsFailed?.(record, name, error);
    throw error;
  }
}
