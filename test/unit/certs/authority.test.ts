import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import forge from 'node-forge';
import {
  type Authority,
  type CertificateRequest,
  issueCertificate,
  namesSerialOfIssuer,
  reissueCertificate,
} from '../../../src/certs/authority.js';
import { certificateFacts } from '../../../src/certs/certificate-facts.js';
import { readHosts } from '../../../src/certs/host-names.js';
import { makeKeyPair } from '../../../src/certs/key-pair.js';
import { validFor } from '../../../src/certs/validity.js';

const now = new Date('2026-11-22T12:34:56Z');
const validity = validFor(365, now);
const caKeys = await makeKeyPair(2048);
const leafKeys = await makeKeyPair(2048);
const privateKey = createPrivateKey(caKeys.privateKey);
const ca = new X509Certificate(
  issueCertificate(
    { commonName: 'A CA', purpose: 'ca', publicKey: caKeys.publicKey, validity },
    { privateKey },
  ),
);
const authority: Authority = { certificate: ca, privateKey };
const issue = (rest: Partial<CertificateRequest> = {}): X509Certificate =>
  new X509Certificate(
    issueCertificate(
      { commonName: 'a_server', purpose: 'server', publicKey: leafKeys.publicKey, validity, ...rest },
      authority,
    ),
  );

test('keys are PKCS #1, which yaSSL reads', () => {
  assert.match(leafKeys.privateKey, /^-----BEGIN RSA PRIVATE KEY-----\n/);
  assert.match(leafKeys.publicKey, /^-----BEGIN PUBLIC KEY-----\n/);
});

test('a CA signs itself, and may sign certificates only', () => {
  const facts = certificateFacts(ca);
  assert.equal(facts.isSelfSigned, true);
  assert.equal(facts.isCa, true);
  assert.deepEqual(facts.keyUsage, ['keyCertSign', 'cRLSign']);
  assert.equal(facts.extendedKeyUsage, undefined);
  assert.equal(facts.signatureAlgorithm, 'sha256WithRSAEncryption');
  const { extensions } = forge.pki.certificateFromPem(ca.toString());
  const constraints = extensions.find(({ name }) => name === 'basicConstraints');
  assert.deepEqual([constraints.critical, constraints.pathLenConstraint], [true, 0]);
});

test('a certificate for a server: names, uses, validity', () => {
  const server = issue({ hosts: readHosts(['db.example.com', '*.example.com', '192.0.2.7', '2001:db8::1']) });
  const facts = certificateFacts(server);
  assert.equal(facts.subject, 'CN=a_server');
  assert.equal(facts.issuer, 'CN=A CA');
  assert.deepEqual(facts.names, [
    'DNS:db.example.com',
    'DNS:*.example.com',
    'IP Address:192.0.2.7',
    'IP Address:2001:DB8:0:0:0:0:0:1',
  ]);
  assert.deepEqual(facts.keyUsage, ['digitalSignature', 'keyEncipherment']);
  assert.deepEqual(facts.extendedKeyUsage, ['serverAuth']);
  assert.equal(facts.isCa, false);
  assert.equal(facts.validFrom.toISOString(), '2026-11-21T12:34:56.000Z');
  assert.equal(facts.validTo.toISOString(), '2027-11-22T12:34:56.000Z');
  assert.ok(server.verify(ca.publicKey));
  // Compares the key identifiers, too.
  assert.ok(server.checkIssued(ca));
  assert.deepEqual(certificateFacts(issue({ purpose: 'client' })).extendedKeyUsage, ['clientAuth']);
});

test('serial numbers have 128 bits, are positive, and differ', () => {
  const serials = Array.from({ length: 20 }, () => issue().serialNumber);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  assert.equal(new Set(serials).size, serials.length);
});

test('dates from 2050 on', () => {
  for (const [days, expected] of [
    [8000, '2048-10-17T12:34:56.000Z'],
    [10_000, '2054-04-09T12:34:56.000Z'],
  ] as const) {
    const far = validFor(days, now);
    const certificate = issue({ validity: far });
    assert.equal(certificateFacts(certificate).validTo.toISOString(), expected);
    const renewed = new X509Certificate(reissueCertificate(issue(), far, privateKey));
    assert.equal(certificateFacts(renewed).validTo.toISOString(), expected);
    // UTCTime has 13 characters, GeneralizedTime 15.
    const type = days < 9000 ? '\x17\x0d' : '\x18\x0f';
    const text = `${type}${expected.replace(/\D/g, '').slice(days < 9000 ? 2 : 0, 14)}Z`;
    for (const { raw } of [certificate, renewed]) assert.ok(raw.includes(Buffer.from(text, 'latin1')));
  }
});

test('reissuing changes validity and serial number, and not a byte else', () => {
  const old = issue({ hosts: readHosts(['db.example.com', '::1']) });
  const later = validFor(700, now);
  const renewed = new X509Certificate(reissueCertificate(old, later, privateKey));
  assert.equal(new Date(renewed.validTo).getTime(), later.notAfter.getTime());
  assert.notEqual(renewed.serialNumber, old.serialNumber);
  assert.ok(renewed.verify(ca.publicKey));
  const parts = (certificate: X509Certificate): string[] => {
    const body = children(children(forge.asn1.fromDer(certificate.raw.toString('binary')))[0]);
    return body.map((part) => forge.asn1.toDer(part).toHex());
  };
  const [oldParts, newParts] = [parts(old), parts(renewed)];
  const changed = oldParts.flatMap((part, index) => (part === newParts[index] ? [] : [index]));
  // version, serialNumber, signature, issuer, validity, subject, key, extensions
  assert.equal(newParts.length, 8);
  assert.deepEqual(changed, [1, 4]);
  const kept = reissueCertificate(old, later, privateKey, { keepSerialNumber: true });
  assert.equal(new X509Certificate(kept).serialNumber, old.serialNumber);
});

test('reissuing a certificate that was signed with SHA-1, and one of version 1', () => {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(leafKeys.publicKey);
  certificate.serialNumber = '05';
  certificate.setSubject([{ name: 'commonName', value: 'old' }]);
  certificate.setIssuer([{ name: 'commonName', value: 'A CA' }]);
  const [notBefore, notAfter] = [new Date('2020-01-01'), new Date('2021-01-01')];
  certificate.validity = { notBefore, notAfter };
  certificate.sign(forge.pki.privateKeyFromPem(caKeys.privateKey), forge.md.sha1.create());
  const old = new X509Certificate(forge.pki.certificateToPem(certificate));
  assert.equal(certificateFacts(old).signatureAlgorithm, 'sha1WithRSAEncryption');
  const renewed = new X509Certificate(reissueCertificate(old, validity, privateKey));
  const facts = certificateFacts(renewed);
  assert.equal(facts.signatureAlgorithm, 'sha256WithRSAEncryption');
  assert.equal(facts.subject, 'CN=old');
  assert.equal(facts.validTo.getTime(), validity.notAfter.getTime());
  assert.ok(renewed.verify(ca.publicKey));

  // Version 1: without the field that says so.
  const root = forge.asn1.fromDer(old.raw.toString('binary'));
  children(children(root)[0]).shift();
  const first = new X509Certificate(Buffer.from(forge.asn1.toDer(root).getBytes(), 'binary'));
  const renewedFirst = new X509Certificate(reissueCertificate(first, validity, privateKey));
  assert.equal(renewedFirst.subject, 'CN=old');
  assert.notEqual(renewedFirst.serialNumber, '05');
  assert.equal(new Date(renewedFirst.validTo).getTime(), validity.notAfter.getTime());
  assert.ok(renewedFirst.verify(ca.publicKey));
});

test('whether a certificate names the serial number of its CA', () => {
  assert.equal(namesSerialOfIssuer(issue()), false);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(leafKeys.publicKey);
  certificate.serialNumber = '05';
  certificate.setSubject([{ name: 'commonName', value: 'x' }]);
  certificate.setIssuer([{ name: 'commonName', value: 'A CA' }]);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'authorityKeyIdentifier', keyIdentifier: true, authorityCertIssuer: true, serialNumber: '0102' },
  ]);
  certificate.validity = { ...validity };
  certificate.sign(forge.pki.privateKeyFromPem(caKeys.privateKey), forge.md.sha256.create());
  assert.equal(namesSerialOfIssuer(new X509Certificate(forge.pki.certificateToPem(certificate))), true);
});

function children(node: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  assert.ok(Array.isArray(node?.value));
  return node.value;
}
