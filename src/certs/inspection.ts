/** Looks at files and folders, and finds what is wrong in them. */
import { createPublicKey } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  listFolder,
  readersWarning,
  readPrivateKey,
  readPublicKey,
  readText,
  unreadable,
} from './certificate-file.js';
import { RSA_PRIVATE_FILE, RSA_PUBLIC_FILE } from './certificate-folder.js';
import { type CertificateReport, reportCertificates } from './certificate-report.js';
import { CertsError } from './certs-error.js';
import { pemCertificates } from './pem.js';

/** Of private_key.pem and public_key.pem, which encrypt passwords where there is no TLS. */
export interface KeyPairReport {
  readonly privateFile: string;
  readonly publicFile: string;
  /** `RSA` in both where they are usable. */
  readonly keyType: string | undefined;
  readonly keyBits: number | undefined;
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

export interface Inspection {
  readonly certificates: readonly CertificateReport[];
  readonly keyPairs: readonly KeyPairReport[];
  /** What could not be looked at. */
  readonly problems: readonly string[];
}

/** @param paths files, and folders whose `.pem`, `.crt` and `.cer` files are meant. */
export function inspect(paths: readonly string[], now: Date): Inspection {
  const certificates: CertificateReport[] = [];
  const keyPairs: KeyPairReport[] = [];
  const problems: string[] = [];
  for (const place of paths) {
    try {
      const isFolder = statusOf(place).isDirectory();
      const files = isFolder ? certificateFilesIn(place) : [place];
      const pair = isFolder ? keyPairIn(place) : undefined;
      if (pair !== undefined) keyPairs.push(pair);
      if (files.length === 0 && pair === undefined)
        problems.push(`there is no certificate in "${place}"; make some with: mysql-tls-proxy certs create`);
      for (const file of files) {
        try {
          certificates.push(...reportCertificates(file, now));
        } catch (error) {
          problems.push(problemIn(error));
        }
      }
    } catch (error) {
      problems.push(problemIn(error));
    }
  }
  return { certificates, keyPairs, problems };
}

export function hasProblems({ certificates, keyPairs, problems }: Inspection): boolean {
  return [...certificates, ...keyPairs].some((report) => report.problems.length > 0) || problems.length > 0;
}

/** Keys are looked at beside their certificates, and requests not at all; what can't be read stays, to be reported. */
function certificateFilesIn(folder: string): readonly string[] {
  return listFolder(folder)
    .filter((name) => /\.(pem|crt|cer)$/i.test(name))
    .map((name) => path.join(folder, name))
    .filter((file) => !isOtherFile(file));
}

function isOtherFile(file: string): boolean {
  const isNamedLikeKey = /(-key|private_key|public_key)\.pem$/.test(file);
  try {
    const text = readText(file);
    if (pemCertificates(text).length > 0) return false;
    return isNamedLikeKey || /-----BEGIN (?!CERTIFICATE-----)/.test(text);
  } catch {
    return isNamedLikeKey;
  }
}

function keyPairIn(folder: string): KeyPairReport | undefined {
  const privateFile = path.join(folder, RSA_PRIVATE_FILE);
  const publicFile = path.join(folder, RSA_PUBLIC_FILE);
  const privateExists = existsSync(privateFile);
  if (!privateExists && !existsSync(publicFile)) return undefined;
  const warnings = privateExists ? readersWarning(privateFile) : [];
  const report = { privateFile, publicFile, warnings };
  try {
    const privateKey = readPrivateKey(privateFile);
    const publicKey = readPublicKey(publicFile);
    const { asymmetricKeyType, asymmetricKeyDetails } = publicKey;
    const problems: string[] = [];
    if (asymmetricKeyType !== 'rsa') problems.push('the keys are not RSA, which MySQL needs for this');
    if (!createPublicKey(privateKey).equals(publicKey))
      problems.push(`${publicFile} does not belong to ${privateFile}; make it anew: openssl pkey -pubout`);
    return {
      ...report,
      keyType: asymmetricKeyType === 'rsa' ? 'RSA' : asymmetricKeyType,
      keyBits: asymmetricKeyDetails?.modulusLength,
      problems,
    };
  } catch (error) {
    return { ...report, keyType: undefined, keyBits: undefined, problems: [problemIn(error)] };
  }
}

function statusOf(place: string): { isDirectory(): boolean } {
  try {
    return statSync(place);
  } catch (error) {
    throw new CertsError(unreadable(place, error));
  }
}

/** What else is thrown is no problem of the files, but a bug. */
function problemIn(error: unknown): string {
  if (error instanceof CertsError) return error.message;
  throw error;
}
