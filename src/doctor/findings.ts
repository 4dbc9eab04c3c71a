/** What the doctor says: each finding has a stable code, a severity, one sentence of cause and one of cure. */
import type { FileFault, FileFaultCode } from '../config/config-error.js';
import { type ErrorCode, errorTable, type ProxyError } from '../errors.js';
import { type TlsWeakness, weakTls } from '../observe/weak-tls.js';
import { printable } from '../printable.js';

export type Severity = 'error' | 'warning' | 'info';

/** Codes of what is no failure of a connection: those have the codes of the error table, which the log uses, too. */
export const doctorTable = {
  account_requires_x509: {
    severity: 'error',
    cure: 'Give the proxy a client certificate of the CA that the server trusts, with --server-ssl-cert and --server-ssl-key.',
  },
  account_requirement_not_met: {
    severity: 'error',
    cure:
      'Compare SHOW CREATE USER of the account with the subject and issuer of --server-ssl-cert, or with the cipher ' +
      '(--server-tls-ciphersuites, --server-ssl-cipher).',
  },
  key_pair_not_sent: {
    severity: 'error',
    cure: 'Give with --server-ssl-cert a certificate with an RSA key of 2048 bit or more.',
  },
  login_denied: {
    severity: 'error',
    cure:
      'Check user and password; if they are right, the account demands more (SHOW CREATE USER shows REQUIRE): TLS, or a ' +
      'certificate with --server-ssl-cert and --server-ssl-key.',
  },
  login_plugin_unsupported: {
    severity: 'warning',
    cure:
      'Name with --user an account with caching_sha2_password, sha256_password or mysql_native_password; the proxy itself ' +
      'passes all plugins on.',
  },
  login_failed: {
    severity: 'error',
    cure: 'Look at the text of the error, which is of the server.',
  },
  account_without_requirement: {
    severity: 'info',
    cure: 'ALTER USER … REQUIRE SSL (or X509) makes the server refuse plaintext logins of the account.',
  },
  server_certificate_expires_soon: { severity: 'warning', cure: 'Renew the certificate of the server.' },
  server_accepts_old_tls: {
    severity: 'info',
    cure: 'Set tls_version of the server to TLSv1.2,TLSv1.3 as soon as no old client connects to it directly.',
  },
  server_accepts_plaintext: {
    severity: 'info',
    cure: 'Set require_secure_transport=ON in the server (MySQL 5.7, MariaDB 10.5 and newer), or REQUIRE SSL for accounts.',
  },
  server_no_resumption: {
    severity: 'info',
    cure: 'Nothing to do: each connection then costs a full handshake.',
  },
  revocation_not_checked: {
    severity: 'info',
    cure: 'Give the list of the CA with --server-ssl-crl if it revokes certificates.',
  },
  client_ssl_option_is_advisory: {
    severity: 'info',
    cure:
      'Give old clients --ssl-ca, and REQUIRE SSL to their accounts, so that a fall back to plaintext is refused; or ' +
      'let them connect in plaintext to a proxy on their own machine.',
  },
} as const satisfies Record<string, { severity: Severity; cure: string }>;

export type DoctorCode = keyof typeof doctorTable;

export type FindingCode =
  | ErrorCode
  | FileFaultCode
  | DoctorCode
  | `weak_${TlsWeakness}`
  | `client_leg_${string}`;

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** One sentence without a full stop at the end. */
  readonly cause: string;
  readonly cure: string;
  /** The first option that the cure names, without dashes. */
  readonly option?: string;
}

/** Characters; the peer chooses names and errors in it. */
const LONGEST_CAUSE = 500;

export function finding(code: FindingCode, severity: Severity, cause: string, cure: string): Finding {
  const option = /--([a-z][a-z-]+)/.exec(cure)?.[1];
  // Servers end their errors with a full stop, or do not.
  const shown = printable(cause, LONGEST_CAUSE).replace(/\.$/, '');
  return { code, severity, cause: shown, cure, ...(option === undefined ? {} : { option }) };
}

export function doctorFinding(code: DoctorCode, cause: string): Finding {
  const { severity, cure } = doctorTable[code];
  return finding(code, severity, cause, cure);
}

/** The same words as the log of a running proxy. */
export function findingFromError(error: ProxyError, severity: Severity = 'error'): Finding {
  return finding(error.code, severity, error.what, errorTable[error.code].cure);
}

export function findingFromFault(
  option: string,
  { code, cause, cure }: FileFault,
  severity: Severity,
): Finding {
  return { code, severity, cause: `--${option}: ${cause}`, cure: `${capital(cure)}.`, option };
}

/** What a running proxy counts in weak_tls_connections_total. */
export function findingFromWeakness(weakness: TlsWeakness): Finding {
  const { what, cure } = weakTls[weakness];
  return finding(`weak_${weakness}`, 'warning', `the connection has ${what}`, cure.server);
}

/** Collects findings; of each code the first, which comes from the most thorough look. */
export class Findings {
  readonly #byCode = new Map<FindingCode, Finding>();

  add(...findings: readonly Finding[]): void {
    for (const one of findings) if (!this.#byCode.has(one.code)) this.#byCode.set(one.code, one);
  }

  /** The worst first. */
  sorted(): readonly Finding[] {
    const order: readonly Severity[] = ['error', 'warning', 'info'];
    return [...this.#byCode.values()].sort(
      (one, other) => order.indexOf(one.severity) - order.indexOf(other.severity),
    );
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
