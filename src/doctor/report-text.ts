/** The doctor's report for a person. */
import type { CertificateFacts } from '../certs/certificate-facts.js';
import { dayOf } from '../certs/validity.js';
import { printable } from '../printable.js';
import type { Report } from './examine.js';
import type { Finding } from './findings.js';

const LABEL_WIDTH = 16;
const LONGEST_VALUE = 300;

/** Lines, the last one ended, too. What peers choose is made printable. */
export function reportText(report: Report): string {
  const lines = [
    ...factLines(report),
    ...certificateLines(report.certificates),
    ...versionLines(report),
    ...settingLines(report),
    '',
    ...findingLines(report.findings),
  ];
  return `${lines.join('\n')}\n`;
}

function row(label: string, value: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${printable(value, LONGEST_VALUE)}`;
}

function factLines({
  target,
  leg,
  server,
  offersTls,
  asConfigured,
  profiles,
  keyPairAccepted,
  resumes,
  account,
}: Report): string[] {
  const label = leg === 'client' ? 'Proxy' : 'Server';
  if (server === undefined) return [row(label, target)];
  const lines = [
    row(label, `${target}, ${leg === 'client' ? 'in front of ' : ''}${server.kind} ${server.version}`),
    row('Greets with', server.plugin === '' ? 'no plugin' : server.plugin),
    row('Offers TLS', offersTls ? 'yes' : 'no'),
  ];
  if (offersTls) {
    lines.push(row('As configured', configuredText(asConfigured)));
  }
  for (const { profile, version, cipher, failure } of profiles) {
    lines.push(
      row(`  ${profile}`, version === 'none' ? `fails (${failure ?? 'unknown'})` : `${version} ${cipher}`),
    );
  }
  if (keyPairAccepted !== undefined) lines.push(row('Key pair', keyPairAccepted ? 'accepted' : 'refused'));
  if (resumes !== undefined) lines.push(row('Resumes TLS', resumes ? 'yes' : 'no'));
  if (account !== undefined) {
    const specified = account.specified === '' ? '' : `: ${account.specified}`;
    lines.push(
      row(
        'Account',
        `${account.name}, ${account.plugin}, REQUIRE ${account.requirement ?? 'unknown'}${specified}`,
      ),
    );
  }
  return lines;
}

function configuredText(asConfigured: Report['asConfigured']): string {
  if (asConfigured === undefined) return 'no TLS, see below';
  return asConfigured.version === 'none' ? 'plaintext' : `${asConfigured.version} ${asConfigured.cipher}`;
}

function certificateLines(certificates: readonly CertificateFacts[]): string[] {
  return certificates.flatMap((facts, index) => [
    '',
    row(index === 0 ? 'Certificate' : 'signed by', facts.subject),
    row('  issuer', facts.isSelfSigned ? 'itself' : facts.issuer),
    ...(index === 0 ? [row('  names', facts.names.join(', ') || 'none, only the common name')] : []),
    row('  valid', `${dayOf(facts.validFrom)} to ${dayOf(facts.validTo)}`),
    row('  key', `${facts.keyType} ${facts.keyBits} bit, signed with ${facts.signatureAlgorithm}`),
    row('  SHA-256', facts.fingerprint),
  ]);
}

function versionLines({ versions }: Report): string[] {
  if (versions === undefined) return [];
  const lines = versions.map(({ version, accepted, ciphers, endedBy }) => {
    const dh =
      endedBy === 'server_tls_dh_key_too_small' ? ' (and DHE ciphers with a group too small to use)' : '';
    return row(`  ${version}`, accepted ? `${ciphers.join(' ')}${dh}` : `not accepted${dh}`);
  });
  return ['', 'Accepts, in its own order of preference:', ...lines];
}

function settingLines({ clientSettings }: Report): string[] {
  if (clientSettings.length === 0) return [];
  const clients = [...new Set(clientSettings.map(({ client }) => client))];
  const lines = clients.flatMap((client) => [
    `  ${client}`,
    ...clientSettings
      .filter((one) => one.client === client)
      .map(({ settings, verdict, reason }) => `    ${verdict.padEnd(19)}${settings}: ${reason}`),
  ]);
  return ['', 'Clients that connect to it directly, with these settings:', ...lines];
}

const MARKS = { error: 'ERROR', warning: 'WARNING', info: 'note' } as const;

function findingLines(findings: readonly Finding[]): string[] {
  const problems = findings.filter(({ severity }) => severity === 'error').length;
  return [
    ...findings.flatMap(({ code, severity, cause, cure }) => [
      `${MARKS[severity]} ${code}: ${cause}.`,
      `    ${cure}`,
    ]),
    ...(findings.length > 0 ? [''] : []),
    problems === 0
      ? 'No problem found.'
      : problems === 1
        ? '1 problem found.'
        : `${problems} problems found.`,
  ];
}
