/** The certificates of a leg's files, for whoever wants to know when they expire. */
import { X509Certificate } from 'node:crypto';
import { pemCertificates } from '../certs/pem.js';
import type { CertificateFact } from '../observe/events.js';

/** Those that can be read; OpenSSL has its own say about the others. */
export function certificatesIn(
  pem: string,
  known: Pick<CertificateFact, 'role' | 'source' | 'option'>,
): CertificateFact[] {
  return pemCertificates(pem).flatMap((block) => {
    try {
      return [{ ...known, ...validityOf(new X509Certificate(block)) }];
    } catch {
      return [];
    }
  });
}

export function validityOf(
  certificate: X509Certificate,
): Pick<CertificateFact, 'subject' | 'notBefore' | 'notAfter'> {
  return {
    subject: certificate.subject?.replaceAll('\n', ',') ?? '',
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}
