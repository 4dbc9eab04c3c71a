/** Certificates of peers: looked at once and remembered, because looking costs a good part of a handshake. */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { TlsWeakness } from '../observe/weak-tls.js';
import { validityOf } from './certificates-in-use.js';
import type { ClientLegTls, KnownCertificate, ServerLegTls } from './contexts.js';
import { weaknessesOfChain } from './weaknesses.js';

/** With a cipher that needs no certificate. */
const NOT_SHOWN = { subject: '', notBefore: Number.NaN, notAfter: Number.NaN };

/** A CA may sign any number of them; more than that are looked at again. */
const MOST_CLIENT_CERTIFICATES = 1000;

/** Looks at a certificate only when the server did not show it the last time, too. */
export function serverCertificate(
  peer: PeerCertificate | DetailedPeerCertificate,
  server: string,
  tls: ServerLegTls,
): KnownCertificate {
  const known = tls.certificates.get(server);
  if (known !== undefined && known.fingerprint === peer.fingerprint256) return known;
  const seen = {
    fingerprint: peer.fingerprint256,
    weaknesses: weaknessesOfChain(chainOf(peer)),
    ...(peer.raw === undefined ? NOT_SHOWN : validityOf(new X509Certificate(peer.raw))),
  };
  tls.certificates.set(server, seen);
  return seen;
}

/** The leaf first, its issuers as far as they are known. Empty where the peer showed none; the root is its own issuer. */
export function chainOf(peer: PeerCertificate | DetailedPeerCertificate): readonly X509Certificate[] {
  if (peer.raw === undefined) return [];
  const issuer = 'issuerCertificate' in peer ? peer.issuerCertificate : undefined;
  const certificate = new X509Certificate(peer.raw);
  if (issuer === undefined || issuer.fingerprint256 === peer.fingerprint256) return [certificate];
  return [certificate, ...chainOf(issuer)];
}

/** Looks at each certificate once. */
export function weaknessesOfClient(
  { fingerprint256, raw }: PeerCertificate,
  { clientWeaknesses }: ClientLegTls,
): readonly TlsWeakness[] {
  const known = clientWeaknesses.get(fingerprint256);
  if (known !== undefined) return known;
  const weaknesses = weaknessesOfChain([new X509Certificate(raw)]);
  if (clientWeaknesses.size >= MOST_CLIENT_CERTIFICATES) clientWeaknesses.clear();
  clientWeaknesses.set(fingerprint256, weaknesses);
  return weaknesses;
}

/** `CN=client,O=Example`, in the certificate's own order. */
export function subjectOf(certificate: PeerCertificate | undefined): string {
  return Object.entries(certificate?.subject ?? {})
    .flatMap(([attribute, values]) => [values ?? []].flat().map((value) => `${attribute}=${value}`))
    .join(',');
}
