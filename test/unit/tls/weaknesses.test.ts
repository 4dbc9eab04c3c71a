import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import tls from 'node:tls';
import type { TlsWeakness } from '../../../src/observe/weak-tls.js';
import { weaknessesNegotiated, weaknessesOfChain } from '../../../src/tls/weaknesses.js';
import { type CertificateRequest, issueCertificate } from '../../support/certificates.js';

const negotiated: readonly [version: string, cipher: string, weaknesses: readonly TlsWeakness[]][] = [
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256', []],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256', []],
  ['TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256', []],
  ['TLSv1.2', 'DHE-RSA-AES256-GCM-SHA384', []],
  ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305', []],
  ['TLSv1.2', 'ECDHE-ECDSA-AES128-CCM8', []],
  ['TLSv1.2', 'ECDHE-RSA-AES256-SHA384', ['cbc']],
  ['TLSv1.2', 'DHE-RSA-AES256-SHA', ['cbc']],
  ['TLSv1.2', 'AES128-GCM-SHA256', ['rsa_key_exchange', 'no_forward_secrecy']],
  ['TLSv1.2', 'AES256-SHA256', ['rsa_key_exchange', 'no_forward_secrecy', 'cbc']],
  ['TLSv1.2', 'PSK-AES128-CBC-SHA', ['no_forward_secrecy', 'cbc']],
  ['TLSv1.2', 'RSA-PSK-AES128-GCM-SHA256', ['rsa_key_exchange', 'no_forward_secrecy']],
  ['TLSv1.2', 'ECDHE-RSA-NULL-SHA', ['no_encryption']],
  ['TLSv1.1', 'ECDHE-RSA-AES256-SHA', ['old_version', 'cbc']],
  ['TLSv1', 'AES256-SHA', ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc']],
  ['TLSv1', 'CAMELLIA128-SHA', ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc']],
  ['unknown', 'ECDHE-RSA-AES128-GCM-SHA256', ['old_version']],
];

for (const [version, cipher, weaknesses] of negotiated) {
  test(`${version} ${cipher}: ${weaknesses.join(', ') || 'nothing weak'}`, () => {
    assert.deepEqual(weaknessesNegotiated(version, cipher), weaknesses);
  });
}

test('every cipher of this Node.js is weak or has forward secrecy and authenticated encryption', () => {
  for (const name of tls.getCiphers().map((cipher) => cipher.toUpperCase())) {
    const good = name.startsWith('TLS_') || /^(EC)?DHE-.*(GCM|CCM|POLY1305)/.test(name);
    const version = name.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
    assert.equal(weaknessesNegotiated(version, name).length === 0, good, name);
  }
});

const ca = issueCertificate({ commonName: 'CA', purpose: 'ca' });
const leaf = (request: Partial<CertificateRequest>) =>
  issueCertificate({ commonName: 'leaf', purpose: 'server', issuer: ca, ...request });
const weaknessesOf = (...chain: readonly { certificate: string }[]) =>
  weaknessesOfChain(chain.map(({ certificate }) => new X509Certificate(certificate)));

test('certificates: signatures of SHA-1 and short keys, anywhere in the chain but in what signs itself', () => {
  assert.deepEqual(weaknessesOf(leaf({})), []);
  assert.deepEqual(weaknessesOf(leaf({ keyType: 'ec' })), []);
  assert.deepEqual(weaknessesOf(leaf({ hash: 'sha1' })), ['sha1_signature']);
  assert.deepEqual(weaknessesOf(leaf({ keyBits: 1024, hash: 'sha1' })), ['sha1_signature', 'short_key']);
  const intermediate = issueCertificate({ commonName: 'middle', purpose: 'ca', issuer: ca, hash: 'sha1' });
  assert.deepEqual(weaknessesOf(leaf({ issuer: intermediate }), intermediate, ca), ['sha1_signature']);
  const oldRoot = issueCertificate({ commonName: 'root', purpose: 'ca', hash: 'sha1', keyBits: 1024 });
  assert.deepEqual(weaknessesOf(leaf({ issuer: oldRoot }), oldRoot), ['short_key']);
  assert.deepEqual(weaknessesOf(), []);
});
