/** What the files of a route must hold: readable, certificates where certificates belong, keys that fit them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { RouteCheck } from './check-route.js';
import { options } from './option-table.js';

const legs = ['client', 'server'] as const;

export function checkFiles(check: RouteCheck): void {
  for (const leg of legs) {
    const { sslCa, sslCert, sslKey } = check.route[leg];
    readCertificates(check, `${leg}-ssl-ca`, sslCa);
    const certificates = readCertificates(check, `${leg}-ssl-cert`, sslCert);
    const passphraseFile = leg === 'server' ? check.route.server.sslKeyPassphraseFile : undefined;
    const passphrase = readPassphrase(check, passphraseFile);
    const key = readKey(check, `${leg}-ssl-key`, sslKey, passphrase);
    const [certificate] = certificates;
    if (certificate === undefined) continue;
    checkValidity(check, `${leg}-ssl-cert`, certificate);
    if (key !== undefined && !certificate.checkPrivateKey(key)) {
      check.problem(
        `${leg}-ssl-key`,
        `does not belong to the certificate in --${leg}-ssl-cert; give the matching one`,
      );
    }
  }
  checkCrl(check);
  checkRsaKey(check);
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
  try {
    const status = statSync(path);
    if (!status.isFile()) {
      problem(option, `${shown} is not a regular file`);
      return undefined;
    }
    const text = readFileSync(path, 'utf8');
    if (secret && (status.mode & 0o044) !== 0) {
      warn(option, `"${path}" can be read by other users of this machine; chmod 600 would prevent that`);
    }
    return text;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') problem(option, `${shown} does not exist`);
    else if (code === 'EACCES') problem(option, `${shown} can't be read by the user that runs the proxy`);
    else problem(option, `${shown} can't be read${typeof code === 'string' ? ` (${code})` : ''}`);
    return undefined;
  }
}

function readCertificates(check: RouteCheck, option: string, path: string | undefined): X509Certificate[] {
  const text = readText(check, option, path);
  if (text === undefined) return [];
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    const swapped = /PRIVATE KEY-----/.test(text)
      ? 'but a private key; are certificate and key swapped?'
      : '';
    check.problem(option, `"${path}" holds no certificate in PEM form ${swapped}`.trimEnd());
    return [];
  }
  const certificates: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.push(new X509Certificate(block));
    } catch (error) {
      check.problem(option, `certificate ${index + 1} in "${path}" is unusable: ${reason(error)}`);
      return [];
    }
  }
  return certificates;
}

function readPassphrase(check: RouteCheck, path: string | undefined): string | undefined {
  const passphrase = readText(check, 'server-ssl-key-passphrase-file', path)?.replace(/\r?\n$/, '');
  if (passphrase === '') check.problem('server-ssl-key-passphrase-file', `"${path}" is empty`);
  return passphrase === '' ? undefined : passphrase;
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
  const problem = (message: string) => {
    check.problem(option, message);
    return undefined;
  };
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return problem(`"${path}" holds no private key in PEM form ${whatInstead(text)}`.trimEnd());
  }
  if (encrypted && option !== 'server-ssl-key') {
    return problem(`"${path}" is encrypted; decrypt it with: openssl pkey -in ENCRYPTED -out DECRYPTED`);
  }
  if (encrypted && passphrase === undefined) {
    // Where the passphrase file was given but is unusable, that has been said.
    if (check.given('server-ssl-key-passphrase-file')) return undefined;
    return problem(`"${path}" is encrypted; give its passphrase with --server-ssl-key-passphrase-file`);
  }
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, passphrase });
  } catch (error) {
    if (!encrypted) return problem(`"${path}" is not a usable private key: ${reason(error)}`);
    return problem(`"${path}" can't be decrypted with the passphrase in --server-ssl-key-passphrase-file`);
  }
}

function whatInstead(text: string): string {
  if (text.includes('BEGIN CERTIFICATE')) return 'but a certificate; are certificate and key swapped?';
  return text.includes('PUBLIC KEY-----') ? 'but a public key; give the private key that belongs to it' : '';
}

function checkValidity({ warn }: RouteCheck, option: string, certificate: X509Certificate): void {
  const now = Date.now();
  if (Date.parse(certificate.validTo) < now)
    warn(option, `the certificate expired on ${certificate.validTo}`);
  if (Date.parse(certificate.validFrom) > now)
    warn(option, `the certificate is valid only from ${certificate.validFrom}`);
}

function checkCrl(check: RouteCheck): void {
  const path = check.route.server.sslCrl;
  const text = readText(check, 'server-ssl-crl', path);
  if (text === undefined) return;
  try {
    createSecureContext({ crl: text });
  } catch {
    check.problem('server-ssl-crl', `"${path}" holds no certificate revocation list in PEM form`);
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
  const make = `make one with: openssl genrsa -out KEY.pem ${SHORTEST_RSA_KEY_BITS}`;
  if (key.asymmetricKeyType !== 'rsa') {
    check.problem(option, `"${path}" is not an RSA key (${key.asymmetricKeyType}); ${make}`);
    return;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < SHORTEST_RSA_KEY_BITS || bits > LONGEST_RSA_KEY_BITS) {
    const range = `${SHORTEST_RSA_KEY_BITS} to ${LONGEST_RSA_KEY_BITS}`;
    check.problem(option, `"${path}" has ${bits} bit; it must have ${range}, ${make}`);
  }
}

/** OpenSSL's words without its numbers; they never quote the file. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^error:[0-9A-F]+:/, '');
}
