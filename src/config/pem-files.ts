/** Reads the files of a route, and reports what can't be read: the caller goes on with what is left. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { holdsPrivateKey, isEncrypted, opensslReason, pemCertificates } from '../certs/pem.js';
import type { RouteCheck } from './check-route.js';
import { options } from './option-table.js';
import { canBeReadByOthers } from './secret-file.js';

/** The text of the file; undefined when it was not given, or can't be read, which is then reported. */
export function readText(
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
    const isReadable = (status.mode & 0o044) !== 0 && canBeReadByOthers(status, process.geteuid?.());
    if (secret && isReadable) {
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

/** Empty where the file was not given, or holds none, which is then reported. */
export function readCertificates(
  check: RouteCheck,
  option: string,
  path: string | undefined,
): X509Certificate[] {
  const text = readText(check, option, path);
  if (text === undefined) return [];
  const blocks = pemCertificates(text);
  const unusable = (cause: string, cure: string) => {
    check.problem(option, { code: 'certificate_unusable', cause, cure });
    return [];
  };
  if (blocks.length === 0) {
    const swapped = holdsPrivateKey(text);
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
        `certificate ${index + 1} in "${path}" is unusable: ${opensslReason(error)}`,
        'get the file anew',
      );
    }
  }
  return certificates;
}

export function readPassphrase(check: RouteCheck, path: string | undefined): string | undefined {
  const passphrase = readText(check, 'server-ssl-key-passphrase-file', path)?.replace(/\r?\n$/, '');
  if (passphrase !== '') return passphrase;
  check.problem('server-ssl-key-passphrase-file', {
    code: 'key_passphrase_wrong',
    cause: `"${path}" is empty`,
    cure: 'write the passphrase into its first line',
  });
  return undefined;
}

/** Undefined where the file was not given, or holds no usable key, which is then reported. */
export function readKey(
  check: RouteCheck,
  option: string,
  path: string | undefined,
  passphrase?: string,
): KeyObject | undefined {
  const text = readText(check, option, path);
  if (text === undefined) return undefined;
  const encrypted = isEncrypted(text);
  const problem = (
    code: 'key_unusable' | 'key_encrypted' | 'key_passphrase_wrong',
    cause: string,
    cure: string,
  ) => {
    check.problem(option, { code, cause: `"${path}" ${cause}`, cure });
    return undefined;
  };
  if (!holdsPrivateKey(text)) {
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
      return problem('key_unusable', `is not a usable private key: ${opensslReason(error)}`, 'get it anew');
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
