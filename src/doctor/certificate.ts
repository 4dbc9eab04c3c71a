/** Looks at the certificate of a server by itself, whatever the handshake made of it: all that is wrong, not the first thing. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, type DetailedPeerCertificate } from 'node:tls';
import { type CertificateFacts, certificateFacts, hasNameOfItsCa } from '../certs/certificate-facts.js';
import { pemCertificates } from '../certs/pem.js';
import { daysUntil } from '../certs/validity.js';
import type { ServerLegConfig } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { serverNameMismatch } from '../tls/failures.js';
import { chainOf } from '../tls/known-certificates.js';
import { doctorFinding, type Finding, findingFromError, type Severity } from './findings.js';

/** Days; long enough to act, short of the 90 days of common CAs. */
const SOON_DAYS = 30;

/** The leaf first; the issuers are those that the server sent or that the CA file has. */
export function chainFacts(leaf: DetailedPeerCertificate): readonly CertificateFacts[] {
  return chainOf(leaf).map(certificateFacts);
}

/** @param host the name or address that was connected to. */
export function certificateFindings(
  leaf: DetailedPeerCertificate,
  host: string,
  server: string,
  { sslMode, sslCa, sslCrl }: ServerLegConfig,
): readonly Finding[] {
  const facts = certificateFacts(new X509Certificate(leaf.raw));
  const verifies: Severity = sslMode === 'VERIFY_IDENTITY' || sslMode === 'VERIFY_CA' ? 'error' : 'warning';
  const findings: Finding[] = validityFindings(facts, server, verifies);
  if (
    sslCa !== undefined &&
    !facts.isSelfIssued &&
    !isSignedByOneOf(pemCertificates(readFileSync(sslCa, 'utf8')), leaf)
  ) {
    // OpenSSL says one thing only, and an expired certificate hides an untrusted one.
    const what = `no certificate in --server-ssl-ca has signed the certificate of ${server}`;
    findings.push(findingFromError(new ProxyError('server_certificate_untrusted', what), verifies));
  }
  if (hasNameOfItsCa(facts)) {
    const what = `the certificate of ${server} has the same subject as the CA that signed it (${facts.subject})`;
    // Where the handshake fails because of it, that finding comes first and is an error.
    findings.push(findingFromError(new ProxyError('server_certificate_same_name_as_ca', what), 'warning'));
  }
  findings.push(
    ...nameFindings(leaf, facts, host, server, sslMode === 'VERIFY_IDENTITY' ? 'error' : 'warning'),
  );
  if (verifies === 'error' && sslCrl === undefined) {
    findings.push(
      doctorFinding(
        'revocation_not_checked',
        'no revocation list is given, so that a revoked certificate is accepted',
      ),
    );
  }
  return findings;
}

/** Looks at signatures alone, along the chain as far as it is known. */
function isSignedByOneOf(authorities: readonly string[], leaf: DetailedPeerCertificate): boolean {
  const keys = authorities.map((pem) => new X509Certificate(pem));
  return chainOf(leaf).some((certificate) =>
    keys.some((ca) => ca.fingerprint256 === certificate.fingerprint256 || certificate.verify(ca.publicKey)),
  );
}

function validityFindings(
  { validFrom, validTo }: CertificateFacts,
  server: string,
  severity: Severity,
): Finding[] {
  const now = new Date();
  const of = `the certificate of ${server}`;
  // OpenSSL refuses dates that can't be read, and says so.
  if (Number.isNaN(validFrom.getTime()) || Number.isNaN(validTo.getTime())) return [];
  if (validTo < now) {
    const what = `${of} expired on ${validTo.toISOString()}`;
    return [findingFromError(new ProxyError('server_certificate_expired', what), severity)];
  }
  if (validFrom > now) {
    const what = `${of} is valid only from ${validFrom.toISOString()}`;
    return [findingFromError(new ProxyError('server_certificate_not_yet_valid', what), severity)];
  }
  const days = daysUntil(validTo, now);
  if (days >= SOON_DAYS) return [];
  return [
    doctorFinding(
      'server_certificate_expires_soon',
      `${of} expires in ${days} days, on ${validTo.toISOString()}`,
    ),
  ];
}

function nameFindings(
  leaf: DetailedPeerCertificate,
  { names }: CertificateFacts,
  host: string,
  server: string,
  severity: Severity,
): Finding[] {
  const commonName = [leaf.subject?.CN ?? ''].flat().join(',');
  if (checkServerIdentity(host, leaf) !== undefined) {
    return [
      findingFromError(serverNameMismatch({ names: names.join(', '), commonName }, host, server), severity),
    ];
  }
  if (names.length > 0) return [];
  // Node.js and libmysqlclient still take the common name; Go, Java and browsers do not.
  const what = `the certificate of ${server} has ${host} as common name only, which the proxy accepts and newer programs do not`;
  return [findingFromError(new ProxyError('server_certificate_name_only_in_cn', what), 'warning')];
}
