import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import forge from 'node-forge';
import { issueCertificate as issueOwn } from '../../../src/certs/authority.js';
import { CertsError } from '../../../src/certs/certs-error.js';
import { planRenewal, type RenewalPlan, type RenewalRequest } from '../../../src/certs/renewal.js';
import { DAY_MS, validFor } from '../../../src/certs/validity.js';
import { type Identity, issueCertificate, saveIdentity } from '../../support/certificates.js';
import { openssl } from '../../support/openssl.js';
import { isUnavailable } from '../../support/programs.js';

const top = mkdtempSync(path.join(tmpdir(), 'renewal-'));
after(() => rmSync(top, { recursive: true }));
const now = new Date();
const inDays = (days: number): Date => new Date(Math.floor(now.getTime() / 1000) * 1000 + days * DAY_MS);

const ca = issueCertificate({ commonName: 'CA', purpose: 'ca', validTo: inDays(2000) });
const shortCa = resigned(ca, 100);
const leaf = (days: number, issuer: Identity = ca): Identity =>
  issueCertificate({
    commonName: 'leaf',
    purpose: 'server',
    names: ['db.example'],
    issuer,
    validTo: inDays(days),
  });
const soon = leaf(10);
const late = leaf(300);

/** The same CA with another end. */
function resigned(identity: Identity, days: number): Identity {
  const { publicKey } = new X509Certificate(identity.certificate);
  const certificate = issueOwn(
    {
      commonName: identity.commonName,
      purpose: 'ca',
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      validity: validFor(days, now),
    },
    { privateKey: createPrivateKey(identity.key) },
  );
  return { ...identity, certificate };
}

interface Folder {
  readonly folder: string;
  readonly file: (name: string) => string;
  readonly plan: (request?: Partial<RenewalRequest>) => RenewalPlan;
}

function folderWith(authority: Identity, leaves: Record<string, Identity>): Folder {
  const folder = mkdtempSync(path.join(top, 'f-'));
  const file = (name: string) => path.join(folder, name);
  saveIdentity(authority, file('ca.pem'), file('ca-key.pem'));
  for (const [name, identity] of Object.entries(leaves))
    saveIdentity(identity, file(`${name}-cert.pem`), file(`${name}-key.pem`));
  const plan = (request: Partial<RenewalRequest> = {}) =>
    planRenewal({ folder, days: 365, withinDays: 30, all: false, now, ...request });
  return { folder, file, plan };
}

const outcomes = ({ steps }: RenewalPlan): Record<string, string> =>
  Object.fromEntries(steps.map(({ file, outcome }) => [path.basename(file), outcome]));
const written = ({ files }: RenewalPlan): string[] => files.map(({ path: file }) => path.basename(file));

test('only what expires soon is renewed, and nothing is written', () => {
  const { plan, file } = folderWith(ca, { soon, late });
  const before = readFileSync(file('soon-cert.pem'), 'utf8');
  const result = plan();
  assert.deepEqual(outcomes(result), {
    'ca.pem': 'not due',
    'soon-cert.pem': 'renewed',
    'late-cert.pem': 'not due',
  });
  assert.deepEqual(written(result), ['soon-cert.pem']);
  const renewed = new X509Certificate(result.files[0]?.text ?? '');
  assert.equal(Date.parse(renewed.validTo), inDays(365).getTime());
  assert.ok(renewed.checkPrivateKey(createPrivateKey(soon.key)));
  assert.equal(renewed.subjectAltName, 'DNS:db.example');
  assert.equal(readFileSync(file('soon-cert.pem'), 'utf8'), before);
});

test('--within, --all and --days', () => {
  const { plan } = folderWith(ca, { soon, late });
  assert.deepEqual(written(plan({ withinDays: 9 })), []);
  assert.deepEqual(written(plan({ withinDays: 300 })), ['late-cert.pem', 'soon-cert.pem']);
  const all = plan({ all: true, days: 50 });
  assert.deepEqual(written(all), ['late-cert.pem', 'soon-cert.pem']);
  assert.equal(all.renewsCa, false);
  assert.equal(Date.parse(new X509Certificate(all.files[0]?.text ?? '').validTo), inDays(50).getTime());
});

test('the CA is renewed when it would expire before the certificates, and verifies old and new ones', () => {
  const { plan } = folderWith(shortCa, { soon, late });
  const result = plan();
  assert.deepEqual(written(result), ['ca.pem', 'soon-cert.pem']);
  assert.equal(result.renewsCa, true);
  const newCa = new X509Certificate(result.files[0]?.text ?? '');
  assert.equal(Date.parse(newCa.validTo), inDays(3653).getTime());
  const renewed = new X509Certificate(result.files[1]?.text ?? '');
  for (const certificate of [renewed, new X509Certificate(late.certificate)])
    for (const authority of [newCa, new X509Certificate(shortCa.certificate)])
      assert.ok(certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
  // Short certificates don't need it.
  assert.equal(plan({ days: 60 }).renewsCa, false);
  // It is due by itself.
  assert.deepEqual(written(folderWith(shortCa, { late }).plan({ withinDays: 100 })), ['ca.pem']);
  // As long as the certificates.
  const long = plan({ days: 5000 });
  assert.equal(Date.parse(new X509Certificate(long.files[0]?.text ?? '').validTo), inDays(5000).getTime());
});

test('a CA that certificates refer to by its serial number keeps it', () => {
  const serialOf = (plan: RenewalPlan) =>
    new X509Certificate(plan.files[0]?.text ?? '').serialNumber.toLowerCase();
  const old = new X509Certificate(shortCa.certificate).serialNumber.toLowerCase();
  assert.notEqual(serialOf(folderWith(shortCa, { soon }).plan()), old);
  const certificate = forge.pki.certificateFromPem(soon.certificate);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'authorityKeyIdentifier', authorityCertIssuer: true, serialNumber: old },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(ca.key), forge.md.sha256.create());
  const referring = { ...soon, certificate: forge.pki.certificateToPem(certificate) };
  const plan = folderWith(shortCa, { referring }).plan();
  assert.equal(serialOf(plan), old);
  const [newCa, renewed] = plan.files.map(({ text }) => new X509Certificate(text));
  // Compares the serial number, too.
  assert.ok(newCa !== undefined && renewed?.checkIssued(newCa));
});

test('nothing due needs no key', () => {
  const { plan, file } = folderWith(ca, { late });
  rmSync(file('ca-key.pem'));
  assert.deepEqual(outcomes(plan()), { 'ca.pem': 'not due', 'late-cert.pem': 'not due' });
});

test('refused as a whole: no CA, no key of the CA, another one, an encrypted one', () => {
  const { plan, file } = folderWith(ca, { soon });
  writeFileSync(file('ca-key.pem'), late.key);
  assert.throws(plan, { message: /ca-key\.pem" does not belong to ca\.pem/ });
  const encrypted = createPrivateKey(ca.key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
    .toString();
  writeFileSync(file('ca-key.pem'), encrypted);
  assert.throws(plan, { message: /is encrypted; decrypt it/ });
  rmSync(file('ca-key.pem'));
  assert.throws(
    plan,
    (error) => error instanceof CertsError && /ca-key\.pem" is missing/.test(error.message),
  );
  rmSync(file('ca.pem'));
  assert.throws(plan, { message: /ca\.pem" does not exist/ });
});

test('refused as a whole: a CA that is not RSA', async (t) => {
  const { plan, file } = folderWith(ca, {});
  const made = await openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '10'],
    ...['-subj', '/CN=CA', '-keyout', file('ca-key.pem'), '-out', file('ca.pem')],
  );
  if (isUnavailable(made)) return t.skip(made.unavailable);
  assert.equal(made.code, 0, made.stderr);
  assert.throws(plan, { message: /type EC, and this program signs with RSA only/ });
});

test('refused as a whole: a CA that another one signed and that ends too early', () => {
  const middle = issueCertificate({ commonName: 'middle', purpose: 'ca', issuer: ca, validTo: inDays(100) });
  const { plan } = folderWith(middle, { soon: leaf(10, middle) });
  assert.throws(plan, { message: /another CA signed it/ });
  assert.deepEqual(written(plan({ days: 60 })), ['soon-cert.pem']);
});

test('refused alone: signed by a CA of the same name, with the key of another, broken', () => {
  const namesake = issueCertificate({ commonName: 'CA', purpose: 'ca' });
  const { plan, file } = folderWith(ca, { soon, foreign: leaf(10, namesake), swapped: soon, broken: soon });
  writeFileSync(file('swapped-key.pem'), late.key);
  writeFileSync(file('broken-cert.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const result = plan();
  assert.deepEqual(written(result), ['soon-cert.pem']);
  const texts = Object.fromEntries(
    result.steps
      .filter(({ outcome }) => outcome === 'refused')
      .map((step) => [path.basename(step.file), step.text]),
  );
  assert.match(texts['foreign-cert.pem'] ?? '', /not signed by the CA/);
  assert.match(texts['swapped-cert.pem'] ?? '', /swapped-key\.pem" does not belong/);
  assert.match(texts['broken-cert.pem'] ?? '', /is broken/);
  assert.equal(Object.keys(texts).length, 3);
});

test('a certificate without its key here is renewed, too', () => {
  const { plan, file } = folderWith(ca, { soon });
  rmSync(file('soon-key.pem'));
  assert.deepEqual(written(plan()), ['soon-cert.pem']);
});

test('a chain keeps its other certificates, with the CA renewed; text between them goes', () => {
  const { plan, file } = folderWith(shortCa, { soon });
  const other = issueCertificate({ commonName: 'other', purpose: 'client', issuer: ca });
  writeFileSync(
    file('soon-cert.pem'),
    `Not After : long ago\n${soon.certificate}more\n${other.certificate}${shortCa.certificate}`,
  );
  chmodSync(file('soon-cert.pem'), 0o640);
  const [caFile, chain] = plan().files;
  const blocks = chain?.text.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----\n/g) ?? [];
  assert.equal(blocks.join(''), chain?.text);
  assert.notEqual(blocks[0], soon.certificate);
  assert.deepEqual(blocks.slice(1), [other.certificate, caFile?.text]);
  assert.equal(chain?.mode, 0o640);
});

test('a link to a certificate is renewed where it leads', () => {
  const { plan, file } = folderWith(ca, { soon });
  writeFileSync(file('elsewhere.pem'), soon.certificate);
  rmSync(file('soon-cert.pem'));
  symlinkSync(file('elsewhere.pem'), file('soon-cert.pem'));
  assert.deepEqual(written(plan()), ['elsewhere.pem']);
});
