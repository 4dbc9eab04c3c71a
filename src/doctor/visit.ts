/**
 * One connection to a server with the proxy's own code: dial, greeting, TLS, and left in such order that the server does
 * not count it against max_connect_errors, unless the TLS handshake itself fails.
 */

import type { DetailedPeerCertificate } from 'node:tls';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import type { Address } from '../config/model.js';
import { errorTable, ProxyError, serverRefusal } from '../errors.js';
import { type ConnectionRecord, newConnectionRecord, type TlsDescription } from '../observe/events.js';
import { decodeServerGreeting, decodeServerPacket } from '../proxy/decoding.js';
import { type LastWord, leaveServer } from '../proxy/leave-server.js';
import type { ServerLeg } from '../proxy/legs.js';
import { secureServer } from '../proxy/secure-legs.js';
import { openServer } from '../proxy/servers.js';
import { timeLimit } from '../proxy/time-limit.js';
import type { ServerLegTls } from '../tls/contexts.js';
import { clientCertificateFailure } from '../tls/failures.js';
import { peerCertificate } from '../tls/upgrade.js';
import {
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  has,
} from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import { encodeLoginHead } from '../wire/login.js';
import { decodeErr, isErr } from '../wire/replies.js';

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
  const server = await openServer([address], {
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
  const record = newConnectionRecord({ id: 0, route: 'doctor', clientAddress: '' });
  record.serverAddress = server.name;
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
  { capabilities, characterSet }: Greeting,
  record: ConnectionRecord,
  signal: CancelSignal,
): Promise<ProxyError | undefined> {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_SSL;
  const request = encodeLoginHead((capabilities & flags) >>> 0, characterSet);
  try {
    await secureServer(server, tls, request, {
      record,
      observer: {},
      deadline: signal,
      signal,
      onClientGone: () => {},
    });
    return undefined;
  } catch (error) {
    if (error instanceof ProxyError) return error;
    throw error;
  }
}

function greetingOf({ name, firstPacket }: ServerLeg): Greeting {
  if (!isErr(firstPacket)) return decodeServerGreeting(name, firstPacket);
  const { errno, message } = decodeServerPacket(name, () => decodeErr(firstPacket));
  throw new ProxyError(
    serverRefusal(errno) ?? 'server_closed',
    `${name} refuses with error ${errno}: ${message}`,
  );
}

/**
 * With TLS 1.3 a server refuses a client certificate after the handshake: by an alert, or by closing without a word. A
 * proxy of this kind sends an ERR, which others send for nothing else.
 */
function verdictOnTls(lastWord: LastWord): ProxyError | undefined {
  if (lastWord instanceof ProxyError)
    return /^server_(re(fused|quires)_|closed$)/.test(lastWord.code) ? lastWord : undefined;
  if (lastWord?.errno !== errorTable.client_certificate_rejected.errno) return undefined;
  const isMissing = lastWord.message.includes(clientCertificateFailure(undefined).what);
  return new ProxyError(isMissing ? 'server_requires_key_pair' : 'server_refused_key_pair', lastWord.message);
}
