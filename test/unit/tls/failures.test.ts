/** Which error of the table each of OpenSSL's and Node's codes becomes, on either leg. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/errors.js';
import {
  clientCertificateFailure,
  isTlsError,
  serverCertificateFailure,
  serverNameMismatch,
  tlsFailure,
} from '../../../src/tls/failures.js';
import { issueCertificate } from '../../support/certificates.js';

const withCode = (code: string) => Object.assign(new Error('as Node words it'), { code });

test('handshake failures on the client leg: what does not fit is told from what the client refused', () => {
  const cases: [string, ErrorCode, RegExp][] = [
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'client_refused_certificate',
      /does not accept the certificate of the proxy/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
      'client_refused_certificate',
      /does not accept the certificate of the proxy/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
      'client_refused_certificate',
      /does not accept the certificate of the proxy/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'client_refused_certificate',
      /the certificate of the proxy, because it has expired by the clock of the client/,
    ],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'client_tls_version_mismatch', /no TLS version in common/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'client_tls_version_mismatch', /no TLS version in common/],
    ['ERR_SSL_NO_SHARED_CIPHER', 'client_tls_cipher_mismatch', /no cipher in common/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'client_tls_failed', /went on with something else/],
    ['ERR_SSL_HTTP_REQUEST', 'client_tls_failed', /went on with something else/],
    ['ERR_SSL_SOMETHING_NEW', 'client_tls_failed', /did not agree/],
  ];
  for (const [code, expectedCode, expected] of cases) {
    const cause = withCode(code);
    const error = tlsFailure('client', 'the client', cause);
    assert.equal(error.code, expectedCode, code);
    assert.match(error.what, expected, code);
    assert.match(error.what, new RegExp(code), 'the code itself is for those who search for it');
    assert.equal(error.cause, cause);
  }
});

test('handshake failures on the server leg: what the server refused is told from what did not fit', () => {
  const cases: [string, ErrorCode, RegExp][] = [
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'server_refused_key_pair_ca',
      /does not trust the CA of the client certificate/,
    ],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'server_requires_key_pair', /demands a client certificate/],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'server_refused_key_pair_expired',
      /finds the client certificate of the proxy expired/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
      'server_refused_key_pair_revoked',
      /finds the client certificate of the proxy revoked/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
      'server_refused_key_pair_usage',
      /does not take the certificate of the proxy as one of a client/,
    ],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', 'server_refused_key_pair', /did not accept the client certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'server_refused_tls', /broke the TLS handshake off in plaintext/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'server_tls_version_mismatch', /no TLS version in common/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'server_tls_cipher_mismatch', /no cipher in common/],
    ['ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED', 'server_tls_no_secure_renegotiation', /RFC 5746/],
    ['ERR_SSL_DH_KEY_TOO_SMALL', 'server_tls_dh_key_too_small', /group is too small/],
    ['ERR_SSL_SOMETHING_NEW', 'server_tls_failed', /did not agree/],
  ];
  for (const [code, expectedCode, expected] of cases) {
    const error = tlsFailure('server', 'db:3306', withCode(code));
    assert.equal(error.code, expectedCode, code);
    assert.match(error.what, expected, code);
    assert.match(error.what, /db:3306/);
    assert.match(error.what, new RegExp(code));
  }
});

test('an error without a code is shown by its message', () => {
  assert.match(tlsFailure('server', 'db:3306', new Error('no code here')).what, /no code here/);
});

test('errors of TLS are told from those of the network', () => {
  for (const code of ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS_CERT_ALTNAME_INVALID', 'EPROTO']) {
    assert.equal(isTlsError(withCode(code)), true, code);
  }
  for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_DESTROYED']) {
    assert.equal(isTlsError(withCode(code)), false, code);
  }
  assert.equal(isTlsError(new Error('ERR_SSL_ in the text only')), false);
});

test('every verification result has its own error, an unknown one too', () => {
  const cases = {
    DEPTH_ZERO_SELF_SIGNED_CERT: 'server_certificate_self_signed',
    CERT_HAS_EXPIRED: 'server_certificate_expired',
    CERT_NOT_YET_VALID: 'server_certificate_not_yet_valid',
    CERT_REVOKED: 'server_certificate_revoked',
    UNABLE_TO_GET_CRL: 'server_certificate_crl_unusable',
    CRL_HAS_EXPIRED: 'server_certificate_crl_unusable',
    CRL_NOT_YET_VALID: 'server_certificate_crl_unusable',
    CRL_SIGNATURE_FAILURE: 'server_certificate_crl_unusable',
    SELF_SIGNED_CERT_IN_CHAIN: 'server_certificate_untrusted',
    UNABLE_TO_GET_ISSUER_CERT: 'server_certificate_chain_incomplete',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'server_certificate_untrusted',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'server_certificate_untrusted',
    CERT_SIGNATURE_FAILURE: 'server_certificate_untrusted',
    CERT_UNTRUSTED: 'server_certificate_untrusted',
    INVALID_PURPOSE: 'server_certificate_invalid',
    constructor: 'server_certificate_invalid',
  } as const;
  for (const [result, code] of Object.entries<ErrorCode>(cases)) {
    const error = serverCertificateFailure(result, 'db:3306', { certificate: undefined, caGiven: true });
    assert.equal(error.code, code, result);
    assert.match(error.what, new RegExp(`^the certificate of db:3306 .*\\(${result}\\)$`));
  }
});

test('a wrong CA is told from none, and a self-signed certificate from one with the name of its CA', () => {
  const ca = issueCertificate({ commonName: 'same', purpose: 'ca' });
  const sameName = issueCertificate({ commonName: 'same', purpose: 'server', issuer: ca });
  const inDoubt = (identity: { certificate: string }, caGiven: boolean) => ({
    certificate: new X509Certificate(identity.certificate),
    caGiven,
  });
  const codeOf = (result: string, doubt: ReturnType<typeof inDoubt>) =>
    serverCertificateFailure(result, 'db:3306', doubt).code;
  const other = issueCertificate({ commonName: 'other', purpose: 'server', issuer: ca });
  assert.equal(
    codeOf('UNABLE_TO_VERIFY_LEAF_SIGNATURE', inDoubt(other, true)),
    'server_certificate_untrusted',
  );
  assert.equal(codeOf('UNABLE_TO_VERIFY_LEAF_SIGNATURE', inDoubt(other, false)), 'server_ca_not_given');
  assert.equal(codeOf('CERT_HAS_EXPIRED', inDoubt(other, false)), 'server_certificate_expired');
  assert.equal(codeOf('DEPTH_ZERO_SELF_SIGNED_CERT', inDoubt(ca, false)), 'server_certificate_self_signed');
  const expected = 'server_certificate_same_name_as_ca';
  assert.equal(codeOf('DEPTH_ZERO_SELF_SIGNED_CERT', inDoubt(sameName, true)), expected);
  assert.equal(codeOf('CERT_SIGNATURE_FAILURE', inDoubt(sameName, true)), expected);
});

test('a name mismatch shows the names and the one that was looked for, a long list only in part', () => {
  const mismatch = (names: string, host: string, commonName = 'someone') =>
    serverNameMismatch({ names, commonName }, host, `${host}:3306`);
  const error = mismatch('DNS:db.example', 'other.example');
  assert.equal(error.code, 'server_certificate_name_mismatch');
  assert.match(error.what, /DNS:db\.example.*not other\.example/);
  assert.match(mismatch('', 'other.example').what, /CN=someone/);
  const many = Array.from({ length: 1000 }, (_, index) => `DNS:db${index}.example`).join(', ');
  assert.ok(mismatch(many, 'db.example').message.length < 511, 'fits in an ERR packet');
});

test('an address that the certificate lacks, and a name that it has as common name alone, have codes of their own', () => {
  const codeOf = (names: string, host: string, commonName: string) =>
    serverNameMismatch({ names, commonName }, host, `${host}:3306`).code;
  assert.equal(codeOf('DNS:db.example', '192.0.2.1', 'db'), 'server_certificate_no_ip_address');
  assert.equal(codeOf('DNS:db.example', '2001:db8::1', 'db'), 'server_certificate_no_ip_address');
  assert.equal(codeOf('', '192.0.2.1', 'db'), 'server_certificate_no_ip_address');
  assert.equal(codeOf('IP Address:192.0.2.9', '192.0.2.1', 'db'), 'server_certificate_name_mismatch');
  assert.equal(codeOf('', '192.0.2.1', '192.0.2.1'), 'server_certificate_name_only_in_cn');
  assert.equal(codeOf('DNS:other', 'db.example', 'db.example'), 'server_certificate_name_only_in_cn');
});

test('a client without a certificate is told from one with a bad one', () => {
  assert.match(clientCertificateFailure(undefined).message, /presented no certificate/);
  assert.match(clientCertificateFailure('CERT_HAS_EXPIRED').message, /not accepted \(CERT_HAS_EXPIRED\)/);
});
