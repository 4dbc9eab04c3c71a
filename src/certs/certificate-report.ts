/** What there is to say about a certificate in a file, and what is wrong with it. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  type CertificateFacts,
  certificateFacts,
  commonNameOf,
  isSignedWeakly,
  SHORTEST_RSA_KEY_BITS,
} from './certificate-facts.js';
import { certificatesIn, isSignedBy, privateKeyIn, readersWarning, readText } from './certificate-file.js';
import { CA_FILE, keyFileBeside } from './certificate-folder.js';
import { CertsError } from './certs-error.js';
import { holdsPrivateKey, isEncrypted } from './pem.js';
import { daysUntil } from './validity.js';

export interface CertificateReport extends CertificateFacts {
  readonly file: string;
  /** Which one of the file, from 1 on. */
  readonly position: number;
  readonly status: 'valid' | 'expired' | 'not yet valid' | 'unreadable';
  /** Whole days until it expires; negative when it has. */
  readonly daysLeft: number;
  readonly usableAs: readonly Use[];
  /** Undefined where no key is beside it. */
  readonly key?: { readonly file: string; readonly state: 'belongs' | 'does not belong' | 'not checked' };
  /** Who signed it: `itself`, a file, or nobody that is known here. */
  readonly signedBy: string | undefined;
  readonly warnings: readonly string[];
  /** What makes it unusable. */
  readonly problems: readonly string[];
}

export type Use = 'CA' | 'TLS server' | 'TLS client';

const ANY_USE = '2.5.29.37.0';

/** One for each certificate of the file. @throws CertsError where it can't be read, holds none or a broken one. */
export function reportCertificates(file: string, now: Date): readonly CertificateReport[] {
  const text = readText(file);
  const certificates = certificatesIn(text, file);
  const caFile = path.join(path.dirname(file), CA_FILE);
  return certificates.map((certificate, index) => {
    const warnings: string[] = [];
    const problems: string[] = [];
    const facts = certificateFacts(certificate);
    const status = statusAt(facts, now);
    if (status !== 'valid') problems.push(statusProblem(facts, status));
    // The key belongs to the first one; the others are those that signed it.
    const key = index === 0 ? checkKey({ file, text, certificate, warnings, problems }) : undefined;
    const others = certificates.filter((other) => other !== certificate);
    const signedBy = signerOf({ certificate, facts, file, others, caFile, problems });
    const usableAs = usesOf(facts);
    warnings.push(...weaknesses(file, facts, usableAs));
    return {
      ...facts,
      file,
      position: index + 1,
      status,
      daysLeft: daysUntil(facts.validTo, now),
      usableAs,
      ...(key === undefined ? {} : { key }),
      signedBy,
      warnings,
      problems,
    };
  });
}

function statusAt({ validFrom, validTo }: CertificateFacts, now: Date): CertificateReport['status'] {
  if (Number.isNaN(validFrom.getTime()) || Number.isNaN(validTo.getTime())) return 'unreadable';
  if (validTo < now) return 'expired';
  return validFrom > now ? 'not yet valid' : 'valid';
}

function statusProblem({ validFrom, validTo }: CertificateFacts, status: string): string {
  if (status === 'unreadable') return 'its dates can not be read, so nobody accepts it; make it anew';
  return status === 'expired'
    ? `it expired on ${validTo.toISOString()}; renew it, for example with: mysql-tls-proxy certs renew`
    : `it is not valid before ${validFrom.toISOString()}; check the clock of the machine that made it`;
}

interface KeyCheck {
  readonly file: string;
  readonly text: string;
  readonly certificate: X509Certificate;
  readonly warnings: string[];
  readonly problems: string[];
}

function checkKey(check: KeyCheck): CertificateReport['key'] {
  const { file, text, certificate, warnings, problems } = check;
  const beside = keyFileBeside(file);
  const keyFile = holdsPrivateKey(text)
    ? file
    : beside !== undefined && existsSync(beside)
      ? beside
      : undefined;
  if (keyFile === undefined) return undefined;
  warnings.push(...readersWarning(keyFile));
  let key: KeyObject;
  try {
    const keyText = keyFile === file ? text : readText(keyFile);
    if (isEncrypted(keyText)) {
      warnings.push(
        `the key in ${keyFile} is encrypted, so whether it belongs to the certificate was not checked`,
      );
      return { file: keyFile, state: 'not checked' };
    }
    key = privateKeyIn(keyText, keyFile);
  } catch (error) {
    if (!(error instanceof CertsError)) throw error;
    problems.push(error.message);
    return { file: keyFile, state: 'not checked' };
  }
  if (certificate.checkPrivateKey(key)) return { file: keyFile, state: 'belongs' };
  problems.push(`the key in ${keyFile} does not belong to it; put the files that were made together there`);
  return { file: keyFile, state: 'does not belong' };
}

interface SignerSearch {
  readonly certificate: X509Certificate;
  readonly facts: CertificateFacts;
  readonly file: string;
  /** The other certificates of the same file. */
  readonly others: readonly X509Certificate[];
  readonly caFile: string;
  readonly problems: string[];
}

function signerOf({ certificate, facts, file, others, caFile, problems }: SignerSearch): string | undefined {
  if (facts.isSelfSigned) return 'itself';
  if (others.some((other) => isSignedBy(certificate, other))) return file;
  if (path.resolve(file) === path.resolve(caFile) || !existsSync(caFile)) return undefined;
  let authorities: readonly X509Certificate[];
  try {
    authorities = certificatesIn(readText(caFile), caFile);
  } catch (error) {
    if (!(error instanceof CertsError)) throw error;
    problems.push(error.message);
    return undefined;
  }
  if (authorities.some((ca) => isSignedBy(certificate, ca))) return caFile;
  const isNameOfCa = authorities.some((ca) => ca.subject === certificate.issuer);
  problems.push(
    isNameOfCa
      ? `it is not signed by ${caFile}, which has the same name as its issuer but another key: the CA was made anew; ` +
          'make the certificate anew, too'
      : `it is not signed by ${caFile}; whoever trusts that CA refuses it`,
  );
  return undefined;
}

/** keyUsage and extendedKeyUsage allow everything where they are missing (RFC 5280 §4.2.1). */
function usesOf({ isCa, keyUsage, extendedKeyUsage }: CertificateFacts): readonly Use[] {
  const allows = (...usages: string[]) =>
    keyUsage === undefined || usages.some((usage) => keyUsage.includes(usage));
  const extended = (usage: string) =>
    extendedKeyUsage === undefined || extendedKeyUsage.includes(usage) || extendedKeyUsage.includes(ANY_USE);
  const uses: Use[] = [];
  if (isCa && allows('keyCertSign')) uses.push('CA');
  if (extended('serverAuth') && allows('digitalSignature', 'keyEncipherment')) uses.push('TLS server');
  if (extended('clientAuth') && allows('digitalSignature')) uses.push('TLS client');
  return uses;
}

function weaknesses(file: string, facts: CertificateFacts, usableAs: readonly Use[]): readonly string[] {
  const found: string[] = [];
  const commonName = commonNameOf(facts.subject);
  const looksSelfSigned =
    !facts.isSelfSigned && commonName !== '' && commonName === commonNameOf(facts.issuer);
  if (looksSelfSigned)
    found.push(
      'it has the common name of its CA, so clients may take it for self-signed (ERROR 2026); make one with another name',
    );
  if (isSignedWeakly(facts))
    found.push(
      `it is signed with ${facts.signatureAlgorithm}, which OpenSSL 3 refuses; certs renew signs with SHA-256`,
    );
  if (facts.keyType === 'RSA' && facts.keyBits < SHORTEST_RSA_KEY_BITS)
    found.push(
      `its key has only ${facts.keyBits} bit, which OpenSSL refuses at the security level of many systems; make one of ${SHORTEST_RSA_KEY_BITS} or more`,
    );
  // Without extendedKeyUsage only the name of the file tells a client's certificate from a server's.
  const isForServers =
    usableAs.includes('TLS server') && !facts.isCa && !path.basename(file).startsWith('client');
  if (isForServers && facts.names.length === 0)
    found.push(
      'it has no subject alternative name, so Node.js and most others can verify only its CA, not its name (VERIFY_CA)',
    );
  return found;
}
