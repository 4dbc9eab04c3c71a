/**
 * Every way in which a connection can fail, in one table: who is to blame, which ERR packet the client gets,
 * the metric label and the log level. Nothing else in the code chooses an errno, a label or a level.
 *
 * Error numbers and SQLSTATEs: MySQL "Server Error Message Reference"; numbers 2000-2999 are client-side numbers
 * that MySQL Router also sends. Most clients print them as they come; see `serverErrno` for those that do not.
 */

import { printable } from './printable.js';

/** Which of the proxy's two connections an error belongs to; `none` when it is the proxy's own doing. */
export type Leg = 'client' | 'server' | 'none';

export type Blame = 'client' | 'server' | 'proxy';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface ErrorDefinition {
  readonly blame: Blame;
  readonly leg: Leg;
  /** Number in the ERR packet, 1-65535. */
  readonly errno: number;
  /** Five characters; left out of the packet where the client's state does not allow it. */
  readonly sqlState: string;
  readonly logLevel: LogLevel;
  /** The cure, in one sentence, appended to every message. */
  readonly cure: string;
}

/** Keys are the stable codes seen in logs (`"code"`) and, as they are, in the metric label `reason`. */
export const errorTable = {
  // The client leg.
  client_gone: {
    blame: 'client',
    leg: 'client',
    errno: 1158,
    sqlState: '08S01',
    logLevel: 'debug',
    cure: 'The client closed the connection itself.',
  },
  client_address_denied: {
    blame: 'client',
    leg: 'client',
    errno: 1130,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Connect from a network of --allow-from, or add its own to it.',
  },
  client_too_slow: {
    blame: 'client',
    leg: 'client',
    errno: 1159,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Others were waiting: see that the client answers at once, or raise --route-max-handshakes.',
  },
  client_malformed_packet: {
    blame: 'client',
    leg: 'client',
    errno: 1043,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check that the program that connects here speaks the MySQL protocol.',
  },
  client_malformed_command: {
    blame: 'client',
    leg: 'client',
    errno: 1047,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check the client library: it sends a command that servers do not understand either.',
  },
  client_out_of_step: {
    blame: 'client',
    leg: 'client',
    errno: 1156,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check the client library, or connect anew instead of changing the user.',
  },
  client_can_not_switch: {
    blame: 'client',
    leg: 'client',
    errno: 1251,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'The client library knows no authentication plugins: use a newer one, or connect anew as that user.',
  },
  client_compression_not_offered: {
    blame: 'client',
    leg: 'client',
    errno: 3922,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Turn compression off in the client, or use TLS on both legs.',
  },
  access_denied: {
    blame: 'client',
    leg: 'client',
    errno: 1045,
    sqlState: '28000',
    logLevel: 'info',
    cure: 'Compare the password of the client with the file of --credentials.',
  },
  client_packet_too_large: {
    blame: 'client',
    leg: 'client',
    errno: 1153,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'A login must fit in 1 MiB; check that the program that connects here speaks the MySQL protocol.',
  },
  client_packet_out_of_order: {
    blame: 'client',
    leg: 'client',
    errno: 1156,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check the client library: it numbers its packets wrongly.',
  },
  client_proxy_header_missing: {
    blame: 'client',
    leg: 'client',
    errno: 1043,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Let the balancer there send the PROXY protocol (send-proxy-v2 in HAProxy), or take its address out of --proxy-protocol-from.',
  },
  client_proxy_header_invalid: {
    blame: 'client',
    leg: 'client',
    errno: 1043,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check the PROXY protocol of the balancer there: versions 1 and 2 over TCP are understood.',
  },
  client_proxy_header_refused: {
    blame: 'client',
    leg: 'client',
    errno: 1043,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'If a balancer of yours has this address, name it with --proxy-protocol-from, else somebody tries to pose as another.',
  },
  client_timeout: {
    blame: 'client',
    leg: 'client',
    errno: 1159,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Check the network to the client, or raise --handshake-timeout (keep it below the server connect_timeout).',
  },
  client_tls_not_offered: {
    blame: 'client',
    leg: 'client',
    errno: 1043,
    sqlState: '08S01',
    logLevel: 'warn',
    cure: 'Give the proxy --client-ssl-cert and --client-ssl-key, or turn TLS off in the client.',
  },
  client_tls_required: {
    blame: 'client',
    leg: 'client',
    errno: 3159,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Use TLS in the client, or allow its network with --client-plaintext-from.',
  },
  client_tls_version_mismatch: {
    blame: 'client',
    leg: 'client',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Set --client-tls-profile legacy if the client is old (MySQL 5.5 to 5.7, Java 7), else compare its versions with --client-tls-version.',
  },
  client_tls_cipher_mismatch: {
    blame: 'client',
    leg: 'client',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Set --client-tls-profile legacy if the client is old, and give it an RSA certificate with --client-ssl-cert.',
  },
  client_refused_certificate: {
    blame: 'client',
    leg: 'client',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Renew --client-ssl-cert if it has expired, else give the client the CA that signed it; mysql-tls-proxy certs show tells its names and validity.',
  },
  client_tls_failed: {
    blame: 'client',
    leg: 'client',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Compare the client with --client-tls-version and --client-ssl-cipher, and its CA with --client-ssl-cert, which may have expired.',
  },
  client_certificate_rejected: {
    blame: 'client',
    leg: 'client',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Give the client a certificate signed by the CA in --client-ssl-ca.',
  },
  // The server leg.
  server_unreachable: {
    blame: 'server',
    leg: 'server',
    errno: 2003,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Check that the machine of the server is on, and that no firewall is in the way to --server.',
  },
  server_port_closed: {
    blame: 'server',
    leg: 'server',
    errno: 2003,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Check that the server runs, and that --server names its host and port.',
  },
  server_name_unknown: {
    blame: 'server',
    leg: 'server',
    errno: 2005,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Correct the name in --server, or check the name servers of this machine.',
  },
  // Not 2013: the mysql CLI puts a text of its own in place of that error's.
  server_closed: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the error log of the server for the reason.',
  },
  server_timeout: {
    blame: 'server',
    leg: 'server',
    errno: 1159,
    sqlState: '08S01',
    logLevel: 'error',
    cure: 'Check the server and the network to it, or raise --handshake-timeout.',
  },
  server_silent: {
    blame: 'server',
    leg: 'server',
    errno: 1159,
    sqlState: '08S01',
    logLevel: 'error',
    cure: 'Check that --server names the classic MySQL port (3306), not the X Protocol (33060) or another service, and that the server is not overloaded.',
  },
  server_protocol_error: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the error log of the server, and check what stands between it and the proxy.',
  },
  server_not_mysql: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Check that --server names the classic MySQL port, 3306 unless configured otherwise.',
  },
  server_x_protocol: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Name the classic MySQL port with --server: 3306 where the X Protocol has 33060.',
  },
  server_not_as_greeted: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Connect again: it happens once after the server was changed, or where clients of different kinds share an address.',
  },
  server_asks_nothing_new: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Connect again: connections to this server are not reused any more. Remove --reuse-server-connections for it.',
  },
  // The server's own refusals. The client gets the server's packet; the log has these cures, too.
  server_host_blocked: {
    blame: 'server',
    leg: 'server',
    errno: 1129,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Run FLUSH HOSTS (MySQL 8 and newer: TRUNCATE TABLE performance_schema.host_cache) in the server, find out who broke connections off, and raise its max_connect_errors.',
  },
  server_too_many_connections: {
    blame: 'server',
    leg: 'server',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'error',
    cure: 'Raise max_connections in the server, or lower --max-connections of the proxy below it.',
  },
  server_host_not_allowed: {
    blame: 'server',
    leg: 'server',
    errno: 1130,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: "Create the account for the address that the server sees (that of the proxy, or of the client with --server-proxy-protocol), or for any host: 'app'@'%'.",
  },
  server_refused_health_check: {
    blame: 'proxy',
    leg: 'server',
    errno: 1045,
    sqlState: '28000',
    logLevel: 'warn',
    cure: 'Compare --health-check-user and --health-check-password-file with the account in the server.',
  },
  server_requires_tls: {
    blame: 'proxy',
    leg: 'server',
    errno: 3159,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Use TLS toward the server: --server-ssl-mode VERIFY_IDENTITY, or at least REQUIRED.',
  },
  server_refused_proxy_header: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Add the address of the proxy to proxy_protocol_networks of the server (MariaDB, Percona Server), or remove --server-proxy-protocol.',
  },
  server_tls_not_offered: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Turn on TLS in the server (ssl_ca, ssl_cert, ssl_key), or choose --server-ssl-mode DISABLED or PREFERRED.',
  },
  server_tls_version_mismatch: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Set --server-tls-profile legacy if the server is old (MySQL 5.5 to 5.7), else compare --server-tls-version with tls_version of the server.',
  },
  server_tls_cipher_mismatch: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Set --server-tls-profile legacy if the server is old, else compare --server-ssl-cipher and --server-tls-ciphersuites with what the server accepts.',
  },
  server_tls_no_secure_renegotiation: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Update the server, or set --server-tls-profile legacy to accept it as it is.',
  },
  server_tls_dh_key_too_small: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Leave DHE out of --server-ssl-cipher, as --server-tls-profile legacy does.',
  },
  server_tls_failed: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Compare --server-tls-version, --server-ssl-cipher and --server-tls-ciphersuites with what the server accepts.',
  },
  server_refused_tls: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the error log of the server, and check that it trusts the CA that signed --server-ssl-cert.',
  },
  server_refused_key_pair: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the error log of the server for what it has against the certificate in --server-ssl-cert.',
  },
  server_refused_key_pair_ca: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give with --server-ssl-cert a certificate of the CA that the server has in ssl_ca, or add the CA there.',
  },
  server_refused_key_pair_usage: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give with --server-ssl-cert a certificate made for clients (extendedKeyUsage clientAuth).',
  },
  server_refused_key_pair_expired: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Renew the certificate in --server-ssl-cert, and check the clock of the server.',
  },
  server_refused_key_pair_revoked: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Replace the certificate in --server-ssl-cert: the CA has revoked it.',
  },
  server_requires_key_pair: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give the proxy a client certificate with --server-ssl-cert and --server-ssl-key.',
  },
  server_ca_not_given: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give the CA that signed the certificate of the server (its ssl_ca) with --server-ssl-ca.',
  },
  server_certificate_untrusted: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give the CA that signed the certificate of the server (its ssl_ca) with --server-ssl-ca, and any intermediate CA that the server does not send.',
  },
  server_certificate_chain_incomplete: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Add the root CA to --server-ssl-ca: it must hold the whole chain from the certificate of the server on.',
  },
  server_certificate_self_signed: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give that very certificate with --server-ssl-ca, or give the server one signed by a CA.',
  },
  server_certificate_same_name_as_ca: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Make both anew with different common names, as mysql-tls-proxy certs create does: TLS takes such a certificate for one that signs itself.',
  },
  server_certificate_expired: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Renew the certificate of the server.',
  },
  server_certificate_not_yet_valid: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Check the clocks of both machines, or wait until the certificate becomes valid.',
  },
  server_certificate_revoked: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Replace the certificate of the server: the list in --server-ssl-crl names it as revoked.',
  },
  server_certificate_crl_unusable: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Give with --server-ssl-crl a current list of the CA that signed the certificate of the server.',
  },
  server_certificate_name_mismatch: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Connect to a name that the certificate contains, or use --server-ssl-mode VERIFY_CA to accept any name.',
  },
  server_certificate_no_ip_address: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Connect with --server to a name that the certificate contains, make one that contains the address, or use --server-ssl-mode VERIFY_CA.',
  },
  server_certificate_name_only_in_cn: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Make the certificate anew with the name as subjectAltName (mysql-tls-proxy certs create --host NAME), or use --server-ssl-mode VERIFY_CA.',
  },
  server_certificate_invalid: {
    blame: 'server',
    leg: 'server',
    errno: 2026,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the certificate with openssl x509 -text, and replace it.',
  },
  server_refused_credentials: {
    blame: 'proxy',
    leg: 'server',
    errno: 1045,
    sqlState: '28000',
    logLevel: 'error',
    cure: 'Correct the server user or its password in the file of --credentials.',
  },
  server_plugin_unsupported: {
    blame: 'proxy',
    leg: 'server',
    errno: 2059,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Let the client log in itself, or give the account another authentication plugin.',
  },
  server_rsa_key_unusable: {
    blame: 'server',
    leg: 'server',
    errno: 2061,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Use TLS toward the server (--server-ssl-mode), or check its private_key.pem and public_key.pem.',
  },
  // Refused on purpose: to go on would put a password at risk.
  cleartext_refused: {
    blame: 'proxy',
    leg: 'none',
    errno: 2061,
    sqlState: 'HY000',
    logLevel: 'warn',
    cure: 'Use TLS on both legs, or let it through on this route with --allow-cleartext.',
  },
  unknown_exchange_refused: {
    blame: 'server',
    leg: 'server',
    errno: 2061,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Use TLS toward the server (--server-ssl-mode), or an account with another authentication plugin.',
  },
  authentication_too_long: {
    blame: 'server',
    leg: 'server',
    errno: 2012,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Look at the authentication plugin of the account.',
  },
  // The proxy itself.
  rsa_key_unusable: {
    blame: 'proxy',
    leg: 'none',
    errno: 2061,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Repair the file, remove it so that a new key is made, or name another one with --rsa-private-key.',
  },
  too_many_connections: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Raise --max-connections.',
  },
  open_files_used_up: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'error',
    cure: 'Raise the limit of open files (LimitNOFILE= in systemd, ulimit -n) to more than two for each connection, or lower --max-connections.',
  },
  route_full: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Raise --route-max-connections.',
  },
  address_full: {
    blame: 'client',
    leg: 'client',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Have the program use fewer connections, or raise --address-max-connections.',
  },
  route_rate_exceeded: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Try again in a moment, keep connections open, or raise --route-connection-rate.',
  },
  address_rate_exceeded: {
    blame: 'client',
    leg: 'client',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Try again in a moment, keep connections open, or raise --address-connection-rate.',
  },
  server_connections_exhausted: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Have programs use fewer connections, or raise --max-server-connections (and max_connections of the server).',
  },
  handshake_not_begun: {
    blame: 'proxy',
    leg: 'none',
    errno: 1040,
    sqlState: '08004',
    logLevel: 'warn',
    cure: 'Look for clients that connect and say nothing, or for a slow server; or raise --route-max-handshakes.',
  },
  proxy_shutdown: {
    blame: 'proxy',
    leg: 'none',
    errno: 1053,
    sqlState: '08S01',
    logLevel: 'info',
    cure: 'The proxy is stopping: connect again.',
  },
  session_idle: {
    blame: 'client',
    leg: 'client',
    errno: 4031,
    sqlState: 'HY000',
    logLevel: 'info',
    cure: 'Connect again; have the pool drop idle connections earlier, or raise --idle-timeout.',
  },
  worker_died: {
    blame: 'proxy',
    leg: 'none',
    errno: 1105,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'Connect again. Look at the log for why the process ended: out of memory, or a bug in the proxy.',
  },
  internal_error: {
    blame: 'proxy',
    leg: 'none',
    errno: 1105,
    sqlState: 'HY000',
    logLevel: 'error',
    cure: 'This is a bug in the proxy: please report it with the log line.',
  },
} as const satisfies Record<string, ErrorDefinition>;

/** Errors with which a server turns a client away, whoever it says it is. */
const SERVER_REFUSALS = [
  'server_host_blocked',
  'server_too_many_connections',
  'server_host_not_allowed',
  'server_requires_tls',
] as const satisfies readonly ErrorCode[];

/** The code for the number of an ERR packet that a server sent; undefined for all that are about the login itself. */
export function serverRefusal(errno: number): (typeof SERVER_REFUSALS)[number] | undefined {
  return SERVER_REFUSALS.find((code) => errorTable[code].errno === errno);
}

const ER_UNKNOWN_ERROR = 1105;

export type ErrorCode = keyof typeof errorTable;

export const errorCodes = Object.keys(errorTable) as ErrorCode[];

/**
 * An expected failure of one connection. `what` says what happened, in words for the person at 3 a.m.; the leg and
 * the cure are added from the table. None of it may hold a password, a scramble or a key.
 */
export class ProxyError extends Error {
  readonly code: ErrorCode;
  readonly what: string;
  /** What the client is told: the message, unless that has more than clients should know, or in other words. */
  readonly clientText: string;

  constructor(code: ErrorCode, what: string, options: ErrorOptions & { clientText?: string } = {}) {
    const { clientText, ...errorOptions } = options;
    const printableWhat = printable(what, MAX_WHAT_LENGTH);
    super(composeMessage(errorTable[code], printableWhat), errorOptions);
    this.name = 'ProxyError';
    this.code = code;
    this.what = printableWhat;
    this.clientText = clientText === undefined ? this.message : printable(clientText, MAX_WHAT_LENGTH);
  }

  get definition(): ErrorDefinition {
    return errorTable[this.code];
  }

  /** The number for clients that show no error whose number is one of a client: ER_UNKNOWN_ERROR in its place. */
  get serverErrno(): number {
    const { errno } = this.definition;
    return errno >= 2000 && errno <= 2999 ? ER_UNKNOWN_ERROR : errno;
  }
}

function composeMessage(definition: ErrorDefinition, what: string): string {
  const leg = definition.leg === 'none' ? 'mysql-tls-proxy' : `mysql-tls-proxy, ${definition.leg} leg`;
  return `${leg}: ${what}. ${definition.cure}`;
}

/** Characters; with the cure behind it the whole fits into the 511 bytes that clients keep. */
const MAX_WHAT_LENGTH = 300;

/** Anything thrown becomes a ProxyError; what is not one already is a bug and says so. */
export function toProxyError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  return new ProxyError('internal_error', messageOf(thrown), { cause: thrown });
}

/** What is to be said of anything thrown, such as `EACCES: permission denied, open '/x'`. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
