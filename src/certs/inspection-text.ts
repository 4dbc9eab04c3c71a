/** An inspection for people. */
import { printable } from '../printable.js';
import type { CertificateReport } from './certificate-report.js';
import type { Inspection, KeyPairReport } from './inspection.js';
import { dayOf } from './validity.js';

/** Characters; a certificate may hold thousands of names. */
const LONGEST_LINE = 4000;

export function inspectionText({ certificates, keyPairs, problems }: Inspection): string {
  const parts = [
    ...certificates.map((report) => certificateText(report)),
    ...keyPairs.map((report) => keyPairText(report)),
    ...problems.map((problem) => `PROBLEM: ${problem}\n`),
  ];
  // Whoever made a certificate chose what is in it, and perhaps the name of the file.
  return parts
    .join('\n')
    .split('\n')
    .map((line) => printable(line, LONGEST_LINE))
    .join('\n');
}

function certificateText(report: CertificateReport): string {
  const title = report.position === 1 ? report.file : `${report.file}, certificate ${report.position}`;
  const lines: [string, string][] = [
    ['subject', report.subject],
    ['issuer', report.issuer],
    ['names', report.names.join(', ') || 'none'],
    ['validity', validityText(report)],
    ['key', `${report.keyType} ${report.keyBits} bit${keyText(report.key)}`],
    ['signature', `${report.signatureAlgorithm}, by ${report.signedBy ?? 'a CA that is not here'}`],
    ['use', report.usableAs.join(', ') || 'none of CA, TLS server, TLS client'],
    ['SHA-256', report.fingerprint],
    ['serial', report.serialNumber],
  ];
  return `${title}\n${table(lines)}${remarks(report)}`;
}

function validityText({ validFrom, validTo, status, daysLeft }: CertificateReport): string {
  const range = `${dayOf(validFrom)} to ${dayOf(validTo)}`;
  if (status === 'unreadable') return `${range}, UNREADABLE`;
  if (status === 'expired') return `${range}, EXPIRED`;
  if (status === 'not yet valid') return `${range}, NOT YET VALID`;
  return `${range}, ${daysLeft} ${daysLeft === 1 ? 'day' : 'days'} left`;
}

function keyText(key: CertificateReport['key']): string {
  if (key === undefined) return '';
  const state = {
    belongs: 'belongs to it',
    'does not belong': 'DOES NOT BELONG to it',
    'not checked': 'not checked',
  };
  return `; ${key.file} ${state[key.state]}`;
}

function keyPairText(report: KeyPairReport): string {
  const bits = report.keyBits === undefined ? '' : ` ${report.keyBits} bit`;
  const lines: [string, string][] = [
    ['key pair', `${report.keyType ?? 'unknown'}${bits}`],
    ['use', 'encrypts passwords where there is no TLS (--rsa-private-key)'],
  ];
  return `${report.privateFile}, ${report.publicFile}\n${table(lines)}${remarks(report)}`;
}

function remarks({
  warnings,
  problems,
}: {
  warnings: readonly string[];
  problems: readonly string[];
}): string {
  return [
    ...warnings.map((warning) => `  warning: ${warning}\n`),
    ...problems.map((problem) => `  PROBLEM: ${problem}\n`),
  ].join('');
}

function table(lines: readonly [string, string][]): string {
  return lines.map(([name, value]) => `  ${name.padEnd(10)} ${value}\n`).join('');
}
