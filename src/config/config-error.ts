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

/** What can be wrong with a file of certificates, keys or revocations: stable names for programs. */
export type FileFaultCode =
  | 'file_missing'
  | 'file_unreadable'
  | 'certificate_unusable'
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'certificate_usage'
  | 'certificate_not_for_yassl'
  | 'certificate_kind_twice'
  | 'key_unusable'
  | 'key_encrypted'
  | 'key_passphrase_wrong'
  | 'key_mismatch'
  | 'key_readable_by_others'
  | 'crl_unusable';

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

  constructor(problems: readonly ConfigProblem[]) {
    super(['configuration is not valid:', ...problems.map((p) => `  - ${formatProblem(p)}`)].join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
