/** What the files of a route must hold: readable, certificates where certificates belong, keys that fit them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type CertificateFacts, certificateFacts, pemCertificates } from '../certs/certificate-facts.js';
import type { RouteCheck } from './check-route.js';
import { options } from './option-table.js';

export function checkFiles(check: RouteCheck): void {
  const { client, server } = check.route;
  readCertificates(check, 'client-ssl-ca', client.sslCa);
  checkClientPairs(check);
  readCertificates(check, 'server-ssl-ca', server.sslCa);
  checkServerPair(check);
  checkCrl(check);
  checkRsaKey(check);
}

interface CertificateFile {
  readonly path: string;
  readonly certificate: X509Certificate;
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
  for (const file of certificates) checkOwnCertificate(check, 'client-ssl-cert', file.facts, 'serverAuth');
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
  checkOwnCertificate(check, 'server-ssl-cert', file.facts, 'clientAuth');
  if (key !== undefined && !file.certificate.checkPrivateKey(key)) {
    check.problem('server-ssl-key', {
      code: 'key_mismatch',
      cause: 'does not belong to the certificate in --server-ssl-cert',
      cure: 'give the matching one',
    });
  }
}

/** The text of the file; undefined when it was not given, or can't be read, which is then reported. */
function readText(
  { problem, warn }: RouteCheck,
  option: string,
  path: string | undefined,
): string | undefined {
  if (path === undefined) return undefined;
  const secret = options.some((row) => row.name === option && row.secret);
  // Someone may have given the passphrase itself, which must not end up in a log.
  const mayBeSecretItself = option.endsWith('-passphrase-file');
  const shown = mayBeSecretItself
    ? 'the file (not named here, in case it is the passphrase itself)'
    : `"${path}"`;
  const unreadable = (cause: string, cure: string) =>
    problem(option, { code: 'file_unreadable', cause: `${shown} ${cause}`, cure });
  try {
    const status = statSync(path);
    if (!status.isFile()) {
      unreadable('is not a regular file', 'name a file');
      return undefined;
    }
    const text = readFileSync(path, 'utf8');
    if (secret && (status.mode & 0o044) !== 0) {
      warn(option, {
        code: 'key_readable_by_others',
        cause: `"${path}" can be read by other users of this machine`,
        cure: 'chmod 600 would prevent that',
      });
    }
    return text;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      problem(option, { code: 'file_missing', cause: `${shown} does not exist`, cure: 'correct the path' });
    else if (code === 'EACCES')
      unreadable("can't be read by the user that runs the proxy", 'change its owner or mode');
    else
      unreadable(
        `can't be read${typeof code === 'string' ? ` (${code})` : ''}`,
        'look at the file and its disk',
      );
    return undefined;
  }
}

function leafIn(check: RouteCheck, option: string, path: string | undefined): CertificateFile[] {
  const [certificate] = readCertificates(check, option, path);
  if (certificate === undefined || path === undefined) return [];
  return [{ path, certificate, facts: certificateFacts(certificate) }];
}

function readCertificates(check: RouteCheck, option: string, path: string | undefined): X509Certificate[] {
  const text = readText(check, option, path);
  if (text === undefined) return [];
  const blocks = pemCertificates(text);
  const unusable = (cause: string, cure: string) => {
    check.problem(option, { code: 'certificate_unusable', cause, cure });
    return [];
  };
  if (blocks.length === 0) {
    const swapped = /PRIVATE KEY-----/.test(text);
    return unusable(
      `"${path}" holds no certificate in PEM form${swapped ? ' but a private key' : ''}`,
      swapped ? 'are certificate and key swapped?' : 'give a PEM file (openssl x509 -inform DER converts)',
    );
  }
  const certificates: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.push(new X509Certificate(block));
    } catch (error) {
      return unusable(
        `certificate ${index + 1} in "${path}" is unusable: ${reason(error)}`,
        'get the file anew',
      );
    }
  }
  return certificates;
}

function readPassphrase(check: RouteCheck, path: string | undefined): string | undefined {
  const passphrase = readText(check, 'server-ssl-key-passphrase-file', path)?.replace(/\r?\n$/, '');
  if (passphrase !== '') return passphrase;
  check.problem('server-ssl-key-passphrase-file', {
    code: 'key_passphrase_wrong',
    cause: `"${path}" is empty`,
    cure: 'write the passphrase into its first line',
  });
  return undefined;
}

function readKey(
  check: RouteCheck,
  option: string,
  path: string | undefined,
  passphrase?: string,
): KeyObject | undefined {
  const text = readText(check, option, path);
  if (text === undefined) return undefined;
  const encrypted = /BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text);
  const problem = (
    code: 'key_unusable' | 'key_encrypted' | 'key_passphrase_wrong',
    cause: string,
    cure: string,
  ) => {
    check.problem(option, { code, cause: `"${path}" ${cause}`, cure });
    return undefined;
  };
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    const [cause, cure] = whatInstead(text);
    return problem('key_unusable', `holds no private key in PEM form${cause}`, cure);
  }
  if (encrypted && option !== 'server-ssl-key') {
    return problem(
      'key_encrypted',
      'is encrypted',
      'decrypt it with: openssl pkey -in ENCRYPTED -out DECRYPTED',
    );
  }
  if (encrypted && passphrase === undefined) {
    // Where the passphrase file was given but is unusable, that has been said.
    if (check.given('server-ssl-key-passphrase-file')) return undefined;
    return problem(
      'key_encrypted',
      'is encrypted',
      'give its passphrase with --server-ssl-key-passphrase-file',
    );
  }
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, passphrase });
  } catch (error) {
    if (!encrypted)
      return problem('key_unusable', `is not a usable private key: ${reason(error)}`, 'get it anew');
    return problem(
      'key_passphrase_wrong',
      "can't be decrypted with the passphrase in --server-ssl-key-passphrase-file",
      'correct that file',
    );
  }
}

function whatInstead(text: string): [cause: string, cure: string] {
  if (text.includes('BEGIN CERTIFICATE')) return [' but a certificate', 'are certificate and key swapped?'];
  if (text.includes('PUBLIC KEY-----'))
    return [' but a public key', 'give the private key that belongs to it'];
  return ['', 'give a PEM file'];
}

/** What the peer will look at. Warnings only: some peers do not look, and certificates may be renewed while it runs. */
function checkOwnCertificate(
  { warn }: RouteCheck,
  option: string,
  { validFrom, validTo, extendedKeyUsage }: CertificateFacts,
  usage: 'serverAuth' | 'clientAuth',
): void {
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

/** OpenSSL's words without its numbers; they never quote the file. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^error:[0-9A-F]+:/, '');
}
