/** Says in words what a failed TLS handshake or certificate check means, and which error of the table it is. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { certificateFacts, hasNameOfItsCa } from '../certs/certificate-facts.js';
import { type ErrorCode, type Leg, ProxyError } from '../errors.js';

/** OpenSSL's verification results, as Node names them in `authorizationError`. */
const VERIFICATION_FAILURES: ReadonlyMap<string, { code: ErrorCode; what: string }> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', { code: 'server_certificate_self_signed', what: 'is self-signed' }],
  ['CERT_HAS_EXPIRED', { code: 'server_certificate_expired', what: 'has expired' }],
  ['CERT_NOT_YET_VALID', { code: 'server_certificate_not_yet_valid', what: 'is not valid yet' }],
  ['CERT_REVOKED', { code: 'server_certificate_revoked', what: 'is revoked' }],
  [
    'UNABLE_TO_GET_CRL',
    { code: 'server_certificate_crl_unusable', what: 'is of a CA that has no list in --server-ssl-crl' },
  ],
  [
    'CRL_HAS_EXPIRED',
    { code: 'server_certificate_crl_unusable', what: 'can not be checked: the revocation list has expired' },
  ],
  [
    'CRL_NOT_YET_VALID',
    {
      code: 'server_certificate_crl_unusable',
      what: 'can not be checked: the revocation list is not valid yet',
    },
  ],
  [
    'CRL_SIGNATURE_FAILURE',
    {
      code: 'server_certificate_crl_unusable',
      what: 'can not be checked: the signature of the revocation list is wrong',
    },
  ],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    { code: 'server_certificate_untrusted', what: 'is signed by a CA that the proxy does not trust' },
  ],
  [
    'UNABLE_TO_GET_ISSUER_CERT',
    {
      code: 'server_certificate_chain_incomplete',
      what: 'is signed by an intermediate CA, and the CA above that is not known',
    },
  ],
  [
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    { code: 'server_certificate_untrusted', what: 'is signed by a CA that the proxy does not know' },
  ],
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    { code: 'server_certificate_untrusted', what: 'is signed by a CA that the proxy does not know' },
  ],
  [
    'CERT_SIGNATURE_FAILURE',
    { code: 'server_certificate_untrusted', what: 'is signed by another CA of the same name' },
  ],
  [
    'CERT_UNTRUSTED',
    { code: 'server_certificate_untrusted', what: 'is signed by a CA that the proxy does not trust' },
  ],
]);

/** What the words for a certificate depend on, besides OpenSSL's verdict. */
export interface CertificateInDoubt {
  /** Undefined where the server showed none. */
  readonly certificate: X509Certificate | undefined;
  /** Whether a CA was given to verify with; without one, those of Node.js know no server of one's own. */
  readonly caGiven: boolean;
}

/** `verificationError`: OpenSSL's name of the result, `CERT_HAS_EXPIRED` for example. */
export function serverCertificateFailure(
  verificationError: string,
  server: string,
  { certificate, caGiven }: CertificateInDoubt,
): ProxyError {
  const failure = VERIFICATION_FAILURES.get(verificationError) ?? {
    code: 'server_certificate_invalid',
    what: 'is not acceptable',
  };
  const { code, what } = closerLook(failure, { certificate, caGiven });
  return new ProxyError(code, `the certificate of ${server} ${what} (${verificationError})`);
}

function closerLook(
  failure: { code: ErrorCode; what: string },
  { certificate, caGiven }: CertificateInDoubt,
): { code: ErrorCode; what: string } {
  const { code } = failure;
  if (code !== 'server_certificate_self_signed' && code !== 'server_certificate_untrusted') return failure;
  if (certificate !== undefined && hasNameOfItsCa(certificateFacts(certificate))) {
    return {
      code: 'server_certificate_same_name_as_ca',
      what: 'has the same subject as the CA that signed it, so that it passes for self-signed',
    };
  }
  if (code === 'server_certificate_untrusted' && !caGiven) {
    return {
      code: 'server_ca_not_given',
      what: 'is signed by a CA that Node.js does not know, and no CA is given',
    };
  }
  return failure;
}

/**
 * `names`: the alternative ones, `DNS:db.example, IP Address:192.0.2.1`, empty where there are none; `commonName`: counts
 * only without those, and never for an address; `host`: the one connected to.
 */
export function serverNameMismatch(
  { names, commonName }: { readonly names: string; readonly commonName: string },
  host: string,
  server: string,
): ProxyError {
  const shown = cut(names === '' ? `CN=${commonName}` : names);
  const isAddress = isIP(host) !== 0;
  if (commonName === host) {
    return new ProxyError(
      'server_certificate_name_only_in_cn',
      `the certificate of ${server} has ${host} as common name only, which does not count${names === '' ? '' : ` beside ${shown}`}`,
    );
  }
  if (isAddress && !names.includes('IP Address:')) {
    return new ProxyError(
      'server_certificate_no_ip_address',
      `the certificate of ${server} is for names, ${shown}, and for no address, but ${host} is one`,
    );
  }
  return new ProxyError(
    'server_certificate_name_mismatch',
    `the certificate of ${server} is for another name: ${shown}, not ${host}`,
  );
}

function cut(names: string): string {
  return names.length > MAX_NAMES_SHOWN ? `${names.slice(0, MAX_NAMES_SHOWN)}…` : names;
}

/** Characters; clients keep 511 bytes of an error's whole text. */
const MAX_NAMES_SHOWN = 150;

/** `verificationError` undefined: the client presented no certificate. */
export function clientCertificateFailure(verificationError: string | undefined): ProxyError {
  return new ProxyError(
    'client_certificate_rejected',
    verificationError === undefined
      ? 'the client presented no certificate'
      : `the certificate of the client was not accepted (${verificationError})`,
  );
}

/** An alert is the other side's verdict; OpenSSL names it in the code: ERR_SSL_TLSV1_ALERT_UNKNOWN_CA. */
const ALERTS_ABOUT_OUR_CERTIFICATE =
  /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(EXPIRED|REVOKED|UNKNOWN|REQUIRED)|ACCESS_DENIED)/;

/** Those of them that say more than no. */
const KEY_PAIR_ALERTS: readonly [alert: RegExp, code: ErrorCode, what: string][] = [
  [
    /UNKNOWN_CA/,
    'server_refused_key_pair_ca',
    'does not trust the CA of the client certificate of the proxy',
  ],
  [
    /UNSUPPORTED_CERTIFICATE/,
    'server_refused_key_pair_usage',
    'does not take the certificate of the proxy as one of a client',
  ],
  [
    /CERTIFICATE_EXPIRED/,
    'server_refused_key_pair_expired',
    'finds the client certificate of the proxy expired, or not valid yet',
  ],
  [
    /CERTIFICATE_REVOKED/,
    'server_refused_key_pair_revoked',
    'finds the client certificate of the proxy revoked',
  ],
  [/CERTIFICATE_REQUIRED/, 'server_requires_key_pair', 'demands a client certificate of everyone'],
];

const NO_COMMON_VERSION =
  /UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION|VERSION_TOO_LOW|WRONG_SSL_VERSION|NO_PROTOCOLS_AVAILABLE/;
const NO_COMMON_CIPHER =
  /NO_SHARED_CIPHER|ALERT_HANDSHAKE_FAILURE|NO_CIPHERS_AVAILABLE|ALERT_INSUFFICIENT_SECURITY/;
const ANSWERED_IN_PLAINTEXT =
  /WRONG_VERSION_NUMBER|HTTP_REQUEST|UNEXPECTED_MESSAGE|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE/;

/** Whether the peer answered a TLS handshake with something else, as the failure that was made of it says. */
export function isAnswerInPlaintext(failure: unknown): boolean {
  const cause = failure instanceof ProxyError ? failure.cause : undefined;
  return cause instanceof Error && 'code' in cause && ANSWERED_IN_PLAINTEXT.test(String(cause.code));
}

/** Whether an error of a socket is OpenSSL's, and so belongs to TLS rather than to the network. */
export function isTlsError(error: Error): boolean {
  const code = errorCode(error);
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO';
}

/** The failure of a handshake, or an alert that came in the place of the first packet, on the named leg. */
export function tlsFailure(leg: Exclude<Leg, 'none'>, peer: string, error: Error): ProxyError {
  const code = errorCode(error) || error.message;
  const cause = { cause: error };
  if (leg === 'client') {
    const [clientCode, reason] = clientReason(code);
    return new ProxyError(clientCode, `the TLS handshake failed: ${reason} (${code})`, cause);
  }
  if (ALERTS_ABOUT_OUR_CERTIFICATE.test(code)) {
    const [, keyPairCode, what] = KEY_PAIR_ALERTS.find(([alert]) => alert.test(code)) ?? [
      undefined,
      'server_refused_key_pair' as const,
      'did not accept the client certificate of the proxy',
    ];
    return new ProxyError(keyPairCode, `${peer} ${what} (${code})`, cause);
  }
  if (ANSWERED_IN_PLAINTEXT.test(code)) {
    return new ProxyError(
      'server_refused_tls',
      `${peer} broke the TLS handshake off in plaintext (${code})`,
      cause,
    );
  }
  const [serverCode, reason] = serverReason(code);
  return new ProxyError(serverCode, `the TLS handshake with ${peer} failed: ${reason} (${code})`, cause);
}

function clientReason(code: string): [code: ErrorCode, reason: string] {
  if (ALERTS_ABOUT_OUR_CERTIFICATE.test(code)) {
    const why = /CERTIFICATE_EXPIRED/.test(code) ? ', because it has expired by the clock of the client' : '';
    return ['client_refused_certificate', `the client does not accept the certificate of the proxy${why}`];
  }
  if (NO_COMMON_VERSION.test(code)) return ['client_tls_version_mismatch', 'no TLS version in common'];
  if (NO_COMMON_CIPHER.test(code)) return ['client_tls_cipher_mismatch', 'no cipher in common'];
  if (ANSWERED_IN_PLAINTEXT.test(code)) {
    return [
      'client_tls_failed',
      'the client went on with something else, or with a TLS version that is not allowed',
    ];
  }
  return ['client_tls_failed', 'the client and the proxy did not agree'];
}

function serverReason(code: string): [code: ErrorCode, reason: string] {
  if (NO_COMMON_VERSION.test(code)) return ['server_tls_version_mismatch', 'no TLS version in common'];
  if (NO_COMMON_CIPHER.test(code))
    return ['server_tls_cipher_mismatch', 'no cipher in common, or a client certificate is missing'];
  if (code === 'ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED')
    return ['server_tls_no_secure_renegotiation', 'the server has no secure renegotiation (RFC 5746)'];
  if (code === 'ERR_SSL_DH_KEY_TOO_SMALL')
    return ['server_tls_dh_key_too_small', 'its Diffie-Hellman group is too small'];
  return ['server_tls_failed', 'the server and the proxy did not agree'];
}

function errorCode(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : '';
}
