/** Which error of the table each of OpenSSL's and Node's codes becomes, on either leg. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/errors.js';
import {
  clientCertificateFailure,
  isTlsError,
  serverCertificateFailure,
  serverNameMismatch,
  tlsFailure,
} from '../../../src/tls/failures.js';

const withCode = (code: string) => Object.assign(new Error('as Node words it'), { code });

test('handshake failures on the client leg are one error with different words', () => {
  const cases: [string, RegExp][] = [
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /does not accept the certificate of the proxy/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /does not accept the certificate of the proxy/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', /does not accept the certificate of the proxy/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', /no TLS version in common/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /no TLS version in common/],
    ['ERR_SSL_NO_SHARED_CIPHER', /no cipher in common/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /went on with something else/],
    ['ERR_SSL_HTTP_REQUEST', /went on with something else/],
    ['ERR_SSL_SOMETHING_NEW', /did not agree/],
  ];
  for (const [code, expected] of cases) {
    const cause = withCode(code);
    const error = tlsFailure('client', 'the client', cause);
    assert.equal(error.code, 'client_tls_failed', code);
    assert.match(error.what, expected, code);
    assert.match(error.what, new RegExp(code), 'the code itself is for those who search for it');
    assert.equal(error.cause, cause);
  }
});

test('handshake failures on the server leg: what the server refused is told from what did not fit', () => {
  const cases: [string, ErrorCode, RegExp][] = [
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'server_refused_tls',
      /did not accept the client certificate of the proxy/,
    ],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'server_refused_tls',
      /did not accept the client certificate/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'server_refused_tls',
      /did not accept the client certificate/,
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
      'server_refused_tls',
      /did not accept the client certificate/,
    ],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', 'server_refused_tls', /did not accept the client certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'server_refused_tls', /broke the TLS handshake off in plaintext/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'server_tls_failed', /no TLS version in common/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'server_tls_failed', /no cipher in common/],
    ['ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED', 'server_tls_failed', /TLSv1 in --server-tls-version/],
    ['ERR_SSL_DH_KEY_TOO_SMALL', 'server_tls_failed', /leave DHE out of --server-ssl-cipher/],
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
    UNABLE_TO_GET_ISSUER_CERT: 'server_certificate_untrusted',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'server_certificate_untrusted',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'server_certificate_untrusted',
    CERT_SIGNATURE_FAILURE: 'server_certificate_untrusted',
    CERT_UNTRUSTED: 'server_certificate_untrusted',
    INVALID_PURPOSE: 'server_certificate_invalid',
    constructor: 'server_certificate_invalid',
  } as const;
  for (const [result, code] of Object.entries<ErrorCode>(cases)) {
    const error = serverCertificateFailure(result, 'db:3306');
    assert.equal(error.code, code, result);
    assert.match(error.what, new RegExp(`^the certificate of db:3306 .*\\(${result}\\)$`));
  }
});

test('a name mismatch shows the names and the one that was looked for, a long list only in part', () => {
  const error = serverNameMismatch('DNS:db.example', '192.0.2.1', '192.0.2.1:3306');
  assert.equal(error.code, 'server_certificate_name_mismatch');
  assert.match(error.what, /DNS:db\.example.*192\.0\.2\.1/);
  const many = Array.from({ length: 1000 }, (_, index) => `DNS:db${index}.example`).join(', ');
  assert.ok(
    serverNameMismatch(many, 'db.example', 'db.example:3306').what.length < 511,
    'fits in an ERR packet',
  );
});

test('a client without a certificate is told from one with a bad one', () => {
  assert.match(clientCertificateFailure(undefined).message, /presented no certificate/);
  assert.match(clientCertificateFailure('CERT_HAS_EXPIRED').message, /not accepted \(CERT_HAS_EXPIRED\)/);
});
