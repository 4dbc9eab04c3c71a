/** Where a value was given. */
export interface Origin {
  readonly kind: 'flag' | 'environment' | 'file' | 'argument' | 'default';
  /** For a person: `flag --listen`, `environment MYSQL_TLS_PROXY_LISTEN`, `file /etc/proxy.yaml:7`, `default`. */
  readonly text: string;
}

export const defaultOrigin: Origin = Object.freeze({ kind: 'default', text: 'default' });

/** One thing that is wrong with the configuration, or, as a warning, questionable about it. */
export interface ConfigProblem {
  /** Name of the option, without dashes in front; or of the key, variable or file that is no option. */
  readonly option: string;
  /** Only when it is about one route other than `default`. */
  readonly route?: string;
  /** Undefined when the problem is that nothing was given. */
  readonly origin?: Origin;
  /** What is wrong and what to change. Never holds a secret. */
  readonly message: string;
  /** Of what is wrong with a file; the message is made of these two. */
  readonly fault?: FileFault;
}

/** What can be wrong with a file of certificates, keys or revocations: stable codes, and what they say. */
export const fileFaults = {
  file_missing: 'the file does not exist',
  file_unreadable: 'the file is none, or the user that runs the proxy may not read it',
  certificate_unusable: 'the file holds no certificate, or one that OpenSSL can not read',
  certificate_expired: 'the certificate that is to be shown has expired',
  certificate_not_yet_valid: 'the certificate that is to be shown is not valid yet',
  certificate_usage: 'the certificate is not made for this leg: extendedKeyUsage has other uses only',
  certificate_not_for_yassl:
    'clients of MySQL 5.5 and 5.6 can not use the certificate, though the legacy profile is for them',
  certificate_kind_twice: 'two certificates of the client leg have the same kind of key',
  key_unusable: 'the file holds no private key of the kind that is needed',
  key_encrypted: 'the private key is encrypted, and no passphrase is given',
  key_passphrase_wrong: 'the passphrase does not open the private key',
  key_mismatch: 'private key and certificate do not belong together',
  key_readable_by_others: 'other users of the machine can read the private key',
  crl_unusable: 'the file holds no revocation list',
} as const;

export type FileFaultCode = keyof typeof fileFaults;

export interface FileFault {
  readonly code: FileFaultCode;
  readonly cause: string;
  readonly cure: string;
}

/** `flag --client-ssl-key: "key.pem" does not exist` or `file proxy.yaml:7, listen: …`, for a person. */
export function formatProblem({ option, route, origin, message }: ConfigProblem): string {
  const name = route === undefined ? option : `route ${route}, ${option}`;
  if (origin === undefined) return `${name}: ${message}`;
  if (origin.kind === 'default') return `${name} (default): ${message}`;
  // The text of the others already names the option; a line in a file does not.
  const where = origin.kind === 'file' && option !== 'config' ? `${origin.text}, ${name}` : origin.text;
  return `${where}: ${message}`;
}

/** The configuration can't be used. Holds all that is wrong with it, not just the first thing. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  /** Absolute paths of all that the configuration is made of, whether they exist or not. */
  readonly files: readonly string[];

  constructor(problems: readonly ConfigProblem[], files: readonly string[] = []) {
    super(['configuration is not valid:', ...problems.map((p) => `  - ${formatProblem(p)}`)].join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
    this.files = files;
  }
}
