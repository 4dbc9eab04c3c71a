/** What the files of a route must hold: readable, certificates where certificates belong, keys that fit them. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type CertificateFacts, certificateFacts } from '../certs/certificate-facts.js';
import { opensslReason } from '../certs/pem.js';
import type { RouteCheck } from './check-route.js';
import { readCertificates, readKey, readPassphrase, readText } from './pem-files.js';
import { readSecretFile } from './secret-file.js';
import { needsLegacyTls } from './tls-profiles.js';

export function checkFiles(check: RouteCheck): void {
  const { client, server } = check.route;
  readCertificates(check, 'client-ssl-ca', client.sslCa);
  checkClientPairs(check);
  readCertificates(check, 'server-ssl-ca', server.sslCa);
  checkServerPair(check);
  checkCrl(check);
  checkRsaKey(check);
  checkHealthCheckPassword(check);
}

interface CertificateFile {
  readonly path: string;
  readonly certificate: X509Certificate;
  /** With the intermediate ones behind it. */
  readonly chain: readonly X509Certificate[];
  readonly facts: CertificateFacts;
}

interface KeyFile {
  readonly path: string;
  readonly key: KeyObject;
}

/** Each certificate with its key, and one of a kind: a client gets the one that it can do. */
function checkClientPairs(check: RouteCheck): void {
  const { sslCert = [], sslKey = [], tlsProfile } = check.route.client;
  const certificates = sslCert.flatMap((path) => leafIn(check, 'client-ssl-cert', path));
  const keys = sslKey.flatMap((path) => {
    const key = readKey(check, 'client-ssl-key', path);
    return key === undefined ? [] : [{ path, key }];
  });
  for (const file of certificates) checkOwnCertificate(check, 'client', file, 'serverAuth');
  // A file that can't be read has been reported; what it would have belonged to is not the problem.
  if (certificates.length !== sslCert.length || keys.length !== sslKey.length) return;
  checkBelongTogether(check, certificates, keys);
  const kinds = certificates.map(({ facts }) => facts.keyType);
  const twice = kinds.find((kind, index) => kinds.indexOf(kind) !== index);
  if (twice !== undefined) {
    check.problem('client-ssl-cert', {
      code: 'certificate_kind_twice',
      cause: `two certificates have ${twice} keys, and only one of a kind can be used`,
      cure: 'give one RSA and one ECDSA certificate',
    });
  }
  if (tlsProfile === 'legacy' && certificates.length > 0) checkForYassl(check, certificates);
}

function checkBelongTogether(
  check: RouteCheck,
  certificates: readonly CertificateFile[],
  keys: readonly KeyFile[],
): void {
  const fits = ({ certificate }: CertificateFile, { key }: KeyFile) => certificate.checkPrivateKey(key);
  for (const file of certificates) {
    if (keys.length === 0 || keys.some((key) => fits(file, key))) continue;
    check.problem('client-ssl-key', {
      code: 'key_mismatch',
      cause:
        keys.length === 1
          ? 'does not belong to the certificate in --client-ssl-cert'
          : `none of the keys belongs to the certificate "${file.path}"`,
      cure: 'give the matching one',
    });
  }
  for (const key of keys) {
    if (certificates.length < 2 || certificates.some((file) => fits(file, key))) continue;
    check.problem('client-ssl-key', {
      code: 'key_mismatch',
      cause: `"${key.path}" belongs to none of the certificates in --client-ssl-cert`,
      cure: 'give the matching ones',
    });
  }
  if (certificates.length === 1 && keys.length > 1) {
    check.problem('client-ssl-key', {
      code: 'key_mismatch',
      cause: 'several keys are given, but one certificate',
      cure: 'give the certificate of each key with --client-ssl-cert',
    });
  }
}

/** yaSSL, in MySQL 5.5 and 5.6, knows RSA alone, and ignores seconds when it looks at the validity. */
function checkForYassl({ warn }: RouteCheck, certificates: readonly CertificateFile[]): void {
  const rsa = certificates.find(({ facts }) => facts.keyType === 'RSA');
  if (rsa === undefined) {
    warn('client-ssl-cert', {
      code: 'certificate_not_for_yassl',
      cause: 'the legacy profile is for old clients, and those with yaSSL (MySQL 5.5, 5.6) can do RSA only',
      cure: 'give an RSA certificate too: --client-ssl-cert and --client-ssl-key may be repeated',
    });
  } else if (Date.now() - rsa.facts.validFrom.getTime() < 60_000) {
    warn('client-ssl-cert', {
      code: 'certificate_not_for_yassl',
      cause:
        'the certificate is less than a minute old, and clients with yaSSL (MySQL 5.5, 5.6) refuse it until then',
      cure: 'wait for a minute, or make it with "mysql-tls-proxy certs create", which dates it back by a day',
    });
  }
}

function checkServerPair(check: RouteCheck): void {
  const { sslCert, sslKey, sslKeyPassphraseFile } = check.route.server;
  const [file] = leafIn(check, 'server-ssl-cert', sslCert);
  const passphrase = readPassphrase(check, sslKeyPassphraseFile);
  const key = readKey(check, 'server-ssl-key', sslKey, passphrase);
  if (file === undefined) return;
  checkOwnCertificate(check, 'server', file, 'clientAuth');
  if (key !== undefined && !file.certificate.checkPrivateKey(key)) {
    check.problem('server-ssl-key', {
      code: 'key_mismatch',
      cause: 'does not belong to the certificate in --server-ssl-cert',
      cure: 'give the matching one',
    });
  }
}

function leafIn(check: RouteCheck, option: string, path: string | undefined): CertificateFile[] {
  const chain = readCertificates(check, option, path);
  const [certificate] = chain;
  if (certificate === undefined || path === undefined) return [];
  return [{ path, certificate, chain, facts: certificateFacts(certificate) }];
}

/** What the peer will look at. Warnings only: some peers do not look, and certificates may be renewed while it runs. */
function checkOwnCertificate(
  { warn, problem, route }: RouteCheck,
  leg: 'client' | 'server',
  { path, chain, facts }: CertificateFile,
  usage: 'serverAuth' | 'clientAuth',
): void {
  const { validFrom, validTo, extendedKeyUsage } = facts;
  const option = `${leg}-ssl-cert`;
  const refusal = whyTooWeak(chain, needsLegacyTls(route[leg]));
  if (refusal !== undefined) {
    problem(option, {
      code: 'certificate_unusable',
      cause: `OpenSSL does not use the certificate in "${path}" (${refusal})`,
      cure: `replace it by one with a key of 2048 bit or more, signed with SHA-256, or set --${leg}-tls-profile legacy`,
    });
  }
  if (validTo.getTime() < Date.now()) {
    warn(option, {
      code: 'certificate_expired',
      cause: `the certificate expired on ${validTo.toISOString()}`,
      cure: 'renew it ("mysql-tls-proxy certs renew" does that for certificates of its own CA)',
    });
  }
  if (validFrom.getTime() > Date.now()) {
    warn(option, {
      code: 'certificate_not_yet_valid',
      cause: `the certificate is valid only from ${validFrom.toISOString()}`,
      cure: 'check the clock of this machine, or wait',
    });
  }
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(usage)) {
    const peer = usage === 'clientAuth' ? 'servers refuse it as a client certificate' : 'clients refuse it';
    warn(option, {
      code: 'certificate_usage',
      cause: `the certificate is not for ${usage} (extendedKeyUsage ${extendedKeyUsage.join(', ')}), so ${peer}`,
      cure: `give one made for ${usage === 'clientAuth' ? 'TLS clients' : 'TLS servers'}`,
    });
  }
}

/** At its default security level OpenSSL shows no certificate that is signed with SHA-1 or has a short key. */
function whyTooWeak(chain: readonly X509Certificate[], isLegacy: boolean): string | undefined {
  const cert = chain.join('');
  try {
    createSecureContext({ cert, ...(isLegacy ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}) });
    return undefined;
  } catch (error) {
    return opensslReason(error);
  }
}

function checkCrl(check: RouteCheck): void {
  const path = check.route.server.sslCrl;
  const text = readText(check, 'server-ssl-crl', path);
  if (text === undefined) return;
  try {
    createSecureContext({ crl: text });
  } catch {
    check.problem('server-ssl-crl', {
      code: 'crl_unusable',
      cause: `"${path}" holds no certificate revocation list in PEM form`,
      cure: 'give the list of the CA as PEM (openssl crl -inform DER converts)',
    });
  }
}

/** Each login costs an operation with the private key, whose time grows with the cube of the length. */
const LONGEST_RSA_KEY_BITS = 4096;
/** What MySQL servers make themselves. */
const SHORTEST_RSA_KEY_BITS = 2048;

function checkRsaKey(check: RouteCheck): void {
  const option = 'rsa-private-key';
  const path = check.route.rsaPrivateKey;
  const key = readKey(check, option, path);
  if (key === undefined) return;
  const cure = `make one with: openssl genrsa -out KEY.pem ${SHORTEST_RSA_KEY_BITS}`;
  if (key.asymmetricKeyType !== 'rsa') {
    const cause = `"${path}" is not an RSA key (${key.asymmetricKeyType})`;
    check.problem(option, { code: 'key_unusable', cause, cure });
    return;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < SHORTEST_RSA_KEY_BITS || bits > LONGEST_RSA_KEY_BITS) {
    const range = `${SHORTEST_RSA_KEY_BITS} to ${LONGEST_RSA_KEY_BITS}`;
    const cause = `"${path}" has ${bits} bit, and it must have ${range}`;
    check.problem(option, { code: 'key_unusable', cause, cure });
  }
}

function checkHealthCheckPassword({ route, problem }: RouteCheck): void {
  const option = 'health-check-password-file';
  const path = route.healthCheckPasswordFile;
  if (path === undefined) return;
  // Someone may have given the password itself, which must not end up in a log.
  const reading = readSecretFile(path, 'the file (not named here, in case it is the password itself)');
  if ('fault' in reading) problem(option, reading.fault);
  else if (/^\r?\n?$/.test(reading.bytes.toString('latin1'))) {
    problem(option, `"${path}" is empty; write the password into its first line`);
  }
}
