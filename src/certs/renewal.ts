/**
 * Signs certificates anew, before they expire, with the same CA, keys and names: whoever trusts the CA need not be told.
 *
 * The CA itself is signed anew only when it must be. Its key and name stay, so certificates go on to be accepted by those
 * who have the old ca.pem, until that one expires.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.js';
import { namesSerialOfIssuer, reissueCertificate } from './authority.js';
import { certificateFacts } from './certificate-facts.js';
import {
  certificatesIn,
  isSignedBy,
  listFolder,
  privateKeyIn,
  readPrivateKey,
  readText,
} from './certificate-file.js';
import { CA_FILE, CA_KEY_FILE, keyFileBeside, type NewFile } from './certificate-folder.js';
import { CertsError } from './certs-error.js';
import { isEncrypted } from './pem.js';
import { caValidFor, DAY_MS, dayOf, daysUntil, type Validity, validFor } from './validity.js';

export interface RenewalRequest {
  readonly folder: string;
  /** Validity of the new certificates; the CA gets ten years or as long as these. */
  readonly days: number;
  /** What expires within so many days is due. */
  readonly withinDays: number;
  /** All certificates are due; the CA is not for that alone. */
  readonly all: boolean;
  readonly now: Date;
}

export interface RenewalStep {
  readonly file: string;
  readonly outcome: 'renewed' | 'not due' | 'refused';
  /** Why, or until when. */
  readonly text: string;
}

export interface RenewalPlan {
  /** For each certificate of the folder what is done with it, the CA first. */
  readonly steps: readonly RenewalStep[];
  /** To be written. */
  readonly files: readonly NewFile[];
  readonly renewsCa: boolean;
}

/** A certificate that is the first one of its file. */
interface Found {
  readonly file: string;
  readonly text: string;
  readonly certificate: X509Certificate;
}

/** Writes nothing. @throws CertsError where the CA can't sign. */
export function planRenewal(request: RenewalRequest): RenewalPlan {
  const caFile = path.join(request.folder, CA_FILE);
  const ca = readFound(caFile);
  const refused: RenewalStep[] = [];
  const leaves = leafFiles(request.folder).flatMap((file) => attempt(file, refused, () => readFound(file)));
  const due = leaves.filter(({ certificate }) => request.all || isDue(certificate, request));
  const notDue = leaves.filter((leaf) => !due.includes(leaf)).map((leaf) => leftAlone(leaf, request));
  const willRenew = due.flatMap((leaf) =>
    attempt(leaf.file, refused, () => {
      checkLeaf(leaf, ca.certificate, caFile);
      return leaf;
    }),
  );
  const renewsCa =
    isDue(ca.certificate, request) || (willRenew.length > 0 && endsBefore(ca.certificate, request));
  if (willRenew.length === 0 && !renewsCa)
    return { steps: [leftAlone(ca, request), ...notDue, ...refused], files: [], renewsCa };

  const privateKey = readCaKey(request.folder, ca.certificate);
  const newCa = renewsCa ? renewCa(ca, leaves, privateKey, request) : undefined;
  const leafValidity = validFor(request.days, request.now);
  const files = willRenew.map((leaf) => {
    const renewed = reissueCertificate(leaf.certificate, leafValidity, privateKey);
    return replacement(leaf, [
      [leaf.certificate, renewed],
      // A chain may end with the CA.
      ...(newCa === undefined ? [] : [[ca.certificate, newCa] as const]),
    ]);
  });
  const caStep =
    newCa === undefined
      ? leftAlone(ca, request)
      : renewed(ca, newCaValidity(ca.certificate, request).notAfter);
  const steps = willRenew.map((leaf) => renewed(leaf, leafValidity.notAfter));
  if (newCa !== undefined) files.unshift(replacement(ca, [[ca.certificate, newCa]]));
  return { steps: [caStep, ...steps, ...notDue, ...refused], files, renewsCa };
}

function leafFiles(folder: string): readonly string[] {
  return listFolder(folder)
    .filter((name) => name.endsWith('-cert.pem'))
    .map((name) => path.join(folder, name));
}

/** What fails is noted, and does not keep the others from being renewed. */
function attempt(file: string, refused: RenewalStep[], step: () => Found): Found[] {
  try {
    return [step()];
  } catch (error) {
    if (!(error instanceof CertsError)) throw error;
    refused.push({ file, outcome: 'refused', text: error.message });
    return [];
  }
}

function readFound(file: string): Found {
  const text = readText(file);
  const [certificate] = certificatesIn(text, file);
  if (certificate === undefined) throw new CertsError(`"${file}" holds no certificate`);
  return { file, text, certificate };
}

function isDue(certificate: X509Certificate, { withinDays, now }: RenewalRequest): boolean {
  return Date.parse(certificate.validTo) <= now.getTime() + withinDays * DAY_MS;
}

function endsBefore(ca: X509Certificate, { days, now }: RenewalRequest): boolean {
  return Date.parse(ca.validTo) < validFor(days, now).notAfter.getTime();
}

function checkLeaf({ file, certificate }: Found, ca: X509Certificate, caFile: string): void {
  if (!isSignedBy(certificate, ca)) {
    throw new CertsError(
      `it was not signed by the CA in "${caFile}"; renew it where its own CA is, or make all anew: certs create --force`,
    );
  }
  const keyFile = keyFileBeside(file);
  // Signing needs no key of the certificate, so it may be elsewhere.
  if (keyFile === undefined || !existsSync(keyFile)) return;
  const keyText = readText(keyFile);
  if (isEncrypted(keyText)) return;
  if (!certificate.checkPrivateKey(privateKeyIn(keyText, keyFile)))
    throw new CertsError(
      `the key in "${keyFile}" does not belong to it; put the files that were made together there`,
    );
}

function readCaKey(folder: string, ca: X509Certificate): KeyObject {
  const file = path.join(folder, CA_KEY_FILE);
  const { keyType } = certificateFacts(ca);
  if (keyType !== 'RSA') {
    throw new CertsError(
      `the CA has a key of type ${keyType}, and this program signs with RSA only; renew with the program that made it`,
    );
  }
  if (!existsSync(file))
    throw new CertsError(
      `"${file}" is missing, and nobody can sign without the key of the CA; bring it here for the time`,
    );
  const key = readPrivateKey(file);
  if (ca.checkPrivateKey(key)) return key;
  throw new CertsError(
    `the key in "${file}" does not belong to ${CA_FILE} beside it; put the two files that were made together there`,
  );
}

function renewCa(ca: Found, leaves: readonly Found[], key: KeyObject, request: RenewalRequest): string {
  const { certificate } = ca;
  if (!isSignedBy(certificate, certificate)) {
    throw new CertsError(
      `the CA in "${ca.file}" is valid until ${certificate.validTo} only, and another CA signed it; have it renewed there first`,
    );
  }
  // OpenSSL does not take the CA for the issuer of a certificate that names another serial number.
  const keepSerialNumber = [ca, ...leaves].some((found) => namesSerialOfIssuer(found.certificate));
  return reissueCertificate(certificate, newCaValidity(certificate, request), key, { keepSerialNumber });
}

/** Never shorter than it was. */
function newCaValidity({ validTo }: X509Certificate, { days, now }: RenewalRequest): Validity {
  const validity = caValidFor(days, now);
  const before = new Date(validTo);
  return before > validity.notAfter ? { ...validity, notAfter: before } : validity;
}

/** The file with other certificates in place of some; what stands between the PEM blocks describes the old ones. */
function replacement(
  { file, text }: Found,
  changes: readonly (readonly [old: X509Certificate, renewed: string])[],
): NewFile {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const renewedBlocks = blocks.map((block) => {
    const [first] = block.startsWith('-----BEGIN CERTIFICATE-----') ? certificatesIn(block, file) : [];
    const change = changes.find(([old]) => first?.fingerprint256 === old.fingerprint256);
    return change === undefined ? block : change[1].trimEnd();
  });
  // A link stays one.
  const target = realpathSync(file);
  return { path: target, text: `${renewedBlocks.join('\n')}\n`, mode: modeOf(target) };
}

function modeOf(file: string): number {
  try {
    return statSync(file).mode & 0o7777;
  } catch (error) {
    throw new CertsError(`can't look at "${file}": ${messageOf(error)}`);
  }
}

function renewed({ file }: Found, end: Date): RenewalStep {
  return { file, outcome: 'renewed', text: `valid until ${dayOf(end)}` };
}

function leftAlone({ file, certificate }: Found, { now }: RenewalRequest): RenewalStep {
  const end = new Date(certificate.validTo);
  const days = daysUntil(end, now);
  return {
    file,
    outcome: 'not due',
    text: `valid until ${dayOf(end)}, ${days} days left`,
  };
}
