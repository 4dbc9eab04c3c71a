/**
 * Turns a plaintext socket into a TLS one, on either leg. The only user of TLSSocket.
 *
 * Bytes that arrived in the same segment as the SSLRequest are still in the socket's own buffer: they go into the TLS
 * engine, never into a MySQL decoder. That is what keeps plaintext injected behind an SSLRequest out.
 */

import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import {
  checkServerIdentity,
  connect,
  type DetailedPeerCertificate,
  type PeerCertificate,
  TLSSocket,
} from 'node:tls';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import type { TlsDescription } from '../observe/events.js';
import type { TlsWeakness } from '../observe/weak-tls.js';
import type { ClientLegTls, SavedSession, ServerLegTls } from './contexts.js';
import {
  clientCertificateFailure,
  serverCertificateFailure,
  serverNameMismatch,
  tlsFailure,
} from './failures.js';
import { serverCertificate, subjectOf, weaknessesOfClient } from './known-certificates.js';
import { withoutCertificate } from './ticket.js';
import { weaknessesNegotiated } from './weaknesses.js';

/**
 * A session is resumed for an hour at most, in milliseconds. Each resumption brings a new ticket, so without an end the
 * certificate of a busy server would never be looked at again, expired or revoked.
 */
const MAX_SESSION_AGE_MS = 3_600_000;

/**
 * A ticket serves so many milliseconds, until one is kept again. To write one down with each connection costs 2 % of it, and 1 kB
 * for as long as it is open. Servers take one again: MySQL for 300 s, by its ssl_session_cache_timeout.
 */
const MAX_TICKET_AGE_MS = 30_000;

export interface Upgraded {
  readonly socket: TLSSocket;
  readonly description: TlsDescription;
  /**
   * Why the peer's certificate must not be trusted. The handshake itself is over: the caller says so to the peer inside
   * TLS, sends nothing secret and ends the connection.
   */
  readonly rejection: ProxyError | undefined;
}

/** Accepts a client's TLS handshake. Rejects with ProxyError `client_tls_failed` or the signal's reason. */
export async function acceptTls(socket: Socket, tls: ClientLegTls, signal: CancelSignal): Promise<Upgraded> {
  const started = performance.now();
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: tls.secureContext,
    requestCert: tls.requestCertificate,
    // A client whose certificate is not accepted is told so in an ERR packet, which needs a finished handshake.
    rejectUnauthorized: false,
  });
  // For a socket that no tls.Server made, Node reports what breaks after the handshake here alone, and lets it go on.
  secured.on('_tlsError', (error: Error) => secured.destroy(error));
  // Node emits `secure` for sockets made by this constructor; `secureConnect` is for tls.connect alone.
  await handshakeEnd(socket, secured, 'secure', signal, (error) =>
    error === undefined
      ? new ProxyError(
          'client_tls_failed',
          'the client closed the connection during the TLS handshake, as some do that do not trust a certificate',
        )
      : tlsFailure('client', 'the client', error),
  );
  if (!tls.requestCertificate) {
    const description = describe(secured, started, '', ownWeaknesses(secured, tls));
    return { socket: secured, description, rejection: undefined };
  }
  const certificate = secured.getPeerCertificate();
  const rejection = clientRejection(secured, certificate);
  // Of a certificate that is refused nothing more needs to be known.
  const theirs = rejection === undefined ? weaknessesOfClient(certificate, tls) : [];
  const weaknesses = [...ownWeaknesses(secured, tls), ...theirs];
  return {
    socket: secured,
    description: describe(secured, started, subjectOf(certificate), weaknesses),
    rejection,
  };
}

/**
 * Upgrades the connection to a server. `server` is `HOST:PORT`, the name in messages and the key of the session cache.
 * Rejects with ProxyError `server_tls_failed`, `server_refused_tls`, `server_closed` or the signal's reason.
 */
export async function connectTls(
  socket: Socket,
  tls: ServerLegTls,
  host: string,
  server: string,
  signal: CancelSignal,
): Promise<Upgraded> {
  const started = performance.now();
  let verified: DetailedPeerCertificate | undefined;
  let identityError: ProxyError | undefined;
  const saved = tls.sessions.get(server);
  // A certificate that has ended meanwhile has to be looked at again.
  const resumable =
    saved !== undefined &&
    started - saved.verifiedAt < MAX_SESSION_AGE_MS &&
    Date.now() <= saved.certificate.notAfter;
  const wantsTicket = !resumable || started - saved.savedAt >= MAX_TICKET_AGE_MS;
  const servername = tls.sniServername ?? (isIP(host) === 0 ? host : '');
  const secured = connect({
    socket,
    secureContext: tls.secureContext,
    // Node would take the SNI name for the identity check, too: the name to check is the one connected to.
    servername,
    checkServerIdentity: (_servername, peerCertificate) => {
      // Node looks at the whole chain here, whether it is wanted or not.
      verified = peerCertificate as DetailedPeerCertificate;
      if (tls.verifyIdentity && checkServerIdentity(host, peerCertificate) !== undefined) {
        identityError = serverNameMismatch(namesOf(peerCertificate), host, server);
      }
      return identityError;
    },
    // Verified below: a server that fails the check gets a proper end of the handshake, or it would count the
    // connection as broken and, after max_connect_errors of them, block the proxy's host.
    rejectUnauthorized: false,
    ...(resumable ? { session: saved.ticket } : {}),
  });
  skipKeyExchangeInfo(secured);
  let ticket: Buffer | undefined;
  let accepted: Pick<SavedSession, 'verifiedAt' | 'certificate'> | undefined;
  const saveSession = () => {
    if (ticket === undefined || accepted === undefined) return;
    const isTls13 = secured.getProtocol() === 'TLSv1.3';
    const lean = isTls13 ? withoutCertificate(ticket) : ticket;
    tls.sessions.set(server, { ticket: lean, savedAt: performance.now(), ...accepted });
  };
  // TLS 1.3 sends tickets after the handshake, TLS 1.2 within it. Of several, all alike, the first is kept.
  const onTicket = (first: Buffer) => {
    if (ticket !== undefined) return;
    ticket = first;
    saveSession();
  };
  if (wantsTicket) secured.on('session', onTicket);
  await handshakeEnd(socket, secured, 'secureConnect', signal, (error) => {
    // A session that the server chokes on must not fail the next connection too.
    tls.sessions.delete(server);
    return error === undefined
      ? new ProxyError('server_refused_tls', `${server} closed the connection during the TLS handshake`)
      : tlsFailure('server', server, error);
  });
  const rejection = tls.verifyChain
    ? (identityError ?? serverRejection(secured, server, tls.caGiven))
    : undefined;
  const resumed = secured.isSessionReused() ? saved : undefined;
  const certificate =
    resumed?.certificate ?? serverCertificate(verified ?? secured.getPeerCertificate(), server, tls);
  const isOutdated = resumable && resumed === undefined && tls.sessions.get(server) === saved;
  if (rejection !== undefined || isOutdated) tls.sessions.delete(server);
  if (rejection === undefined) {
    accepted = { verifiedAt: resumed?.verifiedAt ?? started, certificate };
    saveSession();
  }
  const weaknesses: readonly TlsWeakness[] = [
    ...certificate.weaknesses,
    ...(tls.verifyChain ? [] : (['unverified'] as const)),
  ];
  return {
    socket: secured,
    description: describe(secured, started, certificate.subject, weaknesses),
    rejection,
  };
}

/** With its issuers, as far as the peer sent them or the CA is known; undefined where it showed none, or is in plaintext. */
export function peerCertificate(socket: Socket): DetailedPeerCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerCertificate(true);
  return certificate.raw === undefined ? undefined : certificate;
}

/**
 * At the end of a handshake Node asks for the key of the exchange, only to refuse a Diffie-Hellman key that is too short: 3 %
 * of a connection. TLS 1.3 knows none of those.
 */
function skipKeyExchangeInfo(secured: TLSSocket): void {
  secured.getEphemeralKeyInfo = () =>
    secured.getProtocol() === 'TLSv1.3' ? {} : TLSSocket.prototype.getEphemeralKeyInfo.call(secured);
}

/** Of the certificate that the client got: with several, the one that OpenSSL chose. */
function ownWeaknesses(
  secured: TLSSocket,
  { ownWeaknesses: byCertificate }: ClientLegTls,
): readonly TlsWeakness[] {
  const all = [...byCertificate.values()];
  if (all.length < 2 || all.every((weaknesses) => weaknesses.length === 0)) return all[0] ?? [];
  // OpenSSL then names the certificate that was given last, whichever the session was made with: what holds for all.
  if (secured.isSessionReused()) {
    return (all[0] ?? []).filter((weakness) => all.every((weaknesses) => weaknesses.includes(weakness)));
  }
  const own = secured.getCertificate() as Partial<PeerCertificate> | null;
  return byCertificate.get(own?.fingerprint256 ?? '') ?? [];
}

/** Resolves at the event that ends the handshake; otherwise destroys the socket and rejects. */
function handshakeEnd(
  raw: Socket,
  secured: TLSSocket,
  event: 'secure' | 'secureConnect',
  signal: CancelSignal,
  /** `undefined`: the peer closed the connection without an error. */
  failure: (error: Error | undefined) => ProxyError,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (reason?: unknown) => {
      secured.off(event, onSecure).off('error', onError).off('close', onClose).off('end', onClose);
      raw.off('end', onClose).off('close', onClose);
      signal.offCancel(onCancel);
      if (reason === undefined) return resolve();
      secured.destroy();
      reject(reason);
    };
    const onSecure = () => finish();
    const onError = (error: Error) => finish(failure(isDisconnect(error) ? undefined : error));
    const onClose = () => finish(failure(undefined));
    const onCancel = () => finish(signal.reason);
    // Errors that come when no one reads or writes have no one to tell, and without a listener Node ends the process.
    secured.on('error', () => {});
    secured.on(event, onSecure).on('error', onError).on('close', onClose).on('end', onClose);
    // An end that the plaintext socket had already read is not passed on to the TLS socket.
    raw.on('end', onClose).on('close', onClose);
    signal.onCancel(onCancel);
    if (!signal.isCancelled && (raw.readableEnded || raw.destroyed)) onClose();
  });
}

/** Node reports a FIN in the middle of a handshake as ECONNRESET of its own making. */
function isDisconnect(error: Error): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function clientRejection(
  secured: TLSSocket,
  certificate: PeerCertificate | undefined,
): ProxyError | undefined {
  if (certificate === undefined || Object.keys(certificate).length === 0)
    return clientCertificateFailure(undefined);
  // `authorized` is only set by tls.Server, which this socket did not come from.
  const { ssl } = secured as unknown as { ssl: { verifyError(): (Error & { code?: string }) | null } };
  const error = ssl.verifyError();
  return error ? clientCertificateFailure(error.code ?? error.message) : undefined;
}

function serverRejection(secured: TLSSocket, server: string, caGiven: boolean): ProxyError | undefined {
  if (secured.authorized) return undefined;
  const { raw } = secured.getPeerCertificate();
  const certificate = raw === undefined ? undefined : new X509Certificate(raw);
  return serverCertificateFailure(String(secured.authorizationError), server, { certificate, caGiven });
}

function namesOf({ subjectaltname, subject }: PeerCertificate): { names: string; commonName: string } {
  return { names: subjectaltname ?? '', commonName: [subject?.CN ?? ''].flat().join(',') };
}

function describe(
  secured: TLSSocket,
  started: number,
  peerSubject: string,
  weaknesses: readonly TlsWeakness[],
): TlsDescription {
  const version = secured.getProtocol() ?? 'unknown';
  const cipher = secured.getCipher().name;
  return {
    version,
    cipher,
    resumed: secured.isSessionReused(),
    peerSubject,
    weaknesses: [...new Set([...weaknessesNegotiated(version, cipher), ...weaknesses])],
    handshakeSeconds: (performance.now() - started) / 1000,
  };
}
