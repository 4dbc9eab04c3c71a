/** Certificates of the client leg: several of them, each with its key, and what old clients need. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { type CertificateRequest, issueCertificate, saveIdentity } from '../../support/certificates.js';
import { flagProblems, flagWarnings, loadFlags, temporaryFolder } from './problems.js';

const folder = temporaryFolder();
const ca = issueCertificate({ commonName: 'CA', purpose: 'ca' });
function identity(name: string, request: Partial<CertificateRequest> = {}) {
  const issued = issueCertificate({
    commonName: name,
    purpose: 'server',
    issuer: ca,
    names: ['a'],
    ...request,
  });
  return saveIdentity(issued, path.join(folder, `${name}.pem`), path.join(folder, `${name}-key.pem`));
}
const rsa = identity('rsa');
const otherRsa = identity('other-rsa');
const ec = identity('ec', { keyType: 'ec' });

type Identity = typeof rsa;
const flagsFor = (certificates: readonly Identity[], keys: readonly Identity[] = certificates) => ({
  'client-ssl-cert': certificates.map(({ certificateFile }) => certificateFile),
  'client-ssl-key': keys.map(({ keyFile }) => keyFile),
});

test('an RSA and an EC certificate together, their keys in any order', () => {
  assert.deepEqual(flagProblems(flagsFor([rsa, ec])), []);
  const { config } = loadFlags(flagsFor([ec, rsa], [rsa, ec]));
  assert.deepEqual(config.routes[0]?.client.sslCert, [ec.certificateFile, rsa.certificateFile]);
});

const refused: readonly [what: string, flags: Record<string, unknown>, problems: readonly RegExp[]][] = [
  [
    'a certificate without its key',
    flagsFor([rsa, ec], [rsa]),
    [
      /^flag --client-ssl-key: does not belong to the certificate in --client-ssl-cert; give the matching one$/,
    ],
  ],
  [
    'a key of another certificate',
    flagsFor([rsa, ec], [otherRsa, ec]),
    [
      /none of the keys belongs to the certificate ".*rsa\.pem"/,
      /other-rsa-key\.pem" belongs to none of the/,
    ],
  ],
  ['a key too many', flagsFor([rsa], [rsa, ec]), [/several keys are given, but one certificate/]],
  ['two of a kind', flagsFor([rsa, otherRsa]), [/two certificates have RSA keys, and only one of a kind/]],
];
for (const [what, flags, expected] of refused) {
  test(`refused: ${what}`, () => {
    const problems = flagProblems(flags);
    assert.equal(problems.length, expected.length, problems.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
  });
}

test('the legacy profile is named at each start, and says so when its clients can not use the certificate', () => {
  const legacy = { 'client-tls-profile': 'legacy' };
  const named =
    /^flag --client-tls-profile: legacy lets the client leg go down to TLSv1, CBC and RSA key exchange/;
  const [first, ...others] = flagWarnings({ ...legacy, ...flagsFor([rsa, ec]) });
  assert.match(first ?? '', named);
  assert.deepEqual(others, []);
  assert.match(
    flagWarnings({ ...legacy, ...flagsFor([ec]) })[1] ?? '',
    /yaSSL .* can do RSA only; give an RSA/,
  );
  const fresh = identity('fresh', { validFrom: new Date() });
  assert.match(flagWarnings({ ...legacy, ...flagsFor([fresh]) })[1] ?? '', /is less than a minute old/);
  assert.deepEqual(flagWarnings(flagsFor([fresh])), []);
  assert.match(
    flagWarnings({ 'server-tls-profile': 'legacy' })[0] ?? '',
    /^flag --server-tls-profile: legacy/,
  );
});

test('a certificate that is not made for its leg is warned of', () => {
  const forClients = identity('for-clients', { usage: 'client' });
  const [warning] = flagWarnings(flagsFor([forClients]));
  assert.match(
    warning ?? '',
    /not for serverAuth \(extendedKeyUsage clientAuth\), so clients refuse it; give one made/,
  );
  const pair = { 'server-ssl-cert': rsa.certificateFile, 'server-ssl-key': rsa.keyFile };
  assert.match(flagWarnings(pair)[0] ?? '', /not for clientAuth .*servers refuse it as a client certificate/);
});

test('versions are those of the profile unless given one by one', () => {
  const versionsWith = (flags: Record<string, unknown>) => {
    const { client, server } = loadFlags(flags).config.routes[0] ?? {};
    return [client?.tlsVersion.join(), server?.tlsVersion.join()];
  };
  assert.deepEqual(versionsWith({}), ['TLSv1.2,TLSv1.3', 'TLSv1.2,TLSv1.3']);
  assert.deepEqual(versionsWith({ 'client-tls-profile': 'modern', 'server-tls-profile': 'legacy' }), [
    'TLSv1.3',
    'TLSv1,TLSv1.1,TLSv1.2,TLSv1.3',
  ]);
  assert.deepEqual(versionsWith({ 'server-tls-profile': 'legacy', 'server-tls-version': 'TLSv1.2' }), [
    'TLSv1.2,TLSv1.3',
    'TLSv1.2',
  ]);
});

test('a certificate that OpenSSL refuses at the level of the leg is named before the start', () => {
  const old = identity('old', { hash: 'sha1' });
  const [problem] = flagProblems(flagsFor([old]));
  assert.match(
    problem ?? '',
    /OpenSSL does not use the certificate in ".*old\.pem" \(.*too weak\); .*tls-profile legacy$/,
  );
  assert.deepEqual(flagProblems({ ...flagsFor([old]), 'client-tls-profile': 'legacy' }), []);
  const short = identity('short', { keyBits: 1024 });
  assert.equal(flagProblems(flagsFor([short])).length, 0, 'OpenSSL 3 takes 1024 bit at its default level');
});
