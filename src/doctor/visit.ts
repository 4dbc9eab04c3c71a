/**
 * One connection to a server with the proxy's own code: dial, greeting, TLS, and left in such order that the server does
 * not count it against max_connect_errors, unless the TLS handshake itself fails.
 */

import type { DetailedPeerCertificate } from 'node:tls';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import type { Address } from '../config/model.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord, TlsDescription } from '../observe/events.js';
import { leaveServer } from '../proxy/leave-server.js';
import type { ServerLeg } from '../proxy/legs.js';
import { greetingOf, ownRecord, secureOwn, verdictOnTls } from '../proxy/own-connection.js';
import { openServer } from '../proxy/servers.js';
import { timeLimit } from '../proxy/time-limit.js';
import type { ServerLegTls } from '../tls/contexts.js';
import { peerCertificate } from '../tls/upgrade.js';
import { CLIENT_SSL, has } from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';

export interface VisitLimits {
  /** Milliseconds, for the TCP connection and the greeting. */
  readonly connectTimeout: number;
  /** Milliseconds, for everything after that. */
  readonly handshakeTimeout: number;
  /** Sent first: the PROXY header of a connection that is for no client. */
  readonly header?: Buffer | undefined;
}

export interface Visit {
  readonly greeting: Greeting;
  /** Version `none` where no TLS was wanted or the handshake failed. */
  readonly tls: TlsDescription;
  /** With its issuers, as far as the server sent them or the CA file has them. */
  readonly certificate: DetailedPeerCertificate | undefined;
  /** Why the proxy would not go on: the handshake failed, or the certificate of either side was refused. */
  readonly failure: ProxyError | undefined;
  /** The number with which the server refused the login that leaves it. */
  readonly refusedWith: number | undefined;
}

/**
 * Rejects with the ProxyError of a server that can't be reached, does not greet or refuses to; everything later is part of
 * the visit.
 *
 * @param tls undefined: only the greeting is looked at.
 */
export async function visit(
  address: Address,
  tls: ServerLegTls | undefined,
  limits: VisitLimits,
): Promise<Visit> {
  const server = await openServer(address, {
    connectTimeout: limits.connectTimeout,
    header: limits.header,
    signal: new Cancellation(),
  });
  const limit = timeLimit(
    limits.handshakeTimeout,
    () => new ProxyError('server_timeout', `${server.name} did not go on with the handshake in time`),
  );
  let failure: ProxyError | undefined;
  let refusedWith: number | undefined;
  const record = ownRecord(server.name);
  let certificate: DetailedPeerCertificate | undefined;
  let greeting: Greeting;
  try {
    greeting = greetingOf(server);
    if (tls !== undefined && !has(greeting.capabilities, CLIENT_SSL)) {
      failure = new ProxyError('server_tls_not_offered', `${server.name} offers no TLS`);
    } else if (tls !== undefined) {
      failure = await secure(server, tls, greeting, record, limit.signal);
      certificate = peerCertificate(server.port.socket);
    }
  } catch (error) {
    server.stage = 'decided';
    throw error;
  } finally {
    const lastWord = await leaveServer(server, limit.signal);
    if (server.sslRequest !== undefined) failure ??= verdictOnTls(lastWord);
    if (lastWord !== undefined && !(lastWord instanceof ProxyError)) refusedWith = lastWord.errno;
    limit.clear();
  }
  return { greeting, tls: record.serverTls, certificate, failure, refusedWith };
}

/** The failure, if it was one of TLS. */
async function secure(
  server: ServerLeg,
  tls: ServerLegTls,
  greeting: Greeting,
  record: ConnectionRecord,
  signal: CancelSignal,
): Promise<ProxyError | undefined> {
  try {
    await secureOwn(server, tls, greeting, record, signal);
    return undefined;
  } catch (error) {
    if (error instanceof ProxyError) return error;
    throw error;
  }
}
