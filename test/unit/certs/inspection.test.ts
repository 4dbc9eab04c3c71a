import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { CertificateReport } from '../../../src/certs/certificate-report.js';
import { hasProblems, type Inspection, inspect } from '../../../src/certs/inspection.js';
import { inspectionText } from '../../../src/certs/inspection-text.js';
import { DAY_MS } from '../../../src/certs/validity.js';
import { type CertificateRequest, type Identity, issueCertificate } from '../../support/certificates.js';
import { openssl } from '../../support/openssl.js';
import { isUnavailable } from '../../support/programs.js';

const top = mkdtempSync(path.join(tmpdir(), 'inspection-'));
after(() => rmSync(top, { recursive: true }));
const now = new Date();
const inDays = (days: number): Date => new Date(now.getTime() + days * DAY_MS);

const ca = issueCertificate({ commonName: 'CA', purpose: 'ca' });
const issue = (rest: Partial<CertificateRequest> = {}): Identity =>
  issueCertificate({ commonName: 'server', purpose: 'server', names: ['db.example'], issuer: ca, ...rest });
const server = issue();

/** Files by name; keys get mode 0600. */
function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(top, 'f-'));
  for (const [name, text] of Object.entries(files))
    writeFileSync(path.join(folder, name), text, { mode: name.includes('key') ? 0o600 : 0o644 });
  return folder;
}
const withCa = (files: Record<string, string>): Record<string, string> => ({
  'ca.pem': ca.certificate,
  ...files,
});

/** What is said of the first certificate in the file of this name. */
function reportOf(files: Record<string, string>, name = 'server-cert.pem'): CertificateReport {
  const { certificates, problems } = inspect([folderWith(files)], now);
  assert.deepEqual(problems, []);
  const report = certificates.find(({ file }) => path.basename(file) === name);
  assert.ok(report);
  return report;
}

test('a good folder: who signed what, whose keys are there, what each is for', () => {
  const folder = folderWith({
    'ca.pem': ca.certificate,
    'ca-key.pem': ca.key,
    'server-cert.pem': server.certificate,
    'server-key.pem': server.key,
    'client-cert.pem': issue({ purpose: 'client', names: [], validTo: inDays(20.5) }).certificate,
  });
  const inspection = inspect([folder], now);
  assert.equal(hasProblems(inspection), false);
  const file = (name: string) => path.join(folder, name);
  const short = inspection.certificates.map(({ file: name, usableAs, key, signedBy, warnings }) => ({
    ...{ file: name, usableAs, key, signedBy, warnings },
  }));
  assert.deepEqual(short, [
    {
      file: file('ca.pem'),
      usableAs: ['CA'],
      key: { file: file('ca-key.pem'), state: 'belongs' },
      signedBy: 'itself',
      warnings: [],
    },
    {
      file: file('client-cert.pem'),
      usableAs: ['TLS client'],
      key: undefined,
      signedBy: file('ca.pem'),
      warnings: [],
    },
    {
      file: file('server-cert.pem'),
      usableAs: ['TLS server'],
      key: { file: file('server-key.pem'), state: 'belongs' },
      signedBy: file('ca.pem'),
      warnings: [],
    },
  ]);
  const client = inspection.certificates[1];
  assert.deepEqual([client?.status, client?.daysLeft], ['valid', 20]);
  const text = inspectionText(inspection);
  assert.match(text, /validity +\S+ to \S+, 20 days left/);
  assert.match(text, /names +DNS:db\.example/);
  assert.match(text, /SHA-256 +([0-9A-F]{2}:){31}/);
});

const wrong: readonly {
  what: string;
  files: () => Record<string, string>;
  problem: RegExp;
  text?: RegExp;
}[] = [
  {
    what: 'expired',
    files: () =>
      withCa({ 'server-cert.pem': issue({ validFrom: inDays(-9), validTo: inDays(-1) }).certificate }),
    problem: /it expired on .*certs renew/,
    text: /EXPIRED/,
  },
  {
    what: 'not yet valid',
    files: () => withCa({ 'server-cert.pem': issue({ validFrom: inDays(1) }).certificate }),
    problem: /not valid before .*clock/,
    text: /NOT YET VALID/,
  },
  {
    what: 'the key of another',
    files: () => withCa({ 'server-cert.pem': server.certificate, 'server-key.pem': ca.key }),
    problem: /server-key\.pem does not belong to it/,
    text: /DOES NOT BELONG/,
  },
  {
    what: 'a broken key',
    files: () => withCa({ 'server-cert.pem': server.certificate, 'server-key.pem': 'x' }),
    problem: /server-key\.pem" holds no private key/,
    text: /not checked/,
  },
  {
    what: 'a CA of the same name that was made anew',
    files: () => ({
      'ca.pem': issueCertificate({ commonName: 'CA', purpose: 'ca' }).certificate,
      'server-cert.pem': server.certificate,
    }),
    problem: /same name as its issuer but another key/,
    text: /by a CA that is not here/,
  },
  {
    what: 'another CA',
    files: () => ({
      'ca.pem': issueCertificate({ commonName: 'other', purpose: 'ca' }).certificate,
      'server-cert.pem': server.certificate,
    }),
    problem: /is not signed by .*ca\.pem; whoever trusts/,
  },
  {
    what: 'no certificate in ca.pem',
    files: () => ({ 'ca.pem': '-----BEGIN X509 CRL-----\n', 'server-cert.pem': server.certificate }),
    problem: /ca\.pem" holds no certificate/,
  },
];
for (const { what, files, problem, text } of wrong) {
  test(`wrong: ${what}`, () => {
    const { problems } = reportOf(files());
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0] ?? '', problem);
    const inspection = inspect([folderWith(files())], now);
    assert.equal(hasProblems(inspection), true);
    assert.match(inspectionText(inspection), text ?? /PROBLEM/);
  });
}

const weak: readonly { what: string; request: Partial<CertificateRequest>; warning: RegExp }[] = [
  { what: 'the common name of its CA', request: { commonName: 'CA' }, warning: /ERROR 2026/ },
  { what: 'a short key', request: { keyBits: 1024 }, warning: /only 1024 bit/ },
  { what: 'a name only in the subject', request: { names: [] }, warning: /no subject alternative name/ },
];
for (const { what, request, warning } of weak) {
  test(`a warning: ${what}`, () => {
    const { warnings, problems } = reportOf(withCa({ 'server-cert.pem': issue(request).certificate }));
    assert.deepEqual(problems, []);
    assert.equal(warnings.length, 1, warnings.join('\n'));
    assert.match(warnings[0] ?? '', warning);
  });
}

test('a warning: a key that others can read', () => {
  const folder = folderWith(withCa({ 'server-cert.pem': server.certificate, 'server-key.pem': server.key }));
  const keyFile = path.join(folder, 'server-key.pem');
  for (const [mode, count] of [
    [0o600, 0],
    [0o640, 1],
    [0o604, 1],
  ] as const) {
    chmodSync(keyFile, mode);
    const warnings = inspect([folder], now).certificates.flatMap((report) => report.warnings);
    assert.equal(warnings.length, count, warnings.join('\n'));
    if (count > 0) assert.match(warnings[0] ?? '', /can be read by other users.*chmod 600/);
  }
});

test('an encrypted key is not checked, and that is said', () => {
  const encrypted = createPrivateKey(server.key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
    .toString();
  const report = reportOf(withCa({ 'server-cert.pem': server.certificate, 'server-key.pem': encrypted }));
  assert.equal(report.key?.state, 'not checked');
  assert.deepEqual(report.problems, []);
  assert.match(report.warnings[0] ?? '', /is encrypted/);
});

test('a chain and its key in one file: each certificate, signed by the next', () => {
  const middle = issueCertificate({ commonName: 'middle', purpose: 'ca', issuer: ca });
  const last = issue({ issuer: middle });
  const folder = folderWith(withCa({ 'chain.pem': last.key + last.certificate + middle.certificate }));
  chmodSync(path.join(folder, 'chain.pem'), 0o600);
  const [first, second] = inspect([path.join(folder, 'chain.pem')], now).certificates;
  const file = path.join(folder, 'chain.pem');
  assert.deepEqual([first?.position, first?.signedBy, first?.key], [1, file, { file, state: 'belongs' }]);
  assert.deepEqual(
    [second?.position, second?.signedBy, second?.key],
    [2, path.join(folder, 'ca.pem'), undefined],
  );
  assert.match(inspectionText(inspect([file], now)), /chain\.pem, certificate 2\n {2}subject +CN=middle/);
});

test('an ECDSA certificate', async (t) => {
  const folder = folderWith({});
  const made = await openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '10'],
    ...['-subj', '/CN=ec', '-addext', 'subjectAltName=DNS:ec.example'],
    ...['-keyout', path.join(folder, 'x-key.pem'), '-out', path.join(folder, 'x-cert.pem')],
  );
  if (isUnavailable(made)) return t.skip(made.unavailable);
  // It is valid from this very second on.
  const inspection = inspect([folder], new Date());
  const [report] = inspection.certificates;
  assert.deepEqual([report?.keyType, report?.keyBits, report?.key?.state], ['EC', 256, 'belongs']);
  assert.equal(report?.signatureAlgorithm, 'ecdsa-with-SHA256');
  assert.equal(hasProblems(inspection), false);
});

test('the RSA key pair for passwords', () => {
  const make = (type: 'pkcs1' | 'pkcs8') =>
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type, format: 'pem' },
    });
  const [pair, other] = [make('pkcs1'), make('pkcs8')];
  const pairIn = (files: Record<string, string>): Inspection['keyPairs'][number] | undefined =>
    inspect([folderWith(files)], now).keyPairs[0];
  const good = pairIn({ 'private_key.pem': pair.privateKey, 'public_key.pem': pair.publicKey });
  assert.deepEqual([good?.keyType, good?.keyBits, good?.problems], ['RSA', 2048, []]);
  assert.match(
    pairIn({ 'private_key.pem': other.privateKey, 'public_key.pem': pair.publicKey })?.problems[0] ?? '',
    /does not belong/,
  );
  assert.match(
    pairIn({ 'public_key.pem': pair.publicKey })?.problems[0] ?? '',
    /private_key\.pem" does not exist/,
  );
  assert.match(
    pairIn({ 'private_key.pem': other.privateKey, 'public_key.pem': 'x' })?.problems[0] ?? '',
    /no usable public key/,
  );
  assert.equal(pairIn({}), undefined);
});

test('what can not be looked at is a problem, and does not keep from the rest', () => {
  const folder = folderWith({
    'good.pem': ca.certificate,
    'broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    'request.pem': '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
    'unrelated.txt': '',
  });
  mkdirSync(path.join(folder, 'empty'));
  const { certificates, problems } = inspect(
    [folder, path.join(folder, 'empty'), path.join(folder, 'missing'), path.join(folder, 'unrelated.txt')],
    now,
  );
  assert.deepEqual(
    certificates.map(({ subject }) => subject),
    ['CN=CA'],
  );
  assert.equal(problems.length, 4);
  for (const [index, expected] of [
    /certificate 1 in ".*broken\.pem" is broken/,
    /no certificate in ".*empty"; make some/,
    /missing" does not exist/,
    /unrelated\.txt" holds no certificate/,
  ].entries())
    assert.match(problems[index] ?? '', expected);
});
